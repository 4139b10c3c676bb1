// The port of a transactional sink (guarantee A): rows and positions of one epoch commit together, fenced, or not at all.
import type { Epoch, Origin, Position, SourceIdentity } from '../data/index.ts';

/** What one consumer has of one source (`part`). */
export interface ConsumerPosition {
  readonly part: string;
  readonly epoch: Epoch;
  readonly position: Position;
  readonly identity: SourceIdentity;
  /**
   * Some rows of an epoch from `position` to here are there, in several transactions: the first commit of the part must be that epoch, whole,
   * with exactly this position.
   */
  readonly begun?: Position;
}

export interface Committed {
  /** Rows inserted, updated or deleted. */
  readonly rows: number;
  /** Rows that were refused and kept as dead letters in this commit. */
  readonly deadLetters: number;
}

/** A part of an epoch. `position` is where the epoch ends, in the last piece; in the others no more than that. */
export interface Piece<Step> {
  readonly steps: readonly Step[];
  readonly position: Position;
  /** Of the whole epoch; the first piece counts. */
  readonly origin?: Origin | undefined;
}

/** `Step` is what the sink can apply in order: for tables, the folded writes of some runs, or a truncate. */
export interface TransactionalSink<Step> {
  /** What origins call the database that it writes to; undefined: nobody can follow that one. Known once it is open. */
  readonly database: string | undefined;
  /** Takes over the consumer: raises the fence (waiting for a pending commit of a predecessor), then reads its positions. */
  open(): Promise<readonly ConsumerPosition[]>;
  /**
   * Applies steps in order and commits them with the position; an epoch without steps only moves the position. A failure leaves nothing
   * behind. The outcome of a broken COMMIT is found out by reading the position again under a new fence. Throws FENCED when another
   * process has taken over, a retriable error when trying again may help. `origin`: where the changes were made, unless at the source of the part.
   */
  commit(part: string, position: Position, steps: readonly Step[], origin?: Origin): Promise<Committed>;
  /**
   * The same for an epoch that is too large to be held at once. `pieces` gives them from the first one at each call; the sink calls it again
   * when it has to begin anew. What it throws leaves nothing behind and is thrown on.
   */
  commitPieces(part: string, pieces: () => AsyncIterable<Piece<Step>>): Promise<Committed>;
  /** Does what can be done for a later `commit` of these very steps while an earlier one is on its way. Changes nothing; may do nothing. */
  prepare?(steps: readonly Step[]): void;
  close(): Promise<void>;
}
