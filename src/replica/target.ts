// What a replica needs of its target: the shape of its tables, loads, epochs. Implemented on the PostgreSQL sink.
import type { TableName } from '../data/index.ts';
import type { Committed, Load, LoadedTable, TableStep, TransactionalSink } from '../flow/index.ts';

export interface ReplicaTarget extends TransactionalSink<TableStep> {
  tables(part: string): Promise<readonly LoadedTable[]>;
  /** Forgets the loads of a source's tables that are not among these: nobody follows their changes now, so that they are to be read anew later. */
  forgetOthers(part: string, current: readonly { readonly source: string; readonly target: string }[]): Promise<void>;
  /** Target table → number; tables with smaller ones are loaded first, since others refer to them. One that is not in it may come at any time. */
  loadRanks(tables: readonly TableName[]): Promise<ReadonlyMap<string, number>>;
  /** Fills a table from a snapshot in one transaction, together with the note that it is done. An aborted signal rolls it back. */
  load(load: Load, signal: AbortSignal): Promise<Committed>;
}
