// The status of a running project, from what captures and replicas know of themselves.
import type { Capture } from '../../capture/index.ts';
import type { MillraceError } from '../../base/index.ts';
import { type Position, tableAddress } from '../../data/index.ts';
import type { Replica, SnapshotProgress } from '../../replica/index.ts';
import { onlyCopyNote } from '../source-memory.ts';
import type { Condition, ReadingStatus, ReplicaStatus, ReplicaTableStatus, SourceStatus, State, TableStatus } from '../status.ts';

const fromError = (state: State, error: MillraceError): Condition => ({ state, reason: `${error.message} [${error.code}]`, next: error.hint });

/** Bytes between two positions of a source whose positions are byte offsets; 0 while one is unknown. */
const distance = (end: Position | undefined, at: Position | undefined): number => (end === undefined || at === undefined || at >= end ? 0 : Number(end - at));

export function sourceStatus(capture: Capture, replicas: readonly Replica[], lagMs: number, monotonicMs: number): SourceStatus {
  const { condition, stream, source } = capture;
  const parts = replicas.flatMap((replica) => replica.part(source.name) ?? []);
  const loading = parts.some((part) => part.progress.phase === 'snapshot');
  const base: Condition =
    condition.state === 'retrying' || condition.state === 'failed'
      ? fromError(condition.state, condition.error)
      : stream.failure ? fromError('retrying', stream.failure)
      : { state: condition.state === 'streaming' && loading ? 'snapshot' : condition.state, ...('reason' in condition && condition.reason ? { reason: condition.reason } : {}) };
  const tables: Record<string, TableStatus> = {};
  for (const relation of capture.relations) {
    const address = tableAddress(relation);
    const isLoading = parts.some((part) => part.progress.loading.has(address) || (part.progress.phase === 'snapshot' && !part.progress.snapshotRows.has(address)));
    // A replica that cannot reach its target has not begun to read the table.
    const isWaiting = parts.some((part) => part.progress.phase === 'starting' && !part.progress.snapshotRows.has(address));
    const own = base.state === 'snapshot' ? 'streaming' : base.state;
    tables[address] = {
      state: isLoading ? 'snapshot' : isWaiting && own === 'streaming' ? 'starting' : own,
      snapshotRows: Math.max(0, ...parts.map((part) => part.progress.snapshotRows.get(address) ?? 0)),
      ...reading(parts.flatMap((part) => part.progress.snapshots.get(address) ?? []), monotonicMs),
      changes: capture.changes.get(address) ?? 0,
    };
  }
  for (const { error, ...table } of capture.refused) tables[tableAddress(table)] = { ...fromError('failed', error), snapshotRows: 0, changes: capture.changes.get(tableAddress(table)) ?? 0 };
  const note = capture.logIsOnlyCopy ? { reason: [base.reason, onlyCopyNote].filter(Boolean).join('; ') } : {};
  return {
    ...base, ...note,
    position: stream.end === undefined ? null : source.formatPosition(stream.end),
    lagBytes: distance(capture.sourceEnd, stream.end),
    lagMs,
    tables,
  };
}

/** Of several replicas that read a table, the one that has the least of it. */
function reading(all: readonly SnapshotProgress[], monotonicMs: number): { reading?: ReadingStatus } {
  const [one] = all.toSorted((a, b) => a.rows - b.rows);
  if (!one) return {};
  const { rows, rowsBefore, bytes, bytesEstimate } = one;
  const rowsEstimate = one.rowsEstimate > 0 ? Math.max(rows, one.rowsEstimate) : null;
  const done = rows - rowsBefore;
  const etaMs = rowsEstimate === null || done === 0 ? null : Math.round(((monotonicMs - one.startedMs) * (rowsEstimate - rows)) / done);
  return { reading: { rows, rowsEstimate, bytes, bytesEstimate, etaMs } };
}

export function replicaStatus(replica: Replica, captures: readonly Capture[], nowMs: number): ReplicaStatus {
  const { condition } = replica;
  const base: Condition =
    condition.state === 'retrying' || condition.state === 'failed'
      ? fromError(condition.state, condition.error)
      : {
          state: condition.state,
          ...('reason' in condition && condition.reason ? { reason: condition.reason } : {}),
          ...(condition.state === 'paused' ? { next: `millrace resume ${replica.name}` } : {}),
        };
  let [lagBytes, lagMs, rows] = [0, 0, 0];
  const positions: string[] = [];
  for (const capture of captures) {
    const progress = replica.part(capture.source.name)?.progress;
    if (!progress) continue;
    rows += progress.rows;
    lagBytes = Math.max(lagBytes, distance(capture.sourceEnd, progress.applied));
    const behind = progress.applied !== undefined && capture.stream.end !== undefined && progress.applied < capture.stream.end;
    const sinceUs = progress.pendingSinceUs || (behind && condition.state !== 'streaming' ? capture.lastCommitUs : 0n);
    if (sinceUs > 0n) lagMs = Math.max(lagMs, Math.round(nowMs - Number(sinceUs / 1000n)));
    if (progress.applied !== undefined) positions.push(capture.source.formatPosition(progress.applied));
  }
  const tables = Object.fromEntries(captures.flatMap((capture) => tablesOf(replica, capture.source.name, captures.length > 1)));
  return { ...base, position: positions.length === 0 ? null : positions.join(', '), lagBytes, lagMs, rows, deadLetters: replica.deadLetters, tables };
}

/** The tables of a source of which there is something to tell. */
function tablesOf(replica: Replica, source: string, qualified: boolean): [string, ReplicaTableStatus][] {
  const part = replica.part(source);
  return [...(part?.states.all ?? [])].map(([table, { stop, events, indexes }]) => {
    const { reason, next } = stop ?? indexes.find((index) => index.reason !== undefined) ?? {};
    const condition: Condition = {
      state: stop ? 'failed' : part?.progress.loading.has(table) ? 'snapshot' : replica.condition.state,
      ...(reason === undefined ? {} : { reason }), ...(next === undefined ? {} : { next }),
    };
    return [qualified ? `${source}.${table}` : table, { ...condition, indexes, events: events.map(({ atMs, what }) => ({ at: new Date(atMs).toISOString(), what })) }];
  });
}
