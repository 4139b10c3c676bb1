// The Grafana dashboard of docs/monitoring/grafana.json, drawn from the list of panels below.

interface Panel {
  readonly title: string;
  readonly unit: 'short' | 'ms' | 'bytes' | 'Bps' | 'rowsps' | 'ops';
  readonly kind?: 'timeseries' | 'stat';
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
  readonly width?: number;
}

const panels: readonly Panel[] = [
  { title: 'Sources', kind: 'stat', unit: 'short', width: 6, queries: [{ expr: 'millrace_source_up{job=~"$job"}', legend: '{{source}}' }] },
  { title: 'Replicas', kind: 'stat', unit: 'short', width: 6, queries: [{ expr: 'millrace_replica_up{job=~"$job"}', legend: '{{replica}}' }] },
  { title: 'Behind', kind: 'stat', unit: 'ms', width: 6, queries: [{ expr: 'millrace_replica_lag_ms{job=~"$job"}', legend: '{{replica}}' }] },
  { title: 'Open dead letters', kind: 'stat', unit: 'short', width: 6, queries: [{ expr: 'millrace_replica_dead_letters{job=~"$job"}', legend: '{{replica}}' }] },
  {
    title: 'Rows', unit: 'rowsps', queries: [
      { expr: 'sum by (source) (rate(millrace_source_changes_total{job=~"$job"}[$__rate_interval]))', legend: 'received from {{source}}' },
      { expr: 'sum by (replica) (rate(millrace_replica_rows_total{job=~"$job"}[$__rate_interval]))', legend: 'written to {{replica}}' },
      { expr: 'sum by (replica) (rate(millrace_snapshot_rows_total{job=~"$job"}[$__rate_interval]))', legend: 'snapshot of {{replica}}' },
    ],
  },
  {
    title: 'Lag', unit: 'ms', queries: [
      { expr: 'millrace_source_lag_ms{job=~"$job"}', legend: 'source {{source}}' },
      { expr: 'millrace_replica_lag_ms{job=~"$job"}', legend: 'replica {{replica}}' },
    ],
  },
  {
    title: 'Lag in WAL', unit: 'bytes', queries: [
      { expr: 'millrace_source_lag_bytes{job=~"$job"}', legend: 'source {{source}}' },
      { expr: 'millrace_replica_lag_bytes{job=~"$job"}', legend: 'replica {{replica}}' },
    ],
  },
  {
    title: 'Kept', unit: 'bytes', queries: [
      { expr: 'millrace_source_wal_kept_bytes{job=~"$job"}', legend: 'WAL at {{source}}' },
      { expr: 'millrace_log_bytes{job=~"$job"}', legend: 'log of {{source}}' },
      { expr: 'millrace_source_spilled_bytes{job=~"$job"}', legend: 'in progress at {{source}}' },
    ],
  },
  { title: 'Received', unit: 'Bps', queries: [{ expr: 'rate(millrace_source_bytes_total{job=~"$job"}[$__rate_interval])', legend: '{{source}}' }] },
  {
    title: 'Commits', unit: 'ops', queries: [
      { expr: 'rate(millrace_source_transactions_total{job=~"$job"}[$__rate_interval])', legend: 'transactions of {{source}}' },
      { expr: 'rate(millrace_replica_epochs_total{job=~"$job"}[$__rate_interval])', legend: 'epochs of {{replica}}' },
    ],
  },
  {
    title: 'Tried again', unit: 'short', queries: [
      { expr: 'increase(millrace_source_reconnects_total{job=~"$job"}[$__rate_interval])', legend: 'connections to {{source}}' },
      { expr: 'increase(millrace_replica_retries_total{job=~"$job"}[$__rate_interval])', legend: 'replica {{replica}}' },
    ],
  },
  { title: 'Busiest tables', unit: 'rowsps', queries: [{ expr: 'topk(10, rate(millrace_source_changes_total{job=~"$job"}[$__rate_interval]))', legend: '{{table}}' }] },
];

const datasource = { type: 'prometheus', uid: '${datasource}' };

/** The dashboard's JSON, to be imported into Grafana 10 or newer. */
export function dashboard(): string {
  let [x, y, rowHeight] = [0, 0, 0];
  const placed = panels.map(({ title, unit, kind = 'timeseries', queries, width = 12 }, i) => {
    const height = kind === 'stat' ? 4 : 8;
    if (x + width > 24) [x, y] = [0, y + rowHeight];
    const gridPos = { x, y, w: width, h: height };
    x += width;
    rowHeight = height;
    return {
      id: i + 1, type: kind, title, datasource, gridPos,
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: queries.map(({ expr, legend }, n) => ({ refId: String.fromCharCode(65 + n), datasource, expr, legendFormat: legend })),
    };
  });
  const variable = (name: string, label: string, rest: object): unknown => ({ name, label, ...rest });
  const content = {
    title: 'Millrace', uid: 'millrace', schemaVersion: 39, version: 1, editable: true, tags: ['millrace'], refresh: '10s', time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        variable('datasource', 'Data source', { type: 'datasource', query: 'prometheus' }),
        variable('job', 'Job', { type: 'query', datasource, query: 'label_values(millrace_replica_up, job)', includeAll: true, multi: true, refresh: 2 }),
      ],
    },
    panels: placed,
  };
  return `${JSON.stringify(content, null, 1)}\n`;
}
