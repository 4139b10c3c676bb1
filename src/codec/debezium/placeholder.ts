// The placeholder of a large value that an update left unchanged (unavailable.value.placeholder), in all the forms it takes in JSON.
import { createHash } from 'node:crypto';

/** A JSON token → whether it is the placeholder. */
export type IsPlaceholder = (bytes: Buffer, start: number, end: number) => boolean;

const DEFAULT_PLACEHOLDER = '__debezium_unavailable_value';

export function placeholderTest(placeholder = DEFAULT_PLACEHOLDER): IsPlaceholder {
  const bytes = Buffer.from(placeholder);
  const texts = [placeholder, bytes.toString('base64'), bytes.toString('base64url'), padded(bytes), bytes.toString('hex')];
  const spelled = [
    ...texts.map((text) => JSON.stringify(text)),
    ...texts.map((text) => JSON.stringify([text])),
    JSON.stringify([nameUuid(bytes)]),
    JSON.stringify([...bytes].map((byte) => (byte > 127 ? byte - 256 : byte))),
    // hstore, as a map and as text.
    JSON.stringify({ [placeholder]: placeholder }),
    JSON.stringify(JSON.stringify({ [placeholder]: placeholder })),
  ];
  const byLength = new Map<number, Buffer[]>();
  for (const text of new Set(spelled)) {
    const token = Buffer.from(text);
    byLength.set(token.length, [...(byLength.get(token.length) ?? []), token]);
  }
  const lengthMax = Math.max(...byLength.keys());
  const lengths = new Uint8Array(lengthMax + 1);
  for (const length of byLength.keys()) lengths[length] = 1;
  return (source, start, end) => {
    const length = end - start;
    if (length > lengthMax || lengths[length] === 0) return false;
    return (byLength.get(length) as Buffer[]).some((token) => source.compare(token, 0, length, start, end) === 0);
  };
}

/** Base64 for URLs with its padding, as Debezium writes it. */
function padded(bytes: Buffer): string {
  const text = bytes.toString('base64url');
  return text + '='.repeat((4 - (text.length % 4)) % 4);
}

/** Java's UUID.nameUUIDFromBytes. */
function nameUuid(bytes: Buffer): string {
  const hash = createHash('md5').update(bytes).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x30;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The points that stand for an unchanged PostGIS geometry and geography. */
const points = [[-99_999_999, -99_999_999], [179.999999, 89.999999]].map(([x, y]) => {
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleLE(x as number, 0);
  bytes.writeDoubleLE(y as number, 8);
  return bytes;
});

export const isPlaceholderPoint = (wkb: Buffer): boolean => points.some((point) => wkb.length > 16 && wkb.subarray(wkb.length - 16).equals(point));
