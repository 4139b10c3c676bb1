// JSON ↔ JavaScript without losing numbers.
import { Decimal, JsonNull, type Json } from '../../data/index.ts';

// ES2025+: JSON.parse with source text access. The compiler's library does not know it yet.
type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: Reviver) => unknown;
const rawJson = (text: string): object => (JSON as unknown as { rawJSON(text: string): object }).rawJSON(text);

/**
 * Parses JSON text. A number whose value a double would change becomes a Decimal (12345678901234567890, 0.1234567890123456789, 1e400);
 * all others stay numbers. null as the whole value is JsonNull. Throws SyntaxError.
 */
export function parseJson(text: string): Json {
  const value = mayExceedDouble(text) ? parseWithSource(text, exact) : (JSON.parse(text) as unknown);
  return value === null ? JsonNull : (value as Json);
}

const exact: Reviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || source === undefined || (source.length < 16 && !/e/i.test(source))) return value;
  // Throws for what not even numeric holds: json, unlike jsonb, may say 1e999999.
  const whole = Decimal.parse(source);
  return Number.isFinite(value) && Decimal.from(value).equals(whole) ? value : whole;
};

/** Whether the text has sixteen digits in a row around a point, or a digit with an exponent; inside strings counts too, it costs only time. */
function mayExceedDouble(text: string): boolean {
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) {
      if (++digits > 15) return true;
    } else if (code === 101 || code === 69) {
      if (digits > 0) return true;
    } else if (code !== 46) {
      digits = 0;
    }
  }
  return false;
}

/** Whether JSON.stringify writes it as it should, without a look at each value. */
function isPlain(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object': {
      if (value === null) return true;
      if (Array.isArray(value)) return value.every(isPlain);
      if (Object.getPrototypeOf(value) !== Object.prototype || 'toJSON' in value) return false;
      for (const key in value) {
        if (!isPlain((value as Record<string, unknown>)[key])) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

/** JSON text of a value. bigint and Decimal are written as numbers with all their digits. RangeError for what JSON cannot hold. */
export function jsonText(value: unknown): string {
  if (value === JsonNull) return 'null';
  if (isPlain(value)) return JSON.stringify(value);
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key: string, shown: unknown) {
    // Not `shown`: toJSON has already made a string of a Decimal.
    const item = this[key];
    if (item instanceof Decimal) {
      if (!item.isFinite) throw new RangeError(`JSON has no ${item.toString()}`);
      return rawJson(item.toString());
    }
    if (typeof item === 'bigint') return rawJson(item.toString());
    if (typeof item === 'number' && !Number.isFinite(item)) throw new RangeError(`JSON has no ${item}`);
    // JSON.stringify would drop the sign.
    if (Object.is(item, -0)) return rawJson('-0');
    if (item === JsonNull) return null;
    if (typeof item === 'symbol' || typeof item === 'function') throw new RangeError(`JSON has no ${typeof item}`);
    return shown;
  }) as string | undefined;
  if (text === undefined) throw new RangeError('not a JSON value');
  return text;
}
