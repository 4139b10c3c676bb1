// docs/reference/metrics.md, from the declarations of the metrics.
import { type MetricSpec, metricSpecs } from '../../src/base/index.ts';

export function metricsReference(): string {
  const rows = Object.values<MetricSpec>(metricSpecs).map(
    ({ name, kind, help, labels }) => `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return [
    '# Metrics',
    '<!-- Generated from src/base/metrics.ts by `npm run docs`; edit it there. -->',
    'A running project answers `GET /metrics` in Prometheus\' text format, at the address that `serve.http` gives or, without one, at the free loopback port that '
      + '`.millrace/run.json` names. Counters begin at 0 with each start of the process. Lag in milliseconds compares clocks of two machines; `millrace doctor` looks whether they agree.',
    ['| name | kind | labels | meaning |', '|---|---|---|---|', ...rows].join('\n'),
    'Worth an alert: `millrace_replica_lag_ms` above what you can bear, `millrace_source_wal_kept_bytes` near the source\'s `max_slot_wal_keep_size`, '
      + '`millrace_replica_dead_letters` above 0, and the process not answering at all.',
  ].join('\n\n') + '\n';
}
