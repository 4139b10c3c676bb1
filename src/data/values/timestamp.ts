// Timestamp: PostgreSQL's timestamp and timestamptz, with their microseconds and their whole range.
import { civilFromDays, dateText, DAY_US, timeText } from './calendar.ts';
import { infinityOf } from './infinity.ts';
import { invalid } from './invalid.ts';
import { scanMoment } from './scan.ts';

export type TimestampKind = 'timestamp' | 'timestamptz';

/** Later than every time, so that infinity compares as PostgreSQL compares it. */
const BEYOND = 1n << 64n;
/** PostgreSQL's range: 4714-11-24 00:00:00 BC up to, but without, 294277-01-01 00:00:00. */
const US_MIN = -210_866_803_200_000_000n;
const US_END = 9_224_318_016_000_000_000n;

/**
 * A moment (timestamptz) or a date with time of day (timestamp), in microseconds. Immutable. `epochUs` counts from 1970-01-01 00:00:00, in
 * UTC or without a zone. A JavaScript Date holds milliseconds only: `toDate()` rounds down.
 */
export class Timestamp {
  readonly kind: TimestampKind;
  readonly epochUs: bigint;

  constructor(kind: TimestampKind, epochUs: bigint) {
    this.kind = kind;
    this.epochUs = epochUs;
  }

  static infinity(kind: TimestampKind): Timestamp {
    return new Timestamp(kind, BEYOND);
  }

  static negativeInfinity(kind: TimestampKind): Timestamp {
    return new Timestamp(kind, -BEYOND);
  }

  /**
   * Reads PostgreSQL's ISO style and ISO 8601. A timestamptz without an offset is taken as UTC; the offset of a timestamp is ignored, as
   * PostgreSQL does. Throws VALUE_INVALID.
   */
  static parse(text: string, kind: TimestampKind): Timestamp {
    const moment = scanMoment(text);
    if (!moment) {
      const infinite = infinityOf(text);
      if (infinite === 0) throw invalid(kind, text);
      return infinite > 0 ? Timestamp.infinity(kind) : Timestamp.negativeInfinity(kind);
    }
    const offset = kind === 'timestamptz' && moment.offset !== undefined ? moment.offset : 0;
    // Within 274 years of 1970 a double is exact.
    if (Math.abs(moment.days) < 100_000) return new Timestamp(kind, BigInt(moment.days * DAY_US + moment.us - offset * 1_000_000));
    const us = BigInt(moment.days) * 86_400_000_000n + BigInt(moment.us - offset * 1_000_000);
    if (us < US_MIN || us >= US_END) throw invalid(kind, text, 'it is outside the range of PostgreSQL');
    return new Timestamp(kind, us);
  }

  static fromDate(date: Date, kind: TimestampKind = 'timestamptz'): Timestamp {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw invalid(kind, 'Invalid Date');
    return new Timestamp(kind, BigInt(ms) * 1000n);
  }

  get isFinite(): boolean {
    return this.epochUs !== BEYOND && this.epochUs !== -BEYOND;
  }

  /** Whether PostgreSQL can store it. */
  get inRange(): boolean {
    return !this.isFinite || (this.epochUs >= US_MIN && this.epochUs < US_END);
  }

  /** PostgreSQL's text with DateStyle ISO and TimeZone UTC: `2024-03-01 10:00:00.5+00`, `0044-03-15 00:00:00 BC`, `-infinity`. */
  toString(): string {
    if (!this.isFinite) return this.epochUs > 0n ? 'infinity' : '-infinity';
    const us = this.epochUs;
    // Two numbers instead of one: microseconds exceed a double's exact range in both directions.
    let days = Number(us / 86_400_000_000n);
    let rest = Number(us % 86_400_000_000n);
    if (rest < 0) {
      days -= 1;
      rest += DAY_US;
    }
    const civil = civilFromDays(days);
    const text = `${dateText(civil)} ${timeText(rest)}`;
    return text + (this.kind === 'timestamptz' ? '+00' : '') + (civil.year < 1 ? ' BC' : '');
  }

  toJSON(): string {
    return this.toString();
  }

  /** Milliseconds, rounded down; Invalid Date for ±infinity and for what Date cannot hold (years beyond 275760). */
  toDate(): Date {
    if (!this.isFinite) return new Date(NaN);
    const ms = this.epochUs / 1000n - (this.epochUs % 1000n < 0n ? 1n : 0n);
    return new Date(Number(ms));
  }

  compare(other: Timestamp): -1 | 0 | 1 {
    return this.epochUs === other.epochUs ? 0 : this.epochUs < other.epochUs ? -1 : 1;
  }

  equals(other: Timestamp): boolean {
    return this.epochUs === other.epochUs;
  }

  /** Microseconds, for `<` and `>`. */
  valueOf(): bigint {
    return this.epochUs;
  }
}
