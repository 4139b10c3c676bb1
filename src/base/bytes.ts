// Growing and reading byte buffers and typed arrays, big-endian as in PostgreSQL's protocols.
import { assert } from './assert.ts';

/**
 * Views of the buffers that were read and written last. DataView reads and writes 64 bits many times faster than Buffer, which puts them
 * together from halves; making one costs more than it saves on a single value.
 */
let lastRead: Buffer = Buffer.alloc(0);
let readView: DataView = new DataView(lastRead.buffer, lastRead.byteOffset, 0);
let lastWritten = lastRead;
let writeView = readView;

function viewToRead(bytes: Buffer): DataView {
  if (bytes !== lastRead) {
    readView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    lastRead = bytes;
  }
  return readView;
}

function viewToWrite(bytes: Buffer): DataView {
  if (bytes !== lastWritten) {
    writeView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    lastWritten = bytes;
  }
  return writeView;
}

/** From here on Buffer's own copy is faster than words of 64 bits. */
const wordsBytesMax = 128;

/** Copies `source` from `from` to `to` to where `at` is in `target`. For the short values that most fields are, many times faster than Buffer.copy. */
export function copyBytes(target: Buffer, at: number, source: Buffer, from: number, to: number): void {
  if (to - from > wordsBytesMax) {
    source.copy(target, at, from, to);
    return;
  }
  let next = from;
  let put = at;
  if (to - from >= 8) {
    const read = viewToRead(source);
    const write = viewToWrite(target);
    for (const last = to - 8; next <= last; next += 8, put += 8) write.setBigInt64(put, read.getBigInt64(next));
  }
  while (next < to) target[put++] = source[next++] as number;
}

/** Eight bytes of a buffer, big-endian. Throws RangeError when they are not all there. */
export function readU64(bytes: Buffer, at: number): bigint {
  if (at < 0 || at + 8 > bytes.length) throw new RangeError(`8 bytes wanted at ${at} of ${bytes.length}`);
  return viewToRead(bytes).getBigUint64(at);
}

/** As readU64, with a sign. */
export function readI64(bytes: Buffer, at: number): bigint {
  return BigInt.asIntN(64, readU64(bytes, at));
}

/** Small ones come out of Node's pool, many to an allocation. */
const allocate = (bytes: number): Buffer => (bytes < 2048 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes));

/** A buffer that grows by doubling. `take()` hands out what was written and starts a new one. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 1024) {
    this.#buffer = allocate(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room for `bytes` more; afterwards `buffer` may be written directly from `length`, followed by `advance`. */
  reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const bigger = allocate(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(bigger, 0, 0, this.#length);
    this.#buffer = bigger;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  advance(bytes: number): void {
    this.#length += bytes;
  }

  u8(value: number): this {
    this.reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  i16(value: number): this {
    this.reserve(2);
    this.#length = this.#buffer.writeInt16BE(value, this.#length);
    return this;
  }

  i32(value: number): this {
    this.reserve(4);
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
    return this;
  }

  i64(value: bigint): this {
    this.reserve(8);
    if (BigInt.asIntN(64, value) !== value) throw new RangeError(`${value} does not fit into 64 bits`);
    viewToWrite(this.#buffer).setBigInt64(this.#length, value);
    this.#length += 8;
    return this;
  }

  u64(value: bigint): this {
    this.reserve(8);
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} does not fit into 64 bits without a sign`);
    viewToWrite(this.#buffer).setBigUint64(this.#length, value);
    this.#length += 8;
    return this;
  }

  f32(value: number): this {
    this.reserve(4);
    this.#length = this.#buffer.writeFloatBE(value, this.#length);
    return this;
  }

  f64(value: number): this {
    this.reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
    return this;
  }

  bytes(source: Uint8Array, start = 0, end = source.length): this {
    this.reserve(end - start);
    if (Buffer.isBuffer(source)) copyBytes(this.#buffer, this.#length, source, start, end);
    else this.#buffer.set(source.subarray(start, end), this.#length);
    this.#length += end - start;
    return this;
  }

  /** UTF-8 text. */
  text(value: string): this {
    this.reserve(value.length * 3);
    this.#length += this.#buffer.write(value, this.#length, 'utf8');
    return this;
  }

  /** UTF-8 text with a terminating zero byte. */
  cstring(value: string): this {
    return this.text(value).u8(0);
  }

  /** Overwrites four bytes written before, e.g. a length that is known only now. */
  patchI32(at: number, value: number): void {
    assert(at + 4 <= this.#length, 'patch past the end');
    this.#buffer.writeInt32BE(value, at);
  }

  /** What was written since `from`, still owned by the writer. */
  view(from = 0): Buffer {
    return this.#buffer.subarray(from, this.#length);
  }

  /** Drops what was written after `length`. */
  truncate(length = 0): void {
    assert(length <= this.#length, 'truncate past the end');
    this.#length = length;
  }

  /** Hands over the bytes and is empty then. Many bytes are not copied; few are, so that the large buffer stays for what comes. */
  take(): Buffer {
    if (this.#length * 4 < this.#buffer.length && this.#length < 16_384) {
      const few = Buffer.from(this.view());
      this.#length = 0;
      return few;
    }
    const out = this.#buffer.subarray(0, this.#length);
    // Room for as much again and a little more: what is allocated and not used costs as much garbage collection as what is.
    this.#buffer = allocate(Math.max(1024, Math.min(out.length + (out.length >> 3), 1 << 20)));
    this.#length = 0;
    return out;
  }
}

/** Reads big-endian values in order. Reading past the end throws RangeError, which codecs turn into a MillraceError with context. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  u8(): number {
    const value = this.bytes.readUInt8(this.at);
    this.at += 1;
    return value;
  }

  i16(): number {
    const value = this.bytes.readInt16BE(this.at);
    this.at += 2;
    return value;
  }

  u16(): number {
    const value = this.bytes.readUInt16BE(this.at);
    this.at += 2;
    return value;
  }

  i32(): number {
    const value = this.bytes.readInt32BE(this.at);
    this.at += 4;
    return value;
  }

  u32(): number {
    const value = this.bytes.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  i64(): bigint {
    const value = readI64(this.bytes, this.at);
    this.at += 8;
    return value;
  }

  u64(): bigint {
    const value = readU64(this.bytes, this.at);
    this.at += 8;
    return value;
  }

  f32(): number {
    const value = this.bytes.readFloatBE(this.at);
    this.at += 4;
    return value;
  }

  f64(): number {
    const value = this.bytes.readDoubleBE(this.at);
    this.at += 8;
    return value;
  }

  /** The next `count` bytes, not copied. */
  take(count: number): Buffer {
    if (count < 0 || count > this.left) throw new RangeError(`${count} bytes wanted, ${this.left} left`);
    const out = this.bytes.subarray(this.at, this.at + count);
    this.at += count;
    return out;
  }

  text(count: number): string {
    if (count < 0 || count > this.left) throw new RangeError(`${count} bytes wanted, ${this.left} left`);
    const out = this.bytes.toString('utf8', this.at, this.at + count);
    this.at += count;
    return out;
  }

  cstring(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError('unterminated string');
    const out = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return out;
  }
}

/** A typed array of the same kind with room for `length` elements, the old ones first. */
export function lengthened<A extends Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(old: A, length: number): A {
  const out = new (old.constructor as new (length: number) => A)(length);
  out.set(old);
  return out;
}
