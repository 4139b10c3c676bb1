// The snapshot path into a target: one table, filled in one transaction together with the note that it is done.
import type { Position, TableName } from '../data/index.ts';
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

export interface Load {
  readonly part: string;
  /** `oid` tells a table from another one that has taken its name later. */
  readonly from: TableName & { readonly oid?: number };
  readonly target: TargetTable;
  /** Where the snapshot stands in the stream. */
  readonly position: Position;
  readonly steps: AsyncIterable<TableStep>;
}
