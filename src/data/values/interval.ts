// Interval: PostgreSQL's interval. Months, days and microseconds stay apart, since none of them is a fixed number of the others.
import { fractionText } from './calendar.ts';
import { infinityOf } from './infinity.ts';
import { invalid } from './invalid.ts';
import { scanInterval } from './scan-interval.ts';

const INT32_MAX = 2_147_483_647;
const INT64_MAX = 9_223_372_036_854_775_807n;

/** Immutable. PostgreSQL 17 and newer know ±infinity: all three parts at the end of their range, as PostgreSQL stores it. */
export class Interval {
  /** 32-bit. */
  readonly months: number;
  /** 32-bit. */
  readonly days: number;
  /** 64-bit. */
  readonly us: bigint;

  static readonly infinity: Interval = new Interval(INT32_MAX, INT32_MAX, INT64_MAX);
  static readonly negativeInfinity: Interval = new Interval(-INT32_MAX - 1, -INT32_MAX - 1, -INT64_MAX - 1n);

  constructor(months: number, days: number, us: bigint) {
    this.months = months;
    this.days = days;
    this.us = us;
  }

  /** Reads PostgreSQL's styles `postgres`, `postgres_verbose` and `iso_8601`. Throws VALUE_INVALID. */
  static parse(text: string): Interval {
    const infinite = infinityOf(text);
    if (infinite !== 0) return infinite > 0 ? Interval.infinity : Interval.negativeInfinity;
    const parts = scanInterval(text);
    if (!parts) throw invalid('interval', text);
    const interval = new Interval(parts.months, parts.days, parts.us);
    if (!interval.inRange) throw invalid('interval', text, 'it is outside the range of PostgreSQL');
    return interval;
  }

  get isFinite(): boolean {
    return !this.equals(Interval.infinity) && !this.equals(Interval.negativeInfinity);
  }

  /** Whether PostgreSQL can store it. */
  get inRange(): boolean {
    return (this.months | 0) === this.months && (this.days | 0) === this.days && BigInt.asIntN(64, this.us) === this.us;
  }

  /** PostgreSQL's text with IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.7`. */
  toString(): string {
    if (!this.isFinite) return this.us > 0n ? 'infinity' : '-infinity';
    const years = Math.trunc(this.months / 12);
    let text = '';
    let negative = false;
    for (const [amount, unit] of [[years, 'year'], [this.months - years * 12, 'mon'], [this.days, 'day']] as const) {
      if (amount === 0) continue;
      text += `${text === '' ? '' : ' '}${negative && amount > 0 ? '+' : ''}${amount} ${unit}${amount === 1 ? '' : 's'}`;
      negative = amount < 0;
    }
    if (text !== '' && this.us === 0n) return text;
    const us = this.us < 0n ? -this.us : this.us;
    const seconds = us / 1_000_000n;
    const fraction = Number(us % 1_000_000n);
    const two = (n: bigint): string => String(n).padStart(2, '0');
    const clock = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${fraction === 0 ? '' : fractionText(fraction)}`;
    return `${text}${text === '' ? '' : ' '}${this.us < 0n ? '-' : negative ? '+' : ''}${clock}`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** By length as PostgreSQL orders intervals: a month counts 30 days, a day 24 hours. Different intervals may be equal in length. */
  compare(other: Interval): -1 | 0 | 1 {
    const a = this.#length();
    const b = other.#length();
    return a === b ? 0 : a < b ? -1 : 1;
  }

  /** Same months, days and microseconds. */
  equals(other: Interval): boolean {
    return this.months === other.months && this.days === other.days && this.us === other.us;
  }

  #length(): bigint {
    return this.us + (BigInt(this.days) + BigInt(this.months) * 30n) * 86_400_000_000n;
  }
}
