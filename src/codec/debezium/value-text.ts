// Values of Debezium's types as PostgreSQL's text, whatever they were encoded in. Numbers come with all their digits, bytes as bytes.
import { CalendarDate, Interval, Timestamp, type TimestampKind } from '../../data/index.ts';
import { quoteBackslash } from '../pg-types/literal.ts';
import type { LossCode } from './losses.ts';

/** Stands for a value that is refused, where a text is expected. */
export class Refusal {
  readonly code: LossCode;

  constructor(code: LossCode) {
    this.code = code;
  }
}

type Text = string | Refusal;

const refusals = new Map<LossCode, Refusal>();

export function refuse(code: LossCode): Refusal {
  let refusal = refusals.get(code);
  if (!refusal) refusals.set(code, (refusal = new Refusal(code)));
  return refusal;
}

/** Days that Debezium makes of PostgreSQL's infinite dates: outside of every date that PostgreSQL can store. */
const DATE_INFINITY = 2_146_033_979;
const DATE_NEGATIVE_INFINITY = -2_147_472_691;
const INT64_MAX = 9_223_372_036_854_775_807n;
const INT64_MIN = -9_223_372_036_854_775_808n;

export function dateText(days: number): Text {
  if (days === DATE_INFINITY) return 'infinity';
  if (days === DATE_NEGATIVE_INFINITY) return '-infinity';
  const date = new CalendarDate(days);
  return date.inRange ? date.toString() : refuse('dateRange');
}

export const isInfiniteDay = (days: number): boolean => days === DATE_INFINITY || days === DATE_NEGATIVE_INFINITY;

export type Unit = 'ms' | 'us' | 'ns';

const toMicros = (value: bigint, unit: Unit): bigint => (unit === 'us' ? value : unit === 'ms' ? value * 1000n : value / 1000n - (value % 1000n < 0n ? 1n : 0n));

/** A count since 1970 without zone. The ends of int64 are PostgreSQL's infinities, in every unit. */
export function timestampText(value: bigint, unit: Unit, kind: TimestampKind = 'timestamp'): Text {
  if (value === INT64_MAX) return 'infinity';
  if (value === INT64_MIN) return '-infinity';
  const timestamp = new Timestamp(kind, toMicros(value, unit));
  return timestamp.inRange ? timestamp.toString() : refuse('timestampRange');
}

/** A time of day, up to 24:00. */
export function timeText(value: bigint, unit: Unit): Text {
  const us = toMicros(value, unit);
  if (us < 0n || us > 86_400_000_000n) return refuse('malformed');
  const seconds = us / 1_000_000n;
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${fraction(String(us % 1_000_000n).padStart(6, '0'))}`;
}

const two = (n: bigint): string => String(n).padStart(2, '0');

/** Digits behind a point, without trailing zeros; PostgreSQL has microseconds. */
const fraction = (digits: string): string => {
  const kept = digits.slice(0, 6).replace(/0+$/, '');
  return kept === '' ? '' : `.${kept}`;
};

/** From these years on isostring means infinity: tables hold no such dates and timestamps. */
const INFINITE_DATE_YEAR = 5_877_610;
const INFINITE_TIMESTAMP_YEAR = 292_275_055;

const isoMoment = /^([+-]?)(\d{4,})-(\d\d)-(\d\d)(?:T(\d\d:\d\d)(?::(\d\d))?(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?$/;

/** ISO 8601 with astronomical years, as Java prints it → a date, timestamp or timestamptz. An offset other than Z stays for PostgreSQL to read. */
export function isoText(iso: string, type: 'date' | TimestampKind): Text {
  if (iso === 'infinity' || iso === '-infinity') return iso;
  const match = isoMoment.exec(iso);
  if (!match) return refuse('malformed');
  const [, sign = '', digits = '', month = '', day = '', clock, seconds = '00', fractional = '', zone] = match;
  const year = sign === '-' ? -Number(digits) : Number(digits);
  if (isInfiniteYear(year, type)) return year < 0 ? '-infinity' : 'infinity';
  const date = `${String(year > 0 ? year : 1 - year).padStart(4, '0')}-${month}-${day}`;
  const era = year > 0 ? '' : ' BC';
  if (type === 'date') return date + era;
  const offset = type === 'timestamp' ? '' : zone === undefined || zone === 'Z' ? '+00' : zone;
  return `${date} ${clock ?? '00:00'}:${seconds}${fraction(fractional)}${offset}${era}`;
}

const isInfiniteYear = (year: number, type: 'date' | TimestampKind): boolean =>
  Math.abs(year) >= (type === 'date' ? INFINITE_DATE_YEAR : INFINITE_TIMESTAMP_YEAR);

/** Infinite in `isoText`'s eyes, though not by name. */
export const isInfiniteIso = (iso: string, type: 'date' | TimestampKind): boolean => isInfiniteYear(Number.parseInt(iso, 10), type);

/** `08:00:59.999999Z` → time, or timetz with its offset. */
export function isoTimeText(iso: string, withZone: boolean): Text {
  const match = /^(\d\d:\d\d)(?::(\d\d))?(?:\.(\d+))?(Z|[+-]\d\d(?::\d\d)?)?$/.exec(iso);
  if (!match) return refuse('malformed');
  const [, clock, seconds = '00', fractional = '', zone = 'Z'] = match;
  return `${clock}:${seconds}${fraction(fractional)}${withZone ? (zone === 'Z' ? '+00' : zone) : ''}`;
}

export function intervalText(iso: string): Text {
  try {
    return Interval.parse(iso).toString();
  } catch {
    return refuse('malformed');
  }
}

/** Two's complement, big-endian. */
export function bigIntOf(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n;
  if (bytes.length <= 6) return BigInt(bytes.readIntBE(0, bytes.length));
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}

/** Scales from here on are negative ones, of which Debezium reads 11 bits without their sign. */
const SCALE_LIMIT = 1000;

/** `unscaled` × 10^−`scale`; a negative scale pads with zeros. */
export function decimalText(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  let digits = String(negative ? -unscaled : unscaled);
  if (scale > 0) {
    digits = digits.padStart(scale + 1, '0');
    digits = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  } else if (scale < 0 && unscaled !== 0n) digits += '0'.repeat(-scale);
  return negative ? `-${digits}` : digits;
}

/** Whether a declared scale is a negative one; its numbers have nothing behind the point. */
export const isNegativeScale = (scale: number): boolean => scale > SCALE_LIMIT && scale < 2048;

/** Without the zeros behind the point, of which a negative scale brings 2046. */
export const wholeText = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

/** Names of decimal.handling.mode=string that PostgreSQL does not read. */
const decimalNames: Readonly<Record<string, string>> = { NAN: 'NaN', POSITIVE_INFINITY: 'Infinity', NEGATIVE_INFINITY: '-Infinity' };

export const decimalName = (text: string): string | undefined => decimalNames[text];

/** Little-endian bytes without the zeros at their end → `length` bits, the first in front. */
export function bitsText(bytes: Buffer, length: number): Text {
  let text = '';
  for (let bit = length - 1; bit >= 0; bit--) text += (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1 ? '1' : '0';
  return text.length === length ? text : refuse('malformed');
}

export const arrayText = (elements: readonly (string | null)[], delimiter = ','): string =>
  `{${elements.map((element) => (element === null ? 'NULL' : quoteBackslash(element, `{}${delimiter}`))).join(delimiter)}}`;

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** As hstore prints itself: keys by length, then by bytes. */
export function hstoreText(pairs: readonly (readonly [string, string | null])[]): string {
  const sorted = pairs.map(([key, value]) => ({ bytes: Buffer.from(key), text: `${quoted(key)}=>${value === null ? 'NULL' : quoted(value)}` }));
  sorted.sort((a, b) => a.bytes.length - b.bytes.length || Buffer.compare(a.bytes, b.bytes));
  return sorted.map(({ text }) => text).join(', ');
}
