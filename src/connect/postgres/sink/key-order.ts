// Brings entries of a fold near the order of their keys. Neighbours of an index are then touched one after the other, which costs the server
// less (measured on PostgreSQL 18, batches of 10,000 and 50,000 rows among 100,000: 9 and 17 % of its CPU for DELETE and COPY). It is only a
// matter of speed: an order that is wrong in places does no harm, so it takes linear time and looks at the first eight bytes of the first
// key column.
import type { Fold } from './fold.ts';

/** The entries, or themselves when they are in order already. Entries that look alike keep their order. */
export function nearKeyOrder(fold: Fold, entries: readonly number[]): readonly number[] {
  const count = entries.length;
  const ranks = new Float64Array(count);
  const keys = fold.keyBytes;
  let [least, most, ascending] = [Infinity, -Infinity, true];
  for (let i = 0; i < count; i++) {
    const entry = entries[i] as number;
    const rank = rankOf(keys, fold.keyStart(entry) + 2, fold.keyEnd(entry));
    if (i > 0 && rank < (ranks[i - 1] as number)) ascending = false;
    if (rank < least) least = rank;
    if (rank > most) most = rank;
    ranks[i] = rank;
  }
  if (ascending) return entries;
  // One pass of a bucket sort, with as many buckets as entries.
  const scale = (count - 1) / (most - least);
  const buckets = new Uint32Array(count);
  const starts = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) {
    const bucket = Math.floor(((ranks[i] as number) - least) * scale);
    buckets[i] = bucket;
    starts[bucket + 1] = (starts[bucket + 1] as number) + 1;
  }
  for (let i = 0; i < count; i++) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number);
  const ordered = new Array<number>(count);
  for (let i = 0; i < count; i++) {
    const bucket = buckets[i] as number;
    const at = starts[bucket] as number;
    starts[bucket] = at + 1;
    ordered[at] = entries[i] as number;
  }
  return ordered;
}

/** The first eight bytes of a field (its int32 length stands at `at`) as a number that orders integers by value and texts by bytes. */
function rankOf(keys: Buffer, at: number, end: number): number {
  const length = Math.min(keys.readInt32BE(at), end - at - 4);
  const start = at + 4;
  if (length === 8) return keys.readInt32BE(start) * 0x1_0000_0000 + keys.readUInt32BE(start + 4);
  if (length === 4) return keys.readInt32BE(start);
  if (length === 2) return keys.readInt16BE(start);
  let rank = 0;
  for (let i = 0; i < 8; i++) rank = rank * 256 + (i < length ? (keys[start + i] as number) : 0);
  return rank;
}
