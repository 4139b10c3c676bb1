// A reader of the embedded stream: from memory near its end, from the files elsewhere.
import { MillraceError } from '../base/index.ts';
import { decodeRun, type RelationCache } from '../codec/index.ts';
import { type Position, type Run, runAfter } from '../data/index.ts';
import type { LogCursor } from './log/cursor.ts';
import { FrameKind } from './log/format.ts';
import type { Log } from './log/log.ts';
import { AbandonedTransaction, type StreamReader } from './stream.ts';

/** What a reader needs of its stream. */
export interface ReaderHost {
  readonly log: Log;
  readonly relations: RelationCache;
  /** The run at an ordinal, while it is kept in memory. */
  recent(ordinal: number): Run | undefined;
  end(): Position;
  gap(position: Position): MillraceError;
  closed(): boolean;
  /** The reader has moved on. */
  took(): void;
  forget(reader: EmbeddedReader): void;
}

export class EmbeddedReader implements StreamReader {
  readonly #host: ReaderHost;
  /** Everything up to here was given out. */
  #position: Position;
  #ordinal: number;
  /** Parts of an open transaction were given out. */
  #inside = false;
  #cursor: LogCursor | undefined;
  #closed = false;
  #stale = false;
  #reading = false;
  #wakeUp: (() => void) | undefined;

  constructor(from: Position, ordinal: number, host: ReaderHost) {
    this.#host = host;
    this.#position = from;
    this.#ordinal = ordinal;
  }

  /** The frame that it reads next. */
  get ordinal(): number {
    return this.#ordinal;
  }

  async next(wait: boolean): Promise<Run | undefined> {
    const host = this.#host;
    for (;;) {
      if (this.#closed) return undefined;
      this.#checkPlace();
      const dropped = host.log.droppedAt(this.#ordinal);
      if (dropped) {
        this.#ordinal = dropped.to;
        if (!this.#inside) continue;
        this.#inside = false;
        throw new AbandonedTransaction();
      }
      if (this.#ordinal < host.log.nextOrdinal) {
        const run = host.recent(this.#ordinal) ?? (await this.#fromDisk());
        if (this.#closed) return undefined;
        const rest = run && this.#take(run);
        if (rest) return rest;
        continue;
      }
      if (!this.#inside && host.end() > this.#position) {
        this.#position = host.end();
        return { transactions: [], batches: [], open: false, position: this.#position };
      }
      if (!wait || host.closed()) return undefined;
      await new Promise<void>((resolve) => (this.#wakeUp = resolve));
    }
  }

  /** The stream has begun anew, perhaps with another server's changes: the consumer must look again whether its position belongs to it. */
  outdate(): void {
    this.#stale = true;
    this.wake();
  }

  /** The stream has changed. */
  wake(): void {
    this.#wakeUp?.();
    this.#wakeUp = undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.wake();
    this.#host.forget(this);
    if (!this.#reading) void this.#leaveDisk();
  }

  /** After `reset` and `trim` the reader's place may be gone. */
  #checkPlace(): void {
    const { log } = this.#host;
    if (this.#stale) throw new MillraceError('CONNECTION_LOST', 'the stream has begun anew');
    if (this.#ordinal >= log.firstOrdinal) return;
    if (this.#inside || log.startKey === undefined || this.#position < log.startKey) throw this.#host.gap(this.#position);
    this.#ordinal = log.firstOrdinal;
  }

  #take(run: Run): Run | undefined {
    this.#ordinal += 1;
    this.#host.took();
    const rest = runAfter(run, this.#position);
    if (run.open) this.#inside ||= rest !== undefined;
    else {
      this.#inside = false;
      if (run.position > this.#position) this.#position = run.position;
    }
    return rest;
  }

  /** Undefined when the frame is none that the reader lacks, or the place is gone: look again. */
  async #fromDisk(): Promise<Run | undefined> {
    this.#reading = true;
    try {
      return await this.#read();
    } finally {
      this.#reading = false;
      if (this.#closed) await this.#leaveDisk();
    }
  }

  async #read(): Promise<Run | undefined> {
    const { log, relations } = this.#host;
    if (this.#cursor?.ordinal !== this.#ordinal) {
      await this.#leaveDisk();
      this.#cursor = log.cursor(this.#ordinal);
    }
    const ordinal = this.#ordinal;
    const frame = await (this.#cursor as LogCursor).next();
    if (!frame) {
      if (ordinal >= log.firstOrdinal) throw this.#host.gap(this.#position);
      return undefined;
    }
    if (frame.kind === FrameKind.whole && frame.key <= this.#position) {
      this.#ordinal += 1;
      this.#inside = false;
      return undefined;
    }
    return decodeRun(frame.payload, relations);
  }

  async #leaveDisk(): Promise<void> {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await cursor?.close();
  }
}
