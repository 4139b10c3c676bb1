// Opening a log: every frame is read once, the torn tail is cut, and what is damaged is set aside.
//
// A log must never bridge a gap in silence, so it ends before the first frame that is damaged: that one and everything behind it goes to a
// file named *.quarantine, and the caller reads it again from its source.
import { copyFile, type FileHandle, open, readdir, rename, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeFrame, decodeHeader, FrameKind, frameSize, type SegmentHeader } from './format.ts';
import { Segment, segmentNamePattern } from './segment.ts';

/** Bytes that were set aside. */
export interface Quarantined {
  /** Where they are now. */
  readonly file: string;
  readonly bytes: number;
  readonly reason: string;
}

/** Frames with ordinals from..to−1 were taken back: parts and the drop behind them. */
export interface Dropped {
  readonly from: number;
  readonly to: number;
}

export interface Scanned {
  readonly segments: Segment[];
  readonly dropped: Dropped[];
  readonly quarantined: Quarantined[];
  /** Ends that a crash left unfinished: torn records, and parts of a transaction without its end. */
  readonly cut: { readonly file: string; readonly bytes: number }[];
  readonly logId: string | undefined;
  /** Behind the last whole frame; undefined without segments. */
  readonly endKey: bigint | undefined;
  readonly nextOrdinal: number;
}

interface State {
  ordinal: number;
  endKey: bigint;
  dropped: Dropped[];
}

/** Reads the segments of a folder. `name` must be the one they were written with. Throws LOG_VERSION. */
export async function scanFolder(folder: string, name: string): Promise<Scanned> {
  const files = (await readdir(folder)).filter((file) => segmentNamePattern.test(file)).sort();
  const segments: Segment[] = [];
  const quarantined: Quarantined[] = [];
  const torn: { file: string; bytes: number }[] = [];
  const state: State = { ordinal: 0, endKey: 0n, dropped: [] };
  let logId: string | undefined;
  let broken: string | undefined;
  for (const [i, file] of files.entries()) {
    const path = join(folder, file);
    const newest = i === files.length - 1;
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const start = await headerOf(handle, size, path);
      if (!start && newest && (await isTornHeader(handle, size))) {
        await unlink(path);
        torn.push({ file, bytes: size });
        continue;
      }
      broken ??= misfit(start?.header, name, logId, file, segments.length > 0 ? state.endKey : undefined);
      if (broken !== undefined || !start) {
        quarantined.push(await setAside(path, 0, size, broken ?? 'the header is damaged'));
        continue;
      }
      logId ??= start.header.logId;
      const segment = new Segment(folder, start.header.startKey, state.ordinal, start.size);
      if (segments.length === 0) state.endKey = start.header.startKey;
      segments.push(segment);
      const { cut, damage } = await scanFrames(handle, size, segment, state, newest);
      if (damage !== undefined) {
        broken = `it lies behind a damaged record in ${file}`;
        quarantined.push(await setAside(path, cut, size, damage));
      } else if (cut < size) torn.push({ file, bytes: size - cut });
      if (cut < size) await cutFile(path, cut);
      segment.size = cut;
      segment.written = cut;
    } finally {
      await handle.close();
    }
  }
  const { ordinal, endKey, dropped } = state;
  return { segments, dropped, quarantined, cut: torn, logId, endKey: segments.length > 0 ? endKey : undefined, nextOrdinal: ordinal };
}

function misfit(header: SegmentHeader | undefined, name: string, logId: string | undefined, file: string, endKey: bigint | undefined): string | undefined {
  if (!header) return 'the header is damaged';
  if (header.name !== name) return `it belongs to ${header.name}`;
  if (logId !== undefined && header.logId !== logId) return 'it belongs to another log';
  if (!file.startsWith(header.startKey.toString(16).padStart(16, '0'))) return 'its name does not fit its content';
  if (endKey !== undefined && header.startKey !== endKey) return 'the segment before it is missing or cut off';
  return undefined;
}

async function headerOf(handle: FileHandle, size: number, path: string): Promise<ReturnType<typeof decodeHeader>> {
  const bytes = Buffer.alloc(Math.min(size, 12 + 0xffff));
  await readFully(handle, bytes, 0);
  return decodeHeader(bytes, path);
}

/** A crash right after the file was made leaves it empty, short or full of zeros; no frame can have been acknowledged from it. */
async function isTornHeader(handle: FileHandle, size: number): Promise<boolean> {
  if (size < 12) return true;
  const bytes = Buffer.alloc(Math.min(size, 4096));
  await readFully(handle, bytes, 0);
  return bytes.every((byte) => byte === 0) || size < 12 + bytes.readUInt16BE(10);
}

/** Walks the frames. `cut` is where the file shall end: behind the last frame at which a reader may stand. */
async function scanFrames(
  handle: FileHandle, size: number, segment: Segment, state: State, newest: boolean,
): Promise<{ cut: number; damage: string | undefined }> {
  let window = Buffer.alloc(0);
  let windowAt = segment.headerSize;
  let at = segment.headerSize;
  let ordinal = state.ordinal;
  let cut = at;
  let damage: string | undefined;
  const have = async (bytes: number): Promise<void> => {
    if (at + bytes <= windowAt + window.length) return;
    window = Buffer.allocUnsafe(Math.min(size - at, Math.max(bytes, 1 << 20)));
    windowAt = at;
    await readFully(handle, window, at);
  };
  while (at < size) {
    if (size - at < 8) {
      damage = newest ? undefined : 'the last record is cut off';
      break;
    }
    await have(8);
    const length = frameSize(window, at - windowAt);
    if (length === undefined || at + length > size) {
      damage = newest && (length !== undefined || (await onlyZeros(handle, at, size))) ? undefined : 'a record has an impossible length';
      break;
    }
    await have(length);
    const frame = decodeFrame(window, at - windowAt, length);
    if (!frame || (frame.kind === FrameKind.whole && frame.key < state.endKey)) {
      damage = newest && at + length === size ? undefined : 'a record does not match its checksum';
      break;
    }
    at += length;
    ordinal += 1;
    segment.size = at;
    if (frame.kind === FrameKind.part) continue;
    if (frame.kind === FrameKind.drop) state.dropped.push({ from: state.ordinal, to: ordinal });
    else state.endKey = frame.key;
    state.ordinal = ordinal;
    cut = at;
    segment.boundary(state.endKey, ordinal);
  }
  // Parts without their end at the very end are cut off too: their transaction will be sent again. A segment never ends within one.
  if (damage === undefined && cut < size && !newest) damage = 'the segment ends within a transaction';
  return { cut, damage };
}

async function onlyZeros(handle: FileHandle, from: number, to: number): Promise<boolean> {
  const bytes = Buffer.alloc(Math.min(1 << 20, to - from));
  for (let at = from; at < to; at += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, to - at));
    await readFully(handle, part, at);
    if (part.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** Fills `into` from the file; what lies behind its end stays as it is. */
export async function readFully(handle: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) return;
    done += bytesRead;
  }
}

async function setAside(path: string, from: number, size: number, reason: string): Promise<Quarantined> {
  const file = `${path}.${Date.now().toString(36)}-${from}.quarantine`;
  if (from === 0) await rename(path, file);
  else await copyFile(path, file);
  return { file, bytes: size - from, reason };
}

async function cutFile(path: string, size: number): Promise<void> {
  await truncate(path, size);
  const handle = await open(path, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
