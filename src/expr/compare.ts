// Order and equality of values, by type. Text is ordered by code points (PostgreSQL's collation "C").
import type { PgType } from '../data/index.ts';
import { jsonEquals } from './json.ts';

export type Compare = (a: any, b: any) => number;

const primitive: Compare = (a: number | bigint | boolean, b: number | bigint | boolean) => (a < b ? -1 : a > b ? 1 : 0);

/** NaN equals itself and is greater than every other number; −0 equals 0. */
export const compareFloats: Compare = (a: number, b: number) => {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
};

/** By code points, which is the order of the UTF-8 bytes; JavaScript's own order is by UTF-16 units. */
const compareText: Compare = (a: string, b: string) => {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // A surrogate stands for a code point above all others.
    const surrogates = Number(x >= 0xd800 && x <= 0xdfff) - Number(y >= 0xd800 && y <= 0xdfff);
    return surrogates !== 0 ? surrogates : x - y;
  }
  return a.length - b.length;
};

const unpad = (text: string): string => text.replace(/ +$/, '');
const byMethod: Compare = (a: { compare(other: unknown): number }, b) => a.compare(b);

/** The order of a type's values, not NULL ones. Undefined for types without one (json, and jsonb, which has only equality here). */
export function comparatorOf(type: PgType): Compare | undefined {
  if (type.kind === 'enum') {
    const order = new Map((type.labels ?? []).map((label, i) => [label, i]));
    return (a: string, b: string) => (order.get(a) ?? -1) - (order.get(b) ?? -1);
  }
  if (type.kind === 'array') {
    const element = type.element && comparatorOf(type.element);
    return element && ((a: readonly unknown[], b: readonly unknown[]) => compareArrays(a, b, element));
  }
  switch (type.name) {
    case 'bool':
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return primitive;
    case 'float4':
    case 'float8':
      return compareFloats;
    case 'numeric':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'interval':
      return byMethod;
    case 'bpchar':
      return (a: string, b: string) => compareText(unpad(a), unpad(b));
    case 'text':
    case 'varchar':
    case 'name':
    case 'uuid':
      return compareText;
    case 'bytea':
      return (a: Buffer, b: Buffer) => a.compare(b);
    default:
      return undefined;
  }
}

/** Whether two values of a type are equal. */
export function equalityOf(type: PgType): ((a: any, b: any) => boolean) | undefined {
  if (type.name === 'jsonb') return jsonEquals;
  const compare = comparatorOf(type);
  return compare && ((a, b) => compare(a, b) === 0);
}

/** Elements in order, NULL greater than any; then the shorter array, then the one with fewer dimensions. */
function compareArrays(a: readonly unknown[], b: readonly unknown[], element: Compare): number {
  const [x, y] = [a.flat(10), b.flat(10)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const nulls = Number(x[i] === null) - Number(y[i] === null);
    const order = nulls !== 0 ? nulls : x[i] === null ? 0 : element(x[i], y[i]);
    if (order !== 0) return order;
  }
  return x.length - y.length || depth(a) - depth(b);
}

const depth = (value: unknown): number => (Array.isArray(value) ? 1 + depth(value[0]) : 0);
