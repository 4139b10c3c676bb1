// The port of a source: what capture needs of a system to take snapshots of its tables and follow its commits.
import { MillraceError } from '../base/index.ts';
import { type Batch, type KeyRange, type Position, type Relation, type Run, type SourceIdentity, tableAddress, type TableName } from '../data/index.ts';

export interface Source {
  readonly name: string;

  /** Connects, checks what must hold (settings, privileges, identity), finds the tables. Throws MillraceError with the mend. */
  open(): Promise<SourceState>;

  /**
   * Follows the commits from `from` on, handing runs to `sink` in order, until `signal` aborts (then it returns) or the connection breaks
   * (then it throws a retriable MillraceError). `sink.ready()` is awaited before more is read: that is the backpressure.
   */
  stream(from: Position, sink: RunSink, signal: AbortSignal): Promise<void>;

  /**
   * Looks whether the project selects other tables by now, or other columns of them, and sends their changes from here on if so. Undefined while
   * there is nothing new. Called while it streams.
   */
  lookAgain(): Promise<SelectedTables | undefined>;

  /** Tells the source that everything before `position` may be forgotten. Sent with the next status message. */
  acknowledge(position: Position): void;

  /** A consistent cut of tables whose place in the stream is known exactly. */
  snapshot(tables: readonly TableName[], signal: AbortSignal): Promise<Snapshot>;

  /** The tables that the project selects and their types, as they are now. */
  readRelations(): Promise<readonly Relation[]>;

  /** Where the source's log ends now. */
  end(): Promise<Position>;
  /** A position behind everything that had committed when this was called. */
  committedEnd(): Promise<Position>;

  /** Drops the source's memory for us if it is of no use any more (an invalidated slot), so that the next open makes a new one. */
  forgetIfLost(): Promise<void>;

  formatPosition(position: Position): string;
  parsePosition(text: string): Position;

  close(): Promise<void>;
}

export interface SourceState extends SelectedTables {
  readonly identity: SourceIdentity;
  /** Everything at or after this position can still be sent. */
  readonly oldest: Position;
  /** Whether the source's memory for us (the slot) was made just now, so that nothing before `oldest` is known to it. */
  readonly fresh: boolean;
  /** Where the server's history left its earlier timelines (promotions, restores to a point in time): what lies behind on them it does not have. */
  readonly branches: readonly { readonly timeline: number; readonly at: Position }[];
}

export interface SelectedTables {
  /** The tables that the project selects and that can be followed, as they are now. */
  readonly relations: readonly Relation[];
  /** Those that cannot: a table that came, or became so, after the source was opened first. */
  readonly refused: readonly RefusedTable[];
  /** From where on a table's changes have been sent without a break, as far as that is known; before that, it may have been left out for a while. */
  since(table: TableName): Position;
}

export interface RefusedTable extends TableName {
  readonly error: MillraceError;
}

/** A table is no longer what its snapshot was to show: altered, truncated, dropped. The others of the snapshot can be read on. */
export class TableChanged extends MillraceError {
  constructor(table: TableName, parts: { readonly where?: string; readonly detail?: string } = {}) {
    super('SERVER_ERROR', `${tableAddress(table)} changed while its snapshot was read`, { retriable: true, hint: 'nothing: it is read again from a newer one', ...parts });
  }
}

export interface RunSink {
  run(run: Run): void;
  ready(): Promise<void>;
}

/** A part of a table. Places mean something only in the snapshot that made them; ranges of keys hold in every one. */
export type Chunk = { readonly keys: KeyRange } | { readonly place: number; readonly from: string; readonly where: string };

/** Rows by the values of some fields, each as PostgreSQL's text. */
export interface RowKeys {
  readonly fields: readonly number[];
  readonly keys: readonly (readonly string[])[];
}

/** Rows that committed before `position` are in it, later ones are not: a consumer loads it, then skips transactions that end at or before `position`. */
export interface Snapshot {
  readonly position: Position;
  readonly relations: readonly Relation[];
  /**
   * The rows of a table as batches of op `read`, about 256 kB each, all columns in the relation's order; of a chunk or of some keys only, or only the first few.
   * Several may be read at a time. Throws a retriable error when the table was rewritten meanwhile.
   */
  read(relation: Relation, signal: AbortSignal, part?: Chunk | RowKeys | 'first'): AsyncIterable<Batch>;
  /** Estimated rows and bytes, for progress; rows −1 unknown. */
  estimate(relation: Relation): SnapshotSize;
  /** Cuts a table at about every `bytes` by where its rows lie. */
  places(relation: Relation, bytes: number): Promise<readonly Chunk[]>;
  /** Keys that cut a table in ranges of about `bytes`, ascending; undefined when its keys have no order that is known here. */
  bounds(relation: Relation, bytes: number): Promise<readonly bigint[] | undefined>;
  /** Equal for two snapshots if no change of the table's shape and nothing that rewrote it (also TRUNCATE) lies between them. */
  shape(relation: Relation): Promise<string>;
  close(): Promise<void>;
}

export interface SnapshotSize {
  readonly rows: number;
  readonly bytes: number;
}
