// What a replica needs of its target: the shape of its tables, loads, epochs. Implemented on the PostgreSQL sink.
import type { Position, TableName } from '../data/index.ts';
import type { ChunkedLoad, Committed, Load, LoadedChunk, LoadedTable, TableStep, TableStop, TransactionalSink } from '../flow/index.ts';

export interface ReplicaTarget extends TransactionalSink<TableStep> {
  tables(part: string): Promise<readonly LoadedTable[]>;
  /** Forgets the loads of a source's tables that are not among these: nobody follows their changes now, so that they are to be read anew later. */
  forgetOthers(part: string, current: readonly { readonly source: string; readonly target: string }[]): Promise<void>;
  /** Notes durably that a table (its address at the source) is stopped and must be read again. */
  stopTable(part: string, table: string, stop: TableStop): Promise<void>;
  /** Somebody has changed tables: they are looked at again before the next commit. */
  tablesChanged(): void;
  /** Target table → number; tables with smaller ones are loaded first, since others refer to them. One that is not in it may come at any time. */
  loadRanks(tables: readonly TableName[]): Promise<ReadonlyMap<string, number>>;
  /** The chunks of a table that are loaded. */
  chunks(part: string, source: string, target: string): Promise<readonly LoadedChunk[]>;
  /** Runs the loads of a table while no other load into the same target table runs. */
  alone<T>(target: TableName, work: () => Promise<T>): Promise<T>;
  /**
   * Begins a load in several transactions: makes room, unless an earlier attempt is resumed; returns the chunks that are there already. Undefined
   * when this table has to be filled in one transaction: constraints of it could be hurt in between, or others write it too.
   */
  beginChunks(load: ChunkedLoad): Promise<readonly LoadedChunk[] | undefined>;
  /** All chunks are there: the table is done, at the position of its newest chunk. */
  endChunks(load: ChunkedLoad, position: Position): Promise<void>;
  /**
   * Tables that were loaded while the stream went on become done, and the part goes back to `position`, behind which their changes are to be read
   * again; all its other tables note that they have everything up to `applied`. One transaction.
   */
  join(part: string, position: Position, applied: Position): Promise<void>;
  /** Fills a table from a snapshot in one transaction, together with the note that it is done; or a chunk of it. An aborted signal rolls it back. */
  load(load: Load, signal: AbortSignal): Promise<Committed>;
}
