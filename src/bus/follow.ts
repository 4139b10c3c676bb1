// Reads an embedded log from outside, while another process may be writing it: for `millrace tail`. It changes nothing in the folder.
//
// What lies behind the last whole frame may still be in the middle of being written, or be cut off when the writer starts again after a
// crash. So nothing is given out before its transaction is complete, and whatever does not fit is read again from there.
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../base/index.ts';
import { decodeRun, RelationCache } from '../codec/index.ts';
import { asPosition, formatLsn, type Position, type Run, runAfter } from '../data/index.ts';
import { decodeFrame, decodeHeader, FrameKind, frameSize } from './log/format.ts';
import { readFully } from './log/scan.ts';
import { segmentName, segmentNamePattern } from './log/segment.ts';

export interface FollowOptions {
  /** Where to begin: a position, the oldest that is kept, or what comes from now on. */
  readonly from: Position | 'start' | 'now';
  /** Wait for more at the end; without, it ends there. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

const waitMs = 100;
const blockBytes = 1 << 20;

/** The runs of a source's log in order; the parts of one transaction come one after the other. Throws POSITION_GAP when `from` is no longer kept. */
export async function* followLog(folder: string, options: FollowOptions): AsyncGenerator<Run, void, undefined> {
  const { signal } = options;
  let keys = await segmentKeys(folder);
  while (keys.length === 0 && options.follow && !signal.aborted) {
    await sleep(signal);
    keys = await segmentKeys(folder);
  }
  let key = firstKey(keys, options.from);
  let position = typeof options.from === 'bigint' ? options.from : undefined;
  let silent = options.from === 'now';
  const relations = new RelationCache();
  let file: SegmentFile | undefined;
  try {
    while (key !== undefined && !signal.aborted) {
      file ??= await SegmentFile.open(folder, key);
      const frames = await file?.group();
      if (frames) {
        if (silent) continue;
        for (const frame of frames) {
          const run = decodeRun(frame, relations);
          const rest = position === undefined ? run : runAfter(run, position);
          if (rest) yield rest;
        }
        continue;
      }
      const next = await nextKey(folder, key);
      if (next !== undefined) {
        // Frames that arrived before the next file was there come first.
        if (await file?.moreThanBefore()) continue;
        await file?.close();
        file = undefined;
        key = next;
        position = undefined;
        continue;
      }
      silent = false;
      if (!options.follow) return;
      await sleep(signal);
    }
  } finally {
    await file?.close();
  }
}

/** One segment file, read group by group: the frames of one whole run, or of the parts and the end of one transaction. */
class SegmentFile {
  readonly #handle: FileHandle;
  /** Behind the last group. */
  #boundary: number;
  #block: Buffer = Buffer.alloc(0);
  #blockAt = 0;
  #size = 0;
  #sizeAtEnd = -1;

  private constructor(handle: FileHandle, boundary: number) {
    this.#handle = handle;
    this.#boundary = boundary;
  }

  static async open(folder: string, key: bigint): Promise<SegmentFile | undefined> {
    const path = join(folder, segmentName(key));
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new MillraceError('LOG_DISK', 'the log cannot be read', { where: path, cause: error });
    }
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(size, 12 + 0xffff));
    await readFully(handle, bytes, 0);
    const header = decodeHeader(bytes, path);
    if (header) return new SegmentFile(handle, header.size);
    await handle.close(); // its header is being written
    return undefined;
  }

  /** Payloads of the next group; undefined while there is none that is complete. */
  async group(): Promise<Buffer[] | undefined> {
    const known = await this.#walk();
    if (known) return known;
    // What was read ahead may have been written only in part then.
    this.#block = Buffer.alloc(0);
    this.#size = (await this.#handle.stat()).size;
    return this.#walk();
  }

  async #walk(): Promise<Buffer[] | undefined> {
    let at = this.#boundary;
    const payloads: Buffer[] = [];
    while (await this.#have(at, 8)) {
      const length = frameSize(this.#block, at - this.#blockAt);
      if (length === undefined || !(await this.#have(at, length))) break;
      const frame = decodeFrame(this.#block, at - this.#blockAt, length);
      if (!frame) break;
      at += length;
      if (frame.kind === FrameKind.drop) payloads.length = 0;
      else payloads.push(frame.payload);
      if (frame.kind === FrameKind.part) continue;
      this.#boundary = at;
      return payloads;
    }
    return undefined;
  }

  async #have(at: number, bytes: number): Promise<boolean> {
    if (at + bytes > this.#size) return false;
    if (at < this.#blockAt || at + bytes > this.#blockAt + this.#block.length) {
      // Never from a pool: rows are slices of this block.
      this.#block = Buffer.allocUnsafeSlow(Math.min(this.#size - at, Math.max(bytes, blockBytes)));
      this.#blockAt = at;
      await readFully(this.#handle, this.#block, at);
    }
    return true;
  }

  /** Whether the file has grown since this was asked last. */
  async moreThanBefore(): Promise<boolean> {
    const { size } = await this.#handle.stat();
    const more = size !== this.#sizeAtEnd && size > this.#boundary;
    this.#sizeAtEnd = size;
    return more;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function segmentKeys(folder: string): Promise<bigint[]> {
  const files = await readdir(folder).catch(() => []);
  return files.filter((file) => segmentNamePattern.test(file)).sort().map((file) => BigInt(`0x${file.slice(0, 16)}`));
}

/** The segment after this one; when this one is gone (the log began anew), the oldest. */
async function nextKey(folder: string, key: bigint): Promise<bigint | undefined> {
  const keys = await segmentKeys(folder);
  return keys.includes(key) ? keys.find((each) => each > key) : keys[0];
}

function firstKey(keys: readonly bigint[], from: FollowOptions['from']): bigint | undefined {
  if (from === 'start') return keys[0];
  if (from === 'now') return keys.at(-1);
  const key = keys.findLast((each) => each <= from);
  if (key === undefined && keys[0] !== undefined) {
    throw new MillraceError('POSITION_GAP', `the log begins at ${formatLsn(asPosition(keys[0]))}, behind ${formatLsn(from)}`, { hint: 'use --from start for the oldest change that is kept' });
  }
  return key;
}

function sleep(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener('abort', done, { once: true });
  });
}
