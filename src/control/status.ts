// The state of a running project, as `/status`, `millrace status --json` and the views in the terminal show it.

export type State = 'starting' | 'snapshot' | 'streaming' | 'retrying' | 'paused' | 'stopped' | 'failed';

/** `reason` and `next` are there for retrying, paused, stopped and failed. */
export interface Condition {
  readonly state: State;
  readonly reason?: string;
  /** What to do next: a command or a SQL statement. */
  readonly next?: string;
}

/** Of a table that is being read, the slowest replica's. */
export interface ReadingStatus {
  readonly rows: number;
  /** The server's estimate; null when it has none. */
  readonly rowsEstimate: number | null;
  /** Read, as they are sent, and what the table takes at the source. */
  readonly bytes: number;
  readonly bytesEstimate: number;
  /** Until it is read, at the rate so far; null when that cannot be told. */
  readonly etaMs: number | null;
}

export interface TableStatus extends Condition {
  readonly snapshotRows: number;
  /** Only while it is read. */
  readonly reading?: ReadingStatus;
  readonly changes: number;
}

export interface SourceStatus extends Condition {
  /** What has been received, in the source's own notation (0/16B3748); null before the first. */
  readonly position: string | null;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly tables: Readonly<Record<string, TableStatus>>;
}

/** An index that a rule asks for and that is not there yet. */
export interface IndexStatus {
  readonly name: string;
  readonly state: 'making' | 'pending' | 'failed';
  readonly reason?: string;
  readonly next?: string;
}

/** A table of a replica that is stopped, whose schema has changed, or that lacks an index. */
export interface ReplicaTableStatus extends Condition {
  readonly indexes: readonly IndexStatus[];
  /** What its schema changes led to since the process started, the newest last; `at` is ISO 8601. */
  readonly events: readonly { readonly at: string; readonly what: string }[];
}

export interface ReplicaStatus extends Condition {
  readonly position: string | null;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly rows: number;
  readonly deadLetters: number;
  /** Those of which there is something to tell, by their address at the source; with the source's name in front where there are several. */
  readonly tables: Readonly<Record<string, ReplicaTableStatus>>;
}

export interface ProjectStatus {
  readonly sources: Readonly<Record<string, SourceStatus>>;
  readonly replicas: Readonly<Record<string, ReplicaStatus>>;
}

export type WhichRows = { readonly where: string } | 'repair';

export interface RowsReport {
  /** How many rows were read again: per source table and target table, those of which there were some. */
  readonly tables: readonly { readonly table: string; readonly target: string; readonly rows: number }[];
  /** Target tables with rows of several source tables: what they have too much stays there. */
  readonly shared: readonly string[];
}

/** A project that runs in this process. */
export interface Running {
  status(): ProjectStatus;
  /** Prometheus text. */
  metrics(): string;
  /** Resolves when every replica has applied what had committed at its source when this was called. */
  caughtUp(): Promise<void>;
  pause(replica: string): Promise<void>;
  resume(replica: string): Promise<void>;
  /** Reads tables of a replica again from a new snapshot while it runs; all of them when none is named ("public.orders": the source's name). */
  resync(replica: string, tables: readonly string[]): Promise<void>;
  /**
   * Reads single rows again: those that match a condition over the source table, at the source or at the target, or (`repair`) those that differ.
   * They are written between two commits of the stream, which goes on meanwhile. Resolves when they are there. Throws RESYNC_IMPOSSIBLE where rows
   * cannot be told apart by a key of the source, NOT_STREAMING, EXPRESSION_INVALID.
   */
  resyncRows(replica: string, tables: readonly string[], which: WhichRows): Promise<RowsReport>;
  /**
   * Lets the replica stop exactly behind the last transaction that ends at or before `position` (the source's notation, or `now`: where it
   * stands) and keeps it there until `release` or for at most `ms`; resolves when it stands there, rejects with VERIFY_IMPOSSIBLE when it is
   * past it. A second call moves on from there. `source` names which one the position belongs to when there are several. For `verify`.
   */
  hold(replica: string, position: string, ms: number, source?: string): Promise<void>;
  release(replica: string): void;
  /** Drains and closes everything; never takes longer than 10 s. */
  stop(): Promise<void>;
  /** Resolves when the project has stopped by itself or by `stop`; rejects when everything failed. */
  readonly ended: Promise<void>;
}

export interface RunOptions {
  /** Names of replicas (and their sources) to run; all when absent. */
  readonly only?: readonly string[];
  /** Whether the target's schema may be changed; `up --no-ddl` sets false. */
  readonly ddl?: boolean;
}
