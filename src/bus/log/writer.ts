// The one writer of a log: frames wait in memory, go out with writev, and become durable with one fdatasync for all who asked.
//
// A frame stays in memory until it is durable: after a failed fdatasync the kernel may have dropped the pages, and asking it again would
// falsely succeed, so everything since the last good one is written again.
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assert, Backoff, type Clock, crashPoint, type Logger, MillraceError, Random } from '../../base/index.ts';
import type { Segment } from './segment.ts';

interface Item {
  readonly segment: Segment;
  readonly offset: number;
  readonly chunks: readonly Buffer[];
  readonly size: number;
  /** Ordinal behind the frame. */
  readonly nextOrdinal: number;
}

/** A few frames wait this long for more: readers near the end have them from memory, and nothing was promised of them before a `sync`. */
const lingerMs = 50;
const lingerBytesMax = 256 << 10;
const writeBytesMax = 4 << 20;
const writeChunksMax = 1000; // IOV_MAX is 1024
const unsyncedBytesMax = 16 << 20;

export class LogWriter {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #queueBytesMax: number;
  readonly #backoff = new Backoff(new Random(process.pid), 50, 5000);
  /** Frames in order: first those written and not durable, then from `#written` on those to be written. */
  #items: Item[] = [];
  #writtenCount = 0;
  #queuedBytes = 0;
  #unsyncedBytes = 0;
  #handle: FileHandle | undefined;
  #handleOf: Segment | undefined;
  #syncWanted = 0;
  #running = false;
  /** From `close` on: what is left is tried once more, not for ever. */
  #closing = false;
  #closed = false;
  #pause = new AbortController();
  #linger = new AbortController();
  readonly #changed = new Set<() => void>();
  /** Ordinal behind the last frame that is in its file. */
  writtenOrdinal: number;
  /** Ordinal behind the last frame that is durable. */
  durableOrdinal: number;
  /** Why writing fails at the moment. */
  failure: MillraceError | undefined;

  constructor(options: { nextOrdinal: number; queueBytesMax: number; clock: Clock; logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#queueBytesMax = options.queueBytesMax;
    this.writtenOrdinal = options.nextOrdinal;
    this.durableOrdinal = options.nextOrdinal;
  }

  push(item: Item): void {
    assert(!this.#closing, 'append to a closed log');
    this.#items.push(item);
    this.#queuedBytes += item.size;
    if (this.#queuedBytes > lingerBytesMax) this.#linger.abort();
    this.#start();
  }

  /** Resolves when there is room in the queue (or the log is closed). */
  async ready(): Promise<void> {
    while (this.#queuedBytes >= this.#queueBytesMax && !this.#closed) await this.#change();
  }

  /** Resolves when everything before this ordinal is durable. While the disk fails it waits. */
  async sync(ordinal: number): Promise<void> {
    this.#syncWanted = Math.max(this.#syncWanted, ordinal);
    this.#linger.abort();
    if (this.durableOrdinal < ordinal) this.#start();
    while (this.durableOrdinal < ordinal) {
      if (this.#closed) throw new MillraceError('LOG_DISK', 'the log was closed before it could be written', { cause: this.failure });
      await this.#change();
    }
  }

  /** Makes everything before the ordinal durable and lets go of the file. A disk that refuses gets one more attempt, then LOG_DISK. */
  async close(ordinal: number): Promise<void> {
    this.#closing = true;
    this.#syncWanted = ordinal;
    this.#pause.abort();
    this.#linger.abort();
    this.#start();
    while (this.#running) await this.#change();
    this.#closed = true;
    this.#notify();
    await this.#release();
    if (this.durableOrdinal < ordinal) throw this.failure ?? new MillraceError('LOG_DISK', 'the log was closed before all of it was written');
  }

  /** Forgets what waits. Only while nothing is needed of it any more. */
  async discard(ordinal: number): Promise<void> {
    this.#items = [];
    this.#writtenCount = 0;
    this.#syncWanted = 0;
    this.#pause.abort();
    this.#linger.abort();
    while (this.#running) await this.#change();
    this.#pause = new AbortController();
    await this.#release();
    this.#items = [];
    this.#writtenCount = 0;
    this.#queuedBytes = 0;
    this.#unsyncedBytes = 0;
    this.writtenOrdinal = ordinal;
    this.durableOrdinal = ordinal;
    this.#notify();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => this.#changed.add(resolve));
  }

  #notify(): void {
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const resolve of waiting) resolve();
  }

  get #hasWork(): boolean {
    return this.#writtenCount < this.#items.length || (this.#writtenCount > 0 && this.durableOrdinal < this.#syncWanted);
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    // Frames that come soon after each other share one write.
    if (this.#closing || this.#syncWanted > this.durableOrdinal) await Promise.resolve();
    else {
      this.#linger = new AbortController();
      await this.#clock.sleep(lingerMs, this.#linger.signal);
    }
    while (this.#hasWork) {
      try {
        if (this.#writtenCount < this.#items.length) await this.#write();
        const waiting = this.#writtenCount < this.#items.length;
        if (this.#unsyncedBytes > unsyncedBytesMax || (!waiting && this.durableOrdinal < this.#syncWanted)) await this.#sync();
        this.#recovered();
      } catch (thrown) {
        await this.#failed(thrown);
        if (this.#closing) break;
      }
      this.#notify();
    }
    this.#running = false;
    this.#notify();
  }

  async #write(): Promise<void> {
    const first = this.#items[this.#writtenCount] as Item;
    const { segment } = first;
    if (this.#handleOf !== segment) await this.#switchTo(segment);
    const handle = this.#handle as FileHandle;
    const chunks: Buffer[] = [];
    let count = 0;
    let bytes = 0;
    for (let i = this.#writtenCount; i < this.#items.length; i++) {
      const item = this.#items[i] as Item;
      if (item.segment !== segment || (count > 0 && (bytes + item.size > writeBytesMax || chunks.length + item.chunks.length > writeChunksMax))) break;
      chunks.push(...item.chunks);
      bytes += item.size;
      count += 1;
    }
    const last = this.#items[this.#writtenCount + count - 1] as Item;
    crashPoint('log.before-append');
    await writeFully(handle, chunks, first.offset);
    crashPoint('log.after-append');
    this.#writtenCount += count;
    this.#queuedBytes -= bytes;
    this.#unsyncedBytes += bytes;
    segment.written = Math.max(segment.written, last.offset + last.size);
    this.writtenOrdinal = Math.max(this.writtenOrdinal, last.nextOrdinal);
  }

  async #sync(): Promise<void> {
    const last = this.#items[this.#writtenCount - 1];
    await this.#handle?.datasync();
    crashPoint('log.after-sync');
    if (last) this.durableOrdinal = last.nextOrdinal;
    this.#items.splice(0, this.#writtenCount);
    this.#writtenCount = 0;
    this.#unsyncedBytes = 0;
  }

  /** A segment is durable before the next one is begun, and the folder knows the new file before anything in it counts. */
  async #switchTo(segment: Segment): Promise<void> {
    if (this.#writtenCount > 0) await this.#sync();
    await this.#release();
    this.#handle = await open(segment.path, segment.written > 0 ? 'r+' : 'w+', 0o600);
    this.#handleOf = segment;
    await syncFolder(dirname(segment.path));
  }

  async #release(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#handleOf = undefined;
    await handle?.close();
  }

  async #failed(thrown: unknown): Promise<void> {
    if (!(thrown instanceof Error) || !('errno' in thrown)) throw thrown;
    const reason = thrown.message;
    if (!this.failure) this.#logger.error('the log cannot be written; trying again', { reason });
    this.failure = new MillraceError('LOG_DISK', 'the log cannot be written', { detail: reason, cause: thrown });
    // All that is not known to be durable is written again.
    for (const item of this.#items.slice(0, this.#writtenCount)) this.#queuedBytes += item.size;
    this.#writtenCount = 0;
    this.#unsyncedBytes = 0;
    this.#notify();
    await this.#release().catch(() => undefined);
    if (!this.#closing) await this.#clock.sleep(this.#backoff.next(), this.#pause.signal);
  }

  #recovered(): void {
    if (!this.failure) return;
    this.failure = undefined;
    this.#backoff.reset();
    this.#logger.info('the log can be written again');
  }
}

async function writeFully(handle: FileHandle, chunks: Buffer[], offset: number): Promise<void> {
  let left = chunks;
  let at = offset;
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left.slice(0, 1024), at);
    at += bytesWritten;
    let done = bytesWritten;
    let i = 0;
    while (i < left.length && done >= (left[i] as Buffer).length) done -= (left[i++] as Buffer).length;
    left = left.slice(i);
    if (done > 0) left[0] = (left[0] as Buffer).subarray(done);
  }
}

/** Makes names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
