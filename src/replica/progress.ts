// How far a part of a replica is, for status.
import type { Position } from '../data/index.ts';

/** A table that is being read. */
export interface SnapshotProgress {
  rows: number;
  /** As the source sends them; `bytesEstimate` is what the table takes there. */
  bytes: number;
  /** Rows that an earlier attempt had loaded. */
  rowsBefore: number;
  /** −1 unknown. */
  readonly rowsEstimate: number;
  readonly bytesEstimate: number;
  /** On the monotonic clock. */
  readonly startedMs: number;
}

export interface PartProgress {
  /** Applied, in this process's memory; the target may have an older one while the source is idle. */
  applied: Position | undefined;
  /** Commit time of the oldest change that is being applied, microseconds; 0n when none is. */
  pendingSinceUs: bigint;
  phase: 'starting' | 'snapshot' | 'streaming';
  rows: number;
  readonly snapshotRows: Map<string, number>;
  readonly loading: Set<string>;
  readonly snapshots: Map<string, SnapshotProgress>;
}
