// The snapshot path into a target: a table, filled in one transaction together with the note that it is done, or in several, a chunk each.
import type { KeyRange, Position, TableName } from '../data/index.ts';
import type { TableStep, TargetTable } from './table-write.ts';

/** What the target remembers of a table's snapshot. */
export interface LoadedTable {
  /** Address at the source and at the target. */
  readonly source: string;
  readonly target: string;
  readonly done: boolean;
  readonly snapshotPosition: Position;
  readonly rows: number;
  /** The OID that the source's table had; 0 unknown. */
  readonly oid: number;
}

/** A part of a table that has been loaded and committed by itself. */
export interface LoadedChunk {
  readonly keys: KeyRange;
  /** Of the snapshot that it was read in. */
  readonly position: Position;
  readonly rows: number;
  /** Of the table then; see Snapshot.shape. */
  readonly shape: string;
}

/** A load in several transactions is begun; see ReplicaTarget.beginChunks. */
export interface ChunkedLoad {
  readonly part: string;
  readonly from: TableName & { readonly oid?: number };
  readonly target: TargetTable;
  readonly shape: string;
  /** Whether chunks are ranges of keys: then those of an earlier attempt stay, if they are of this shape and not older than `since`. */
  readonly resumes: boolean;
  readonly since: Position;
}

export interface Load {
  readonly part: string;
  /** `oid` tells a table from another one that has taken its name later. */
  readonly from: TableName & { readonly oid?: number };
  readonly target: TargetTable;
  /** Where the snapshot stands in the stream. */
  readonly position: Position;
  /** A chunk of a load that was begun: it is noted, the table is not done with it. A range of keys, or a number where chunks are places. */
  readonly chunk?: { readonly keys: KeyRange | number; readonly shape: string };
  readonly steps: AsyncIterable<TableStep>;
}
