// The port of what makes indexes at a target: beside the sink, since an index takes long and rows must not wait for it.
import type { TargetIndex, TargetTable } from './table-write.ts';

/** An index that a table of the target has not got, or not whole. */
export interface MissingIndex {
  readonly table: TargetTable;
  readonly index: TargetIndex;
  /** What makes it, while others write to the table. */
  readonly sql: string;
}

export interface IndexMaker {
  /** Whether the target's schema may be changed. */
  readonly allowed: boolean;
  /** The indexes that these tables have not got, or not whole. */
  missing(tables: readonly TargetTable[]): Promise<readonly MissingIndex[]>;
  /**
   * Makes one and resolves when it is there, whoever made it. `written`: others write to the table, and are not kept from it. Throws INDEX_REFUSED
   * when that will not work, something retriable when it may later, or when the signal aborts: then the server is left to it.
   */
  make(missing: MissingIndex, written: boolean, signal: AbortSignal): Promise<void>;
}
