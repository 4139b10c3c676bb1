// A log: a folder of segment files that frames are appended to, read from any place and removed from the old end. It knows nothing of what
// the frames mean, only their kind and key (format.ts). Frames have ordinals, counted since the log was opened.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, type Clock, crashPoint, type Logger, MillraceError } from '../../base/index.ts';
import { LogCursor } from './cursor.ts';
import { encodeFrame, encodeHeader, FrameKind } from './format.ts';
import { type Dropped, type Quarantined, scanFolder, type Scanned } from './scan.ts';
import { Segment, segmentNamePattern } from './segment.ts';
import { LogWriter, syncFolder } from './writer.ts';

export interface LogOptions {
  /** Whose log it is; a folder of another name is not read. */
  readonly name: string;
  readonly segmentBytesMax: number;
  /** Bytes that may wait to be written before `ready` holds the writer back. */
  readonly queueBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every part of the log that was damaged and set aside. */
  readonly onQuarantine?: (quarantined: Quarantined) => void;
}

export class Log {
  readonly #folder: string;
  readonly #options: LogOptions;
  readonly #writer: LogWriter;
  #logId: string;
  #segments: Segment[];
  #dropped: Dropped[];
  #endKey: bigint | undefined;
  #nextOrdinal: number;
  /** Ordinal of the first part after the last whole frame: equal to #nextOrdinal when no parts are open. */
  #groupOrdinal: number;

  private constructor(folder: string, options: LogOptions, scanned: Scanned) {
    this.#folder = folder;
    this.#options = options;
    this.#logId = scanned.logId ?? randomBytes(16).toString('hex');
    this.#segments = scanned.segments;
    this.#dropped = scanned.dropped;
    this.#endKey = scanned.endKey;
    this.#nextOrdinal = scanned.nextOrdinal;
    this.#groupOrdinal = scanned.nextOrdinal;
    this.#writer = new LogWriter({
      nextOrdinal: this.#nextOrdinal, queueBytesMax: options.queueBytesMax, clock: options.clock, logger: options.logger,
    });
  }

  /** Opens the folder, making it when it is not there. Throws LOG_VERSION for one of a newer release. Locking is the caller's. */
  static async open(folder: string, options: LogOptions): Promise<Log> {
    const scanned = await openFolder(folder, options.name);
    for (const one of scanned.cut) options.logger.info('the unfinished end of the log was cut off', { file: one.file, bytes: one.bytes });
    for (const one of scanned.quarantined) {
      options.logger.error('a part of the log is damaged and was set aside; it is read again from the source', {
        file: one.file, bytes: one.bytes, reason: one.reason,
      });
      options.onQuarantine?.(one);
    }
    return new Log(folder, options, scanned);
  }

  /** Key before the first frame; undefined before the first `reset`. */
  get startKey(): bigint | undefined {
    return this.#segments[0]?.startKey;
  }

  /** Key of the last whole frame. */
  get endKey(): bigint | undefined {
    return this.#endKey;
  }

  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  get firstOrdinal(): number {
    return this.#segments[0]?.firstOrdinal ?? this.#nextOrdinal;
  }

  /** Frames before this ordinal are in their files, so that cursors find them. */
  get writtenOrdinal(): number {
    return this.#writer.writtenOrdinal;
  }

  get durableOrdinal(): number {
    return this.#writer.durableOrdinal;
  }

  get inGroup(): boolean {
    return this.#groupOrdinal < this.#nextOrdinal;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0);
  }

  /** Why the disk refuses at the moment; undefined while it does not. */
  get failure(): MillraceError | undefined {
    return this.#writer.failure;
  }

  /** Appends a frame and returns its ordinal. The chunks must not change until it is durable. */
  append(kind: FrameKind, key: bigint, chunks: readonly Buffer[]): number {
    assert(this.#endKey !== undefined, 'append to a log without a beginning');
    assert(key >= this.#endKey, 'keys go down');
    const frame = encodeFrame(kind, key, chunks);
    const segment = this.#segmentToWrite();
    const ordinal = this.#nextOrdinal++;
    this.#writer.push({ segment, offset: segment.size, chunks: frame.chunks, size: frame.size, nextOrdinal: this.#nextOrdinal });
    segment.size += frame.size;
    if (kind === FrameKind.part) return ordinal;
    if (kind === FrameKind.drop) this.#dropped.push({ from: this.#groupOrdinal, to: this.#nextOrdinal });
    else this.#endKey = key;
    this.#groupOrdinal = this.#nextOrdinal;
    segment.boundary(this.#endKey, this.#nextOrdinal);
    return ordinal;
  }

  /** Takes back the parts since the last whole frame. */
  dropGroup(): void {
    if (this.inGroup) this.append(FrameKind.drop, this.#endKey as bigint, []);
  }

  /** If the frame was taken back: the frames that were, together. */
  droppedAt(ordinal: number): Dropped | undefined {
    let low = 0;
    let high = this.#dropped.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#dropped[middle] as Dropped).to <= ordinal) low = middle + 1;
      else high = middle;
    }
    const found = this.#dropped[low];
    return found && found.from <= ordinal ? found : undefined;
  }

  /** A place from which a reader that has everything up to `key` finds all it lacks (and maybe some that it has). */
  ordinalOfKey(key: bigint): number {
    const segment = this.#lastSegment((one) => one.startKey <= key);
    assert(segment, 'a place before the log');
    return segment.placeOfKey(key).ordinal;
  }

  /** Reads the files from a frame on. */
  cursor(ordinal: number): LogCursor {
    return new LogCursor(ordinal, (wanted) => this.#lastSegment((segment) => segment.firstOrdinal <= wanted));
  }

  ready(): Promise<void> {
    return this.#writer.ready();
  }

  sync(): Promise<void> {
    return this.#writer.sync(this.#nextOrdinal);
  }

  /** Removes everything and begins at `key`, durably. */
  async reset(key: bigint): Promise<void> {
    await this.#writer.discard(this.#nextOrdinal);
    for (const file of (await readdir(this.#folder)).filter((name) => segmentNamePattern.test(name)).sort()) await unlink(join(this.#folder, file));
    await syncFolder(this.#folder);
    this.#logId = randomBytes(16).toString('hex');
    this.#segments = [];
    this.#dropped = [];
    this.#endKey = key;
    // The header takes an ordinal here, so that `sync` has something to wait for and old readers see that they are behind.
    this.#nextOrdinal += 1;
    this.#groupOrdinal = this.#nextOrdinal;
    this.#newSegment(key);
    await this.sync();
  }

  /** Removes the segments that hold nothing behind `key`; never the newest. Resolves to the number removed. */
  async trim(key: bigint): Promise<number> {
    let removed = 0;
    while ((this.#segments[1]?.startKey ?? key + 1n) <= key) {
      // A file that is not written yet would come back; it is removed at the next trim.
      const [oldest, next] = this.#segments as [Segment, Segment];
      if (this.#writer.durableOrdinal < next.firstOrdinal) break;
      crashPoint('log.before-trim');
      this.#segments.shift();
      removed += 1;
      await unlink(oldest.path);
      this.#dropped = this.#dropped.filter((drop) => drop.to > next.firstOrdinal);
    }
    if (removed > 0) await syncFolder(this.#folder);
    return removed;
  }

  /** Writes what waits, durably, and closes. A disk that refuses gets one more attempt, then LOG_DISK. */
  close(): Promise<void> {
    return this.#writer.close(this.#nextOrdinal);
  }

  #segmentToWrite(): Segment {
    const last = this.#segments.at(-1) as Segment;
    const endKey = this.#endKey as bigint;
    return last.size >= this.#options.segmentBytesMax && !this.inGroup && endKey > last.startKey ? this.#newSegment(endKey) : last;
  }

  #newSegment(startKey: bigint): Segment {
    const header = encodeHeader({ logId: this.#logId, name: this.#options.name, startKey });
    const segment = new Segment(this.#folder, startKey, this.#nextOrdinal, header.length);
    this.#segments.push(segment);
    this.#writer.push({ segment, offset: 0, chunks: [header], size: header.length, nextOrdinal: this.#nextOrdinal });
    return segment;
  }

  /** The last segment that fits; those that fit come first. */
  #lastSegment(fits: (segment: Segment) => boolean): Segment | undefined {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (fits(this.#segments[middle] as Segment)) low = middle + 1;
      else high = middle;
    }
    return this.#segments[low - 1];
  }
}

async function openFolder(folder: string, name: string): Promise<Scanned> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await scanFolder(folder, name);
  } catch (thrown) {
    if (!(thrown instanceof Error) || !('errno' in thrown)) throw thrown;
    throw new MillraceError('LOG_DISK', 'the folder of the log cannot be opened', { where: folder, detail: thrown.message, cause: thrown });
  }
}
