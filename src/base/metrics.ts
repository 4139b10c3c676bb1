// Counters and gauges with a Prometheus text exposition (version 0.0.4). Declared once, with help; the reference page is generated from them.

export type Labels = Readonly<Record<string, string>>;
type Kind = 'counter' | 'gauge';

export interface MetricSpec {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  readonly labels: readonly string[];
}

/** All metrics of Millrace. */
export const metricSpecs = {
  sourceUp: { name: 'millrace_source_up', kind: 'gauge', help: '1 while changes of the source are received (or its snapshot is read), else 0.', labels: ['source'] },
  sourceChanges: { name: 'millrace_source_changes_total', kind: 'counter', help: 'Row changes received from a source.', labels: ['source', 'table'] },
  sourceTransactions: { name: 'millrace_source_transactions_total', kind: 'counter', help: 'Transactions received from a source.', labels: ['source'] },
  sourceBytes: { name: 'millrace_source_bytes_total', kind: 'counter', help: 'Bytes received from a source by replication.', labels: ['source'] },
  sourceSpilledBytes: { name: 'millrace_source_spilled_bytes', kind: 'gauge', help: 'Changes of transactions in progress that wait for their commit, in memory and on disk.', labels: ['source'] },
  sourceLagBytes: { name: 'millrace_source_lag_bytes', kind: 'gauge', help: 'WAL written by the source and not yet received.', labels: ['source'] },
  sourceLagMs: { name: 'millrace_source_lag_ms', kind: 'gauge', help: 'Age of the newest transaction received, 0 when nothing is outstanding.', labels: ['source'] },
  sourceWalKeptBytes: { name: 'millrace_source_wal_kept_bytes', kind: 'gauge', help: 'WAL that the replication slot holds back at the source.', labels: ['source'] },
  sourceReconnects: { name: 'millrace_source_reconnects_total', kind: 'counter', help: 'Times the replication connection was made again.', labels: ['source'] },
  logBytes: { name: 'millrace_log_bytes', kind: 'gauge', help: 'Size of the embedded log on disk.', labels: ['source'] },
  snapshotRows: { name: 'millrace_snapshot_rows_total', kind: 'counter', help: 'Rows copied by snapshots.', labels: ['replica', 'table'] },
  replicaUp: { name: 'millrace_replica_up', kind: 'gauge', help: '1 while the replica applies changes or loads a snapshot, 0 while it cannot (retrying, failed) or must not (paused).', labels: ['replica'] },
  replicaRows: { name: 'millrace_replica_rows_total', kind: 'counter', help: 'Rows written, deleted or updated in the target.', labels: ['replica'] },
  replicaEpochs: { name: 'millrace_replica_epochs_total', kind: 'counter', help: 'Epochs committed in the target.', labels: ['replica'] },
  replicaRetries: { name: 'millrace_replica_retries_total', kind: 'counter', help: 'Epochs applied again after an error.', labels: ['replica'] },
  replicaLagBytes: { name: 'millrace_replica_lag_bytes', kind: 'gauge', help: 'WAL between the replica and the end of the source.', labels: ['replica'] },
  replicaLagMs: { name: 'millrace_replica_lag_ms', kind: 'gauge', help: 'Age of the newest change that is not in the target yet, 0 when idle.', labels: ['replica'] },
  replicaDeadLetters: { name: 'millrace_replica_dead_letters', kind: 'gauge', help: 'Open dead letters.', labels: ['replica'] },
} as const satisfies Record<string, MetricSpec>;

export type MetricName = keyof typeof metricSpecs;

const escapeLabel = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** The values of one process. */
export class Metrics {
  readonly #values = new Map<MetricName, Map<string, number>>();

  #series(name: MetricName): Map<string, number> {
    let series = this.#values.get(name);
    if (!series) this.#values.set(name, (series = new Map()));
    return series;
  }

  add(name: MetricName, labels: Labels, amount = 1): void {
    const series = this.#series(name);
    const key = labelText(name, labels);
    series.set(key, (series.get(key) ?? 0) + amount);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    this.#series(name).set(labelText(name, labels), value);
  }

  get(name: MetricName, labels: Labels): number {
    return this.#values.get(name)?.get(labelText(name, labels)) ?? 0;
  }

  /** The Prometheus text format. */
  expose(): string {
    const lines: string[] = [];
    for (const [name, spec] of Object.entries(metricSpecs) as [MetricName, MetricSpec][]) {
      lines.push(`# HELP ${spec.name} ${spec.help}`, `# TYPE ${spec.name} ${spec.kind}`);
      for (const [labels, value] of this.#values.get(name) ?? []) lines.push(`${spec.name}{${labels}} ${value}`);
    }
    return lines.join('\n') + '\n';
  }
}

function labelText(name: MetricName, labels: Labels): string {
  return metricSpecs[name].labels.map((label) => `${label}="${escapeLabel(labels[label] ?? '')}"`).join(',');
}
