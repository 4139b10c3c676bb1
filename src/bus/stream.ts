// The port between capture and consumers: whole transactions of one source, in commit order, by source position.
import type { MillraceError } from '../base/index.ts';
import type { Position } from '../data/index.ts';
import type { Run } from '../data/index.ts';

export interface ChangeStream {
  readonly source: string;

  /** The stream holds everything that committed between `start` and `end`. Undefined while it holds nothing and has no beginning. */
  readonly start: Position | undefined;
  /** Behind the last whole transaction that was appended, durable or not. */
  readonly end: Position | undefined;
  /** Behind the last whole transaction that a loss of this process cannot lose. */
  readonly durableEnd: Position | undefined;
  /** Bytes kept on disk. */
  readonly bytes: number;
  /** Why the disk refuses at the moment, which is tried again all the time; undefined while it does not. */
  readonly failure: MillraceError | undefined;

  /** Forgets everything and begins at `position`. Only with no reader behind it: the caller has checked that nobody needs what is forgotten. */
  reset(position: Position): Promise<void>;

  /**
   * Appends a run; readers see it at once. Runs that are open must be followed by the rest of their transaction; after a reconnect of the
   * source, which sends the whole transaction again, call `abandonOpen` first. Returns before the run is durable.
   */
  append(run: Run): void;
  /** Drops the parts of an unfinished transaction; its readers get AbandonedTransaction from `next`. */
  abandonOpen(): void;
  /** Resolves when there is room: readers in memory and the disk have kept up. The writer waits for it before it reads on. */
  ready(): Promise<void>;
  /** Makes everything appended so far durable (group fdatasync). */
  sync(): Promise<void>;

  /** Reads from a position, which must lie in start..end (POSITION_GAP otherwise). Several readers at different places are independent. */
  read(from: Position): StreamReader;

  /** Allows everything before `position` to be removed. Rounds down to what segments allow. */
  trim(position: Position): Promise<void>;
  close(): Promise<void>;
}

export interface StreamReader {
  /**
   * The next run, without the transactions that end at or before the reader's position. With `wait` it waits at the end for more and
   * returns undefined once the reader or the stream is closed; without, undefined also means that nothing more is there now.
   */
  next(wait: boolean): Promise<Run | undefined>;
  close(): void;
}

/** Thrown by `next` when the parts of an open transaction that were read will not be completed: roll back to its beginning and read on. */
export class AbandonedTransaction extends Error {
  constructor() {
    super('the source broke off in the middle of a transaction; it will be sent again');
    this.name = 'AbandonedTransaction';
  }
}
