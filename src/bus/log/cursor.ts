// Reads frames from the files, one after the other, in blocks.
import { type FileHandle, open } from 'node:fs/promises';
import { assert, MillraceError } from '../../base/index.ts';
import { decodeFrame, type Frame, frameSize } from './format.ts';
import { readFully } from './scan.ts';
import type { Segment } from './segment.ts';

const blockBytes = 256 << 10;

export class LogCursor {
  /** The frame that `next` returns. */
  ordinal: number;
  readonly #segmentOf: (ordinal: number) => Segment | undefined;
  #segment: Segment | undefined;
  #handle: FileHandle | undefined;
  #offset = 0;
  /** Ordinal of the frame at #offset. */
  #at = 0;
  #block: Buffer = Buffer.alloc(0);
  #blockAt = 0;

  constructor(ordinal: number, segmentOf: (ordinal: number) => Segment | undefined) {
    this.ordinal = ordinal;
    this.#segmentOf = segmentOf;
  }

  /**
   * The next frame; the caller has seen that it is written. Its payload is a slice of a block that is not used again. Throws LOG_CORRUPT
   * for a frame that was damaged after the log was opened; undefined when the segment was trimmed.
   */
  async next(): Promise<Frame | undefined> {
    const segment = this.#segmentOf(this.ordinal);
    if (!segment) return undefined;
    if (segment !== this.#segment && !(await this.#enter(segment))) return undefined;
    for (;;) {
      const frame = await this.#frame(segment);
      this.#offset += frame.size;
      this.#at += 1;
      if (this.#at > this.ordinal) {
        this.ordinal = this.#at;
        return frame;
      }
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    this.#segment = undefined;
    await handle?.close();
  }

  async #enter(segment: Segment): Promise<boolean> {
    await this.close();
    try {
      this.#handle = await open(segment.path, 'r');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw new MillraceError('LOG_DISK', 'the log cannot be read', { where: segment.path, cause: thrown });
    }
    this.#segment = segment;
    const place = segment.placeOfOrdinal(this.ordinal);
    this.#offset = place.offset;
    this.#at = place.ordinal;
    this.#block = Buffer.alloc(0);
    return true;
  }

  async #frame(segment: Segment): Promise<Frame> {
    await this.#have(segment, 8);
    const size = frameSize(this.#block, this.#offset - this.#blockAt);
    const frame = size === undefined || this.#offset + size > segment.written ? undefined : await this.#checked(segment, size);
    if (!frame) {
      throw new MillraceError('LOG_CORRUPT', 'a record of the log was damaged while it was in use', {
        where: `${segment.path}, byte ${this.#offset}`,
        hint: 'start Millrace again: what is damaged is then set aside and read again from the source; check the disk',
      });
    }
    return frame;
  }

  async #checked(segment: Segment, size: number): Promise<Frame | undefined> {
    await this.#have(segment, size);
    return decodeFrame(this.#block, this.#offset - this.#blockAt, size);
  }

  async #have(segment: Segment, bytes: number): Promise<void> {
    const end = this.#blockAt + this.#block.length;
    if (this.#offset >= this.#blockAt && this.#offset + bytes <= end) return;
    const length = Math.min(Math.max(bytes, blockBytes), segment.written - this.#offset);
    assert(length >= bytes && this.#handle, 'a frame is read before it is written');
    // Never from a pool: rows are slices of this block for as long as somebody holds them.
    this.#block = Buffer.allocUnsafeSlow(length);
    this.#blockAt = this.#offset;
    await readFully(this.#handle, this.#block, this.#offset);
  }
}
