// CalendarDate: PostgreSQL's date. TimeOfDay: its time.
import { type Civil, civilFromDays, dateText, daysFromCivil, timeText } from './calendar.ts';
import { infinityOf } from './infinity.ts';
import { invalid } from './invalid.ts';
import { scanMoment, scanTime } from './scan.ts';

/** PostgreSQL's range: 4714-11-24 BC to 5874898-06-02 (its manual says 5874897). */
const DAYS_MIN = -2_440_588;
const DAYS_MAX = 2_145_042_905;

/** A day without time or zone. Immutable. `days` counts from 1970-01-01 and is ±Infinity for PostgreSQL's infinity. */
export class CalendarDate {
  readonly days: number;

  constructor(days: number) {
    this.days = days;
  }

  /** A year before 1 is astronomical: 0 is 1 BC. */
  static of(year: number, month: number, day: number): CalendarDate {
    return new CalendarDate(daysFromCivil(year, month, day));
  }

  /** Reads `2024-03-01`, `0044-03-15 BC`, `infinity`; a time of day behind the date is ignored, as PostgreSQL does. Throws VALUE_INVALID. */
  static parse(text: string): CalendarDate {
    const moment = scanMoment(text);
    if (!moment) {
      const infinite = infinityOf(text);
      if (infinite === 0) throw invalid('date', text);
      return new CalendarDate(infinite * Infinity);
    }
    const date = new CalendarDate(moment.days);
    if (!date.inRange) throw invalid('date', text, 'it is outside the range of PostgreSQL');
    return date;
  }

  /** The UTC day of a Date. */
  static fromDate(date: Date): CalendarDate {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw invalid('date', 'Invalid Date');
    return new CalendarDate(Math.floor(ms / 86_400_000));
  }

  get isFinite(): boolean {
    return Number.isFinite(this.days);
  }

  /** Whether PostgreSQL can store it. */
  get inRange(): boolean {
    return Number.isInteger(this.days) ? this.days >= DAYS_MIN && this.days <= DAYS_MAX : this.days === Infinity || this.days === -Infinity;
  }

  /** Year (astronomical), month and day; undefined for ±infinity. */
  get civil(): Civil | undefined {
    return this.isFinite ? civilFromDays(this.days) : undefined;
  }

  toString(): string {
    const { civil } = this;
    if (!civil) return this.days > 0 ? 'infinity' : '-infinity';
    return dateText(civil) + (civil.year < 1 ? ' BC' : '');
  }

  toJSON(): string {
    return this.toString();
  }

  /** Midnight UTC; Invalid Date where Date cannot hold it. */
  toDate(): Date {
    return new Date(this.days * 86_400_000);
  }

  compare(other: CalendarDate): -1 | 0 | 1 {
    return this.days === other.days ? 0 : this.days < other.days ? -1 : 1;
  }

  equals(other: CalendarDate): boolean {
    return this.days === other.days;
  }

  /** Days, for `<` and `>`. */
  valueOf(): number {
    return this.days;
  }
}

/** A time of day without zone: microseconds since midnight, 0 to 86,400,000,000 (24:00:00). Immutable. */
export class TimeOfDay {
  readonly us: number;

  constructor(us: number) {
    this.us = us;
  }

  /** Reads `10:00:00.5`. An offset behind it is ignored, as PostgreSQL does. Throws VALUE_INVALID. */
  static parse(text: string): TimeOfDay {
    const moment = scanTime(text);
    if (!moment) throw invalid('time', text);
    return new TimeOfDay(moment.us);
  }

  toString(): string {
    return timeText(this.us);
  }

  toJSON(): string {
    return this.toString();
  }

  compare(other: TimeOfDay): -1 | 0 | 1 {
    return this.us === other.us ? 0 : this.us < other.us ? -1 : 1;
  }

  equals(other: TimeOfDay): boolean {
    return this.us === other.us;
  }

  /** Microseconds, for `<` and `>`. */
  valueOf(): number {
    return this.us;
  }
}
