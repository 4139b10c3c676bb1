// Tuples (see batch.ts) without decoding their values: finding fields, copying them.
import type { ByteWriter } from '../base/index.ts';

/**
 * Finds the fields of the tuple that starts at `start`. Fills `starts` and `lengths` (length −1 NULL, −2 unchanged) and returns the number
 * of fields. Throws RangeError when the tuple runs past `end`.
 */
export function locateFields(bytes: Buffer, start: number, end: number, starts: Int32Array, lengths: Int32Array): number {
  let at = start + 2;
  if (at > end) throw new RangeError('tuple is cut off');
  const count = ((bytes[start] as number) << 8) | (bytes[start + 1] as number);
  for (let field = 0; field < count; field++) {
    if (at + 4 > end) throw new RangeError('tuple is cut off');
    const length =
      ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    at += 4;
    starts[field] = at;
    lengths[field] = length;
    if (length > 0) at += length;
  }
  if (at > end) throw new RangeError('tuple is cut off');
  return count;
}

/** Appends a field that locateFields has found, with its length in front. */
export function writeField(out: ByteWriter, bytes: Buffer, start: number, length: number): void {
  // The length stands right before the value, so that both are copied together.
  if (length > 0) out.bytes(bytes, start - 4, start + length);
  else out.i32(length);
}

/** Appends the tuple of the given fields, in this order. */
export function writeFields(out: ByteWriter, bytes: Buffer, fields: Int32Array, starts: Int32Array, lengths: Int32Array): void {
  out.i16(fields.length);
  for (const field of fields) writeField(out, bytes, starts[field] as number, lengths[field] as number);
}

/** One field of a tuple: its bytes, null for NULL, undefined for unchanged. For cold paths; hot ones use locateFields. */
export function fieldOf(bytes: Buffer, start: number, field: number): Buffer | null | undefined {
  let at = start + 2;
  for (let i = 0; ; i++) {
    const length = bytes.readInt32BE(at);
    at += 4;
    if (i === field) return length === -1 ? null : length === -2 ? undefined : bytes.subarray(at, at + length);
    if (length > 0) at += length;
  }
}
