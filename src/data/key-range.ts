// Ranges of a table's first key column, for types whose order is the same everywhere: integers and uuid. Their values are bigints here.
import { Format } from './batch.ts';
import { baseType, type Relation } from './relation.ts';
import { fieldOf } from './tuple.ts';

/** Rows whose first key column is at least `from` and less than `to`; undefined: without that bound. */
export interface KeyRange {
  readonly from: bigint | undefined;
  readonly to: bigint | undefined;
}

/** The first key column of a table, if its values can be put in the order that the server has; else undefined. */
export function rangeKey(relation: Relation): { readonly field: number; readonly type: string } | undefined {
  const [field] = relation.key;
  const column = field === undefined ? undefined : relation.columns[field];
  if (field === undefined || !column?.notNull) return undefined;
  const { schema, name } = baseType(column.type);
  return schema === 'pg_catalog' && ['int2', 'int4', 'int8', 'uuid'].includes(name) ? { field, type: name } : undefined;
}

/** A value of such a column in its text form, as a number that sorts as the server does. */
export const keyFromText = (text: string, type: string): bigint => (type === 'uuid' ? BigInt(`0x${text.replaceAll('-', '')}`) : BigInt(text));

/** The other way round. */
export function keyToText(key: bigint, type: string): string {
  if (type !== 'uuid') return String(key);
  const hex = key.toString(16).padStart(32, '0');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The value in the tuple that starts at `start`. */
export function keyOfTuple(bytes: Buffer, start: number, { field, type }: { readonly field: number; readonly type: string }, formats: Uint8Array): bigint {
  const value = fieldOf(bytes, start, field) as Buffer;
  if (formats[field] === Format.text) return keyFromText(value.toString(), type);
  if (type === 'uuid') return BigInt(`0x${value.toString('hex')}`);
  return value.length === 8 ? value.readBigInt64BE(0) : BigInt(value.readIntBE(0, value.length));
}

/** Cuts what `ranges` leave free of the whole line at `bounds`. All ascending; ranges do not overlap. */
export function rangesLeft(ranges: readonly KeyRange[], bounds: readonly bigint[]): KeyRange[] {
  const left: KeyRange[] = [];
  const add = (from: bigint | undefined, to: bigint | undefined): void => {
    let at = from;
    for (const bound of bounds) {
      if ((at !== undefined && bound <= at) || (to !== undefined && bound >= to)) continue;
      left.push({ from: at, to: bound });
      at = bound;
    }
    left.push({ from: at, to });
  };
  let at: bigint | undefined;
  let open = true;
  const ascending = ranges.toSorted((a, b) => (a.from === b.from ? 0 : a.from === undefined || (b.from !== undefined && a.from < b.from) ? -1 : 1));
  for (const { from, to } of ascending) {
    if (from !== undefined && (at === undefined || at < from)) add(at, from);
    if (to === undefined) open = false;
    at = to;
  }
  if (open) add(at, undefined);
  return left;
}
