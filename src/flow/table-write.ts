// What a transactional sink for tables is given: steps, each either the rows of one run (for several target tables) or a truncate.
import type { MillraceError } from '../base/index.ts';
import type { Batch, Column, PartitionName, TableName } from '../data/index.ts';

/** A column as the rows carry it. The sink casts when the target's real column has another type; rows older than the column get `missing`. */
export interface TargetColumn extends Column {
  /** What the same column was when rows came last, where that is known. */
  readonly was?: { readonly name: string; readonly typeText: string; readonly notNull: boolean };
}

/** Which source a row's last change came from, and where it committed there. */
export const guardColumns = { source: '_source', lsn: '_lsn' } as const;

/** An index that a rule asks for. */
export interface TargetIndex {
  readonly name: string;
  /** What stands between the parentheses of CREATE INDEX. */
  readonly on: string;
  /** The access method; undefined: btree. */
  readonly using?: string;
  readonly where?: string;
  readonly unique: boolean;
}

export interface TargetTable extends TableName {
  readonly columns: readonly TargetColumn[];
  /** Indexes of the columns that identify a row. Empty: rows have no identity (append only, or found by their full old row). */
  readonly key: readonly number[];
  /** The key when rows came last, in the names of that time. */
  readonly keyWas?: readonly string[];
  /** Columns whose name belonged to another column when rows came last: what the target has there is not theirs. */
  readonly reused?: readonly string[];
  /** Columns that stay at the target although the source's are gone, to be remembered with the shape. */
  readonly left?: readonly string[];
  /** Those of them that were made of a column of the source, by its number, under their last names. */
  readonly gone?: readonly { readonly number: number; readonly name: string }[];
  /** Numbers of columns of the source that are not sent, to be remembered with the shape. */
  readonly unsent?: readonly number[];
  /** What the source's table consists of, to be remembered with the shape; which of them have come with rows since it was remembered, and which have gone. */
  readonly partitions?: readonly PartitionName[];
  readonly attached?: readonly string[];
  readonly detached?: readonly string[];
  /** Columns of the source that rules drop or mask, to be remembered with the shape. */
  readonly withheld?: readonly { readonly number: number; readonly name: string }[];
  /** Others write it too: rows that are newer than a change are left as they are, by the columns that `guardColumns` names. */
  readonly guarded?: boolean;
  /** Its shape is to stay as it is. */
  readonly frozen?: boolean;
  /** Made once its rows are there. */
  readonly indexes?: readonly TargetIndex[];
}

/**
 * Changes that a rule or a transform could not turn into rows of the target. The sink never applies them; it keeps each as a dead letter in the
 * commit of its step, ordered by `seqs` among the other rows (a later whole row of the same key supersedes the letter).
 */
export interface RejectedRows {
  /** The changes as the source sent them, in the source's layout. Columns that the rules withhold from the target stand as unchanged. */
  readonly batch: Batch;
  /** Target column i is the field `fields[i]` of this batch, −1 where it is computed or returned by a transform. */
  readonly fields: Int32Array;
  /**
   * The rows' keys at the target, in the layout and formats of the write's own batch, so that they are found among its rows: `after` has the
   * key of the row after the change, `before` of the one before it. A row is empty where there is none, or where the rule fails on the key too.
   */
  readonly keys: Batch;
  /** Why, one a row of `batch`. */
  readonly errors: readonly MillraceError[];
}

/**
 * Changes of one source relation for one target table. Fields of the batch that `fields` does not name may be columns that the rules withhold:
 * they must not leave the process, not in a dead letter either. Rows stay in the batch's own layout; target column i is the batch's field `fields[i]`.
 * An update whose row is whole means "this row is there afterwards"; one with unchanged fields needs the row to be there.
 * A change of the key shows as a key in `before` that differs from the one in `after`.
 */
export interface TableWrite {
  readonly target: TargetTable;
  /** Where the rows come from, for dead letters and messages. */
  readonly from: TableName;
  readonly batch: Batch;
  readonly fields: Int32Array;
  /** The rows of the batch that count, ascending; undefined: all. */
  readonly rows?: Uint32Array;
  /** Rows that must become dead letters. A write may consist of nothing else (`rows` is empty then). */
  readonly rejected?: RejectedRows;
}

export interface TableTruncate {
  readonly targets: readonly TargetTable[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

/** Rows of one run; their `seqs` order them across tables. Steps are applied in order, rows of a step never before rows of an earlier one. */
export type TableStep =
  | { readonly kind: 'rows'; readonly writes: readonly TableWrite[] }
  | { readonly kind: 'truncate'; readonly truncate: TableTruncate };
