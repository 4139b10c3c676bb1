// Looking into a tuple (see batch.ts) without decoding its values.

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
