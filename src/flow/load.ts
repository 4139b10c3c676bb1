// The snapshot path into a target: a table, filled in one transaction together with the note that it is done, or in several, a chunk each.
import type { KeyRange, PartitionName, Position, TableName } from '../data/index.ts';
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
  readonly stopped?: TableStop;
}

/** Why a table's changes are passed over. It is read again afterwards. */
export interface TableStop {
  readonly reason: string;
  readonly next?: string;
  /** What ends it: that rules and target fit again; the next start or resync, when it is tried again; only a resync. */
  readonly waits: 'fit' | 'start' | 'resync';
}

/** The shape in which rows of a table came last, in the target's names. */
export interface TableShape {
  /** It is that of another table, which had the same name. Not stored. */
  readonly remade?: true;
  /** `number`: that of the source's column, where it is made of one. */
  readonly columns: readonly { readonly name: string; readonly typeText: string; readonly notNull: boolean; readonly number?: number }[];
  readonly key: readonly string[];
  /** Columns that the target has still, although the source's are gone. */
  readonly left?: readonly string[];
  /** Those of them that were made of a column of the source: its number, and the name that they had last. */
  readonly gone?: readonly { readonly number: number; readonly name: string }[];
  /** Numbers of columns of the source that were not sent. */
  readonly unsent?: readonly number[];
  /** What the source's table consisted of. */
  readonly partitions?: readonly PartitionName[];
  /** Columns of the source that rules drop or mask. */
  readonly withheld?: readonly { readonly number: number; readonly name: string }[];
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
  /** The stream goes on meanwhile: when all is there the table is not done yet, it waits for ReplicaTarget's `join`. */
  readonly joins: boolean;
}

export interface Load {
  readonly part: string;
  /** `oid` tells a table from another one that has taken its name later. */
  readonly from: TableName & { readonly oid?: number };
  readonly target: TargetTable;
  /** Where the snapshot stands in the stream. */
  readonly position: Position;
  /** See ChunkedLoad. */
  readonly joins?: boolean;
  /** If the target table has rows, they stay and count as loaded: no steps are taken. */
  readonly keeps?: boolean;
  /** A chunk of a load that was begun: it is noted, the table is not done with it. A range of keys, or a number where chunks are places. */
  readonly chunk?: { readonly keys: KeyRange | number; readonly shape: string };
  readonly steps: AsyncIterable<TableStep>;
}

/** The shape of a table that is there now, as it is stored. */
export function shapeOf({ columns, key, left, gone, unsent, partitions, withheld }: TargetTable): TableShape {
  return {
    columns: columns.map(({ name, typeText, notNull, number }) => ({ name, typeText, notNull, ...(number === undefined ? {} : { number }) })),
    key: key.map((i) => columns[i]?.name ?? ''),
    ...(left && left.length > 0 ? { left } : {}),
    ...(gone && gone.length > 0 ? { gone } : {}),
    ...(unsent && unsent.length > 0 ? { unsent } : {}),
    ...(partitions ? { partitions: partitions.map(({ oid, name, since }) => ({ oid, name, since })) } : {}),
    ...(withheld && withheld.length > 0 ? { withheld } : {}),
  };
}
