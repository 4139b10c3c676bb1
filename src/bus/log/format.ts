// The bytes of a segment file, version 1, integers big-endian.
//
//   header: 8 bytes magic, u16 format version, u16 length of the rest, 16 bytes log id, u64 start key, u16 length and text of the name, u32 CRC32C
//   frames: u32 length of what follows the checksum, u32 CRC32C of that, u8 kind, u64 key, payload
//
// The key of a `whole` frame is where a reader stands that has it; keys of whole frames never go down. `part` frames lead up to the next
// whole one, and a `drop` frame takes back the parts before it.
import { crc32c } from '@node-rs/crc32';
import { assert, ByteReader, ByteWriter, MillraceError } from '../../base/index.ts';

const logFormatVersion = 1;
const magic = Buffer.from('MILLRLOG');
/** Length, checksum, kind, key. */
const frameOverhead = 17;
/** Nothing larger is written, and a larger length is taken for damage. */
const frameBytesMax = 0x7fff_ffff;

export const FrameKind = { whole: 0, part: 1, drop: 2 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export interface SegmentHeader {
  readonly logId: string;
  readonly name: string;
  /** Readers with this key or a higher one find everything they lack in this segment and later ones. */
  readonly startKey: bigint;
}

export interface Frame {
  readonly kind: FrameKind;
  readonly key: bigint;
  readonly payload: Buffer;
  /** Bytes of the frame in the file. */
  readonly size: number;
}

export function encodeHeader(header: SegmentHeader): Buffer {
  const name = Buffer.from(header.name);
  const writer = new ByteWriter(64 + name.length);
  writer.bytes(magic).i16(logFormatVersion).i16(16 + 8 + 2 + name.length + 4);
  writer.bytes(Buffer.from(header.logId, 'hex')).u64(header.startKey).i16(name.length).bytes(name);
  return writer.u32(crc32c(writer.view())).view();
}

/** Undefined when the bytes are not a whole header. Throws LOG_VERSION for one of a newer release. */
export function decodeHeader(bytes: Buffer, where: string): { header: SegmentHeader; size: number } | undefined {
  if (bytes.length < 12 || !bytes.subarray(0, 8).equals(magic)) return undefined;
  const reader = new ByteReader(bytes, 8);
  const version = reader.u16();
  if (version > logFormatVersion) {
    throw new MillraceError('LOG_VERSION', `the log has format ${version}, this release reads up to ${logFormatVersion}`, { where });
  }
  const rest = reader.u16();
  const size = 12 + rest;
  if (rest < 30 || size > bytes.length) return undefined;
  if (crc32c(bytes.subarray(0, size - 4)) !== bytes.readUInt32BE(size - 4)) return undefined;
  const logId = reader.take(16).toString('hex');
  const startKey = reader.u64();
  return { header: { logId, startKey, name: reader.text(reader.u16()) }, size };
}

/** The frame as chunks for writev, its own head first. */
export function encodeFrame(kind: FrameKind, key: bigint, chunks: readonly Buffer[]): { chunks: Buffer[]; size: number } {
  const payload = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  assert(payload + 9 <= frameBytesMax, 'a frame is larger than a log can hold');
  const head = Buffer.allocUnsafe(frameOverhead);
  head.writeUInt32BE(payload + 9, 0);
  head.writeUInt8(kind, 8);
  head.writeBigUInt64BE(key, 9);
  let crc = crc32c(head.subarray(8));
  for (const chunk of chunks) crc = crc32c(chunk, crc);
  head.writeUInt32BE(crc, 4);
  return { chunks: [head, ...chunks], size: frameOverhead + payload };
}

/** Bytes of the frame at `at`, as its head says; undefined when the head is cut off or impossible. */
export function frameSize(bytes: Buffer, at: number): number | undefined {
  if (at + 4 > bytes.length) return undefined;
  const length = bytes.readUInt32BE(at);
  return length < 9 || length > frameBytesMax ? undefined : length + 8;
}

/** The frame of this size at `at`; undefined when its checksum says it is damaged. */
export function decodeFrame(bytes: Buffer, at: number, size: number): Frame | undefined {
  if (crc32c(bytes.subarray(at + 8, at + size)) !== bytes.readUInt32BE(at + 4)) return undefined;
  const kind = bytes[at + 8] as number;
  if (kind > FrameKind.drop) return undefined;
  return { kind: kind as FrameKind, key: bytes.readBigUInt64BE(at + 9), payload: bytes.subarray(at + frameOverhead, at + size), size };
}
