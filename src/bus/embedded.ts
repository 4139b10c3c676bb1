// The embedded ChangeStream: one log for one source, in this process.
//
// What it holds: `start` is where the oldest segment begins, `end` the position behind the last thing appended. A run without transactions
// (the source is idle and its position moved on) moves `end` and wakes readers. It goes to disk rarely: at a `sync` when the last one is
// 10 s old, and at `close`. `durableEnd` counts only what is on disk, so that after a restart `end` is never lower than a `durableEnd` that
// was told to anybody; it may be lower than an `end` that was, and then capture reads again from there.
import { assert, type Clock, type Logger, MillraceError, silentLogger, systemClock } from '../base/index.ts';
import { encodeRun, RelationCache } from '../codec/index.ts';
import { asPosition, formatLsn, type Position, type Run, runBytes } from '../data/index.ts';
import { EmbeddedReader } from './embedded-reader.ts';
import { FrameKind } from './log/format.ts';
import { Log } from './log/log.ts';
import type { Quarantined } from './log/scan.ts';
import type { ChangeStream, StreamReader } from './stream.ts';

export interface EmbeddedOptions {
  /** A segment file that has reached this size is followed by a new one; default 64 MiB. A transaction never lies in two. */
  readonly segmentBytesMax?: number;
  /** Runs kept in memory for readers near the end; default 64 MiB. */
  readonly memoryBytesMax?: number;
  /** How far the writer may be ahead of the foremost reader before `ready` holds it back for a moment; default 16 MiB. */
  readonly aheadBytesMax?: number;
  /** Bytes that may wait for the disk before `ready` holds the writer back; default 64 MiB. */
  readonly queueBytesMax?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Told of every part of the log that was damaged and set aside. */
  readonly onQuarantine?: (quarantined: Quarantined) => void;
}

const progressMsMin = 10_000;
/**
 * Nobody gains when the writer is far ahead of all readers: its memory fills, and a source that waits for a full socket sends many changes at
 * once, for half the work. But a reader that stands still must not keep the source's changes from the log, so the writer is only slowed down.
 */
const heldMsMax = 100;

export class EmbeddedStream implements ChangeStream {
  readonly source: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #memoryBytesMax: number;
  readonly #relations = new RelationCache();
  readonly #readers = new Set<EmbeddedReader>();
  /** The newest runs, without gaps in their ordinals; the first `#recentFrom` places are used up. */
  #recent: ({ run: Run; ordinal: number; bytes: number; bytesBefore: number } | undefined)[] = [];
  #recentFrom = 0;
  #recentBytes = 0;
  /** Of all runs that were appended. */
  #bytesAppended = 0;
  readonly #aheadBytesMax: number;
  /** Lets the writer go on that is ahead of the readers. */
  #caughtUp: (() => void) | undefined;
  #end: Position | undefined;
  /** Position of every whole frame that is not known to be durable, with the ordinal behind it. */
  #pending: { position: Position; nextOrdinal: number }[] = [];
  #durableEnd: Position | undefined;
  #progressAt: number;
  #closed = false;

  private constructor(source: string, log: Log, options: EmbeddedOptions) {
    this.source = source;
    this.#log = log;
    this.#clock = options.clock ?? systemClock;
    this.#memoryBytesMax = options.memoryBytesMax ?? 64 << 20;
    this.#aheadBytesMax = options.aheadBytesMax ?? 16 << 20;
    this.#end = log.endKey === undefined ? undefined : asPosition(log.endKey);
    this.#durableEnd = this.#end;
    this.#progressAt = this.#clock.monotonic();
  }

  /**
   * Opens the log of a source in a folder of its own. The torn end that a crash left is cut off, and so are parts of a transaction without
   * their end; damaged records are set aside with all that follows them. Throws LOG_VERSION. Only one process may have it open.
   */
  static async open(folder: string, source: string, options: EmbeddedOptions = {}): Promise<EmbeddedStream> {
    const log = await Log.open(folder, {
      name: source,
      segmentBytesMax: options.segmentBytesMax ?? 64 << 20,
      queueBytesMax: options.queueBytesMax ?? 64 << 20,
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      ...(options.onQuarantine ? { onQuarantine: options.onQuarantine } : {}),
    });
    return new EmbeddedStream(source, log, options);
  }

  get start(): Position | undefined {
    return this.#log.startKey === undefined ? undefined : asPosition(this.#log.startKey);
  }

  get end(): Position | undefined {
    return this.#end;
  }

  get durableEnd(): Position | undefined {
    this.#settle();
    return this.#durableEnd;
  }

  get bytes(): number {
    return this.#log.bytes;
  }

  get failure(): MillraceError | undefined {
    return this.#log.failure;
  }

  async reset(position: Position): Promise<void> {
    this.#recent = [];
    this.#recentFrom = 0;
    this.#recentBytes = 0;
    this.#pending = [];
    for (const reader of this.#readers) reader.outdate();
    await this.#log.reset(position);
    this.#end = position;
    this.#durableEnd = position;
    this.#changed();
  }

  append(run: Run): void {
    assert(!this.#closed, 'append to a closed stream');
    assert(this.#end !== undefined, 'append to a stream without a beginning');
    assert(run.position >= this.#end || run.open, 'a run lies before the end of the stream');
    if (run.transactions.length === 0) {
      assert(!run.open && !this.#log.inGroup && run.batches.length === 0, 'progress within a transaction');
      this.#end = run.position;
      this.#changed();
      return;
    }
    this.#write(run);
    if (!run.open) this.#end = run.position;
    this.#changed();
  }

  abandonOpen(): void {
    if (!this.#log.inGroup) return;
    this.#log.dropGroup();
    this.#remember(undefined, this.#log.nextOrdinal - 1);
    this.#changed();
  }

  ready(): Promise<void> {
    return this.#bytesAhead() > this.#aheadBytesMax ? this.#heldBack() : this.#log.ready();
  }

  async #heldBack(): Promise<void> {
    await this.#log.ready();
    const waiting = new AbortController();
    this.#caughtUp = () => waiting.abort();
    await this.#clock.sleep(heldMsMax, waiting.signal);
    this.#caughtUp = undefined;
  }

  /** How far the end is ahead of the foremost reader; 0 when nobody reads. */
  #bytesAhead(): number {
    let least = this.#readers.size === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const reader of this.#readers) {
      const next = this.#recentEntry(reader.ordinal);
      least = Math.min(least, next ? this.#bytesAppended - next.bytesBefore : reader.ordinal >= this.#log.nextOrdinal ? 0 : this.#recentBytes);
    }
    return least;
  }

  async sync(): Promise<void> {
    if (this.#clock.monotonic() - this.#progressAt >= progressMsMin) this.#writeProgress();
    await this.#log.sync();
    this.#settle();
  }

  read(from: Position): StreamReader {
    if (this.start === undefined || this.#end === undefined || from < this.start || from > this.#end) throw this.#gap(from);
    const reader = new EmbeddedReader(from, this.#log.ordinalOfKey(from), {
      log: this.#log,
      relations: this.#relations,
      recent: (ordinal) => this.#recentEntry(ordinal)?.run,
      end: () => this.#end as Position,
      gap: (position) => this.#gap(position),
      closed: () => this.#closed,
      took: () => {
        if (this.#caughtUp && this.#bytesAhead() <= this.#aheadBytesMax) this.#caughtUp();
      },
      forget: (one) => this.#readers.delete(one),
    });
    this.#readers.add(reader);
    return reader;
  }

  async trim(position: Position): Promise<void> {
    await this.#log.trim(position);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const reader of this.#readers) reader.close();
    this.#changed();
    if (!this.#log.inGroup) this.#writeProgress();
    await this.#log.close();
    this.#settle();
  }

  #write(run: Run): void {
    const ordinal = this.#log.append(run.open ? FrameKind.part : FrameKind.whole, run.open ? (this.#log.endKey as bigint) : run.position, encodeRun(run));
    if (!run.open) this.#pending.push({ position: run.position, nextOrdinal: ordinal + 1 });
    // Nobody has to ask for durableEnd, so the list is kept short here too.
    if (this.#pending.length % 256 === 255) this.#settle();
    this.#remember(run, ordinal);
  }

  #writeProgress(): void {
    const end = this.#end;
    if (end === undefined || this.#log.inGroup || this.#log.endKey === end) return;
    this.#progressAt = this.#clock.monotonic();
    this.#write({ transactions: [], batches: [], open: false, position: end });
  }

  #remember(run: Run | undefined, ordinal: number): void {
    const entry = { run: run as Run, ordinal, bytes: run ? runBytes(run) : 64, bytesBefore: this.#bytesAppended };
    this.#recent.push(entry);
    this.#recentBytes += entry.bytes;
    this.#bytesAppended += entry.bytes;
    const passed = this.#passedOrdinal();
    for (;;) {
      const oldest = this.#recent[this.#recentFrom];
      // What is not in its file yet must stay: nobody could read it elsewhere. The queue's own limit bounds that part.
      if (!oldest || oldest.ordinal >= this.#log.writtenOrdinal) break;
      if (this.#recentBytes <= this.#memoryBytesMax && oldest.ordinal >= passed) break;
      this.#recent[this.#recentFrom++] = undefined;
      this.#recentBytes -= oldest.bytes;
    }
    if (this.#recentFrom > 1024 && this.#recentFrom * 2 > this.#recent.length) {
      this.#recent = this.#recent.slice(this.#recentFrom);
      this.#recentFrom = 0;
    }
  }

  /** All readers have read what lies before this ordinal. */
  #passedOrdinal(): number {
    let least = this.#readers.size === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const reader of this.#readers) least = Math.min(least, reader.ordinal);
    return least;
  }

  #recentEntry(ordinal: number): { run: Run; bytesBefore: number } | undefined {
    const first = this.#recent[this.#recentFrom]?.ordinal;
    return first === undefined || ordinal < first ? undefined : this.#recent[this.#recentFrom + ordinal - first];
  }

  #settle(): void {
    const durable = this.#log.durableOrdinal;
    let count = 0;
    while (count < this.#pending.length && (this.#pending[count] as { nextOrdinal: number }).nextOrdinal <= durable) count += 1;
    if (count === 0) return;
    this.#durableEnd = (this.#pending[count - 1] as { position: Position }).position;
    this.#pending.splice(0, count);
  }

  #changed(): void {
    for (const reader of this.#readers) reader.wake();
  }

  #gap(position: Position): MillraceError {
    const { start } = this;
    const held = start === undefined || this.#end === undefined ? 'nothing' : `changes from ${formatLsn(start)} to ${formatLsn(this.#end)}`;
    return new MillraceError('POSITION_GAP', `position ${formatLsn(position)} is not in the log of ${this.source}, which holds ${held}`);
  }
}
