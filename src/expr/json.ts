// jsonb: reading, writing in PostgreSQL's order and spelling, and equality. Numbers that a double cannot hold are Decimals.
import { Decimal, type Json, JsonNull } from '../data/index.ts';
import { badInput } from './errors.ts';

/** JSON as it lies inside another: null, not JsonNull. */
type Inner = Exclude<Json, JsonNull> | null;

const inner = (value: Json): Inner => (value === JsonNull ? null : value) as Inner;
/** What an operator answers for a part: JSON's null is a value, not SQL's NULL. */
export const outer = (value: Inner): Json => (value === null ? JsonNull : value);

export const jsonText = (value: Json): string => write(inner(value));

function write(value: Inner): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object') return String(value);
  if (value instanceof Decimal) return value.toString();
  if (Array.isArray(value)) return `[${value.map((one) => write(one as Inner)).join(', ')}]`;
  const object = value as { readonly [key: string]: Inner };
  return `{${Object.keys(object).sort(byLengthThenBytes).map((key) => `${JSON.stringify(key)}: ${write(object[key] as Inner)}`).join(', ')}}`;
}

/** jsonb numbers are numerics: never with an exponent, and without a negative zero. */
const numberText = (value: number): string => (Number.isSafeInteger(value) ? String(value === 0 ? 0 : value) : Decimal.from(value).toString());

function byLengthThenBytes(a: string, b: string): number {
  return Buffer.byteLength(a) - Buffer.byteLength(b) || Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Reads JSON text; throws 22P02. */
export function parseJson(text: string): Json {
  try {
    return outer(JSON.parse(text, exactNumbers as (key: string, value: unknown) => unknown) as Inner);
  } catch {
    return badInput('json', text);
  }
}

function exactNumbers(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined || /^-?\d{1,15}$/.test(context.source)) return value;
  const exact = Decimal.parse(context.source);
  return Number.isFinite(value) && Decimal.from(value).equals(exact) ? value : exact;
}

export type JsonKind = 'null' | 'string' | 'number' | 'boolean' | 'array' | 'object';

export function kindOf(value: Json | null): JsonKind {
  if (value === null || value === JsonNull) return 'null';
  if (value instanceof Decimal) return 'number';
  if (Array.isArray(value)) return 'array';
  return typeof value as JsonKind;
}

export const objectOf = (value: Json | null): Readonly<Record<string, Json | null>> => value as Readonly<Record<string, Json | null>>;
export const arrayOfJson = (value: Json | null): readonly (Json | null)[] => value as readonly (Json | null)[];

export function jsonEquals(a: Json | null, b: Json | null): boolean {
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return false;
  switch (kind) {
    case 'null':
      return true;
    case 'number':
      return Decimal.from(a as number).equals(Decimal.from(b as number));
    case 'array': {
      const [x, y] = [arrayOfJson(a), arrayOfJson(b)];
      return x.length === y.length && x.every((one, i) => jsonEquals(one, y[i] as Json));
    }
    case 'object': {
      const [x, y] = [objectOf(a), objectOf(b)];
      const keys = Object.keys(x);
      return keys.length === Object.keys(y).length && keys.every((key) => Object.hasOwn(y, key) && jsonEquals(x[key] as Json, y[key] as Json));
    }
    default:
      return a === b;
  }
}

/** `a @> b`: b's structure lies in a. A top-level array contains a bare scalar. */
export function jsonContains(a: Json | null, b: Json | null, top = true): boolean {
  const [ka, kb] = [kindOf(a), kindOf(b)];
  if (ka === 'object' && kb === 'object') {
    const [x, y] = [objectOf(a), objectOf(b)];
    return Object.keys(y).every((key) => Object.hasOwn(x, key) && jsonContains(x[key] as Json, y[key] as Json, false));
  }
  if (ka === 'array' && kb === 'array') return arrayOfJson(b).every((one) => arrayOfJson(a).some((other) => jsonContains(other, one, false)));
  if (ka === 'array' && top && kb !== 'object') return arrayOfJson(a).some((other) => jsonEquals(other, b));
  return ka !== 'object' && ka !== 'array' && jsonEquals(a, b);
}

/** The part as text, as `->>` gives it: a string without quotes; JSON null is SQL NULL. */
export function partText(value: Json | null): string | null {
  if (value === null || value === JsonNull) return null;
  return typeof value === 'string' ? value : jsonText(value);
}
