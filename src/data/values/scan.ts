// Reading dates and times from text: PostgreSQL's ISO style, and ISO 8601 with T and Z. One pass, no regular expressions: streams that
// arrive as text decode through here.
import { daysFromCivil, daysInMonth } from './calendar.ts';

export interface Moment {
  /** Days since 1970-01-01. */
  days: number;
  /** Microseconds since midnight; 86,400,000,000 for 24:00:00. */
  us: number;
  /** Whether the text had a time of day. */
  timed: boolean;
  /** Seconds east of UTC, if the text had an offset. */
  offset: number | undefined;
}

const digit = (text: string, at: number): number => {
  const value = text.charCodeAt(at) - 48;
  return value >= 0 && value <= 9 ? value : -1;
};

class Cursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The next number; −1 when there is none or it has more than `digitsMax` digits. */
  number(digitsMax: number): number {
    let value = 0;
    const from = this.at;
    for (let d = digit(this.text, this.at); d >= 0; d = digit(this.text, this.at)) {
      value = value * 10 + d;
      this.at += 1;
    }
    return this.at === from || this.at - from > digitsMax ? -1 : value;
  }

  /** Steps over `sign` if it is next. */
  skip(sign: string): boolean {
    if (this.text[this.at] !== sign) return false;
    this.at += 1;
    return true;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }
}

/** Reads `2024-03-01`, `2024-03-01 10:00:00.5+02:00`, `0044-03-15 12:00:00+00 BC`. Undefined when it is nothing of the kind. */
export function scanMoment(text: string): Moment | undefined {
  const trimmed = text.trim();
  const bc = trimmed.endsWith(' BC') || trimmed.endsWith(' bc');
  const cursor = new Cursor(bc ? trimmed.slice(0, -3).trimEnd() : trimmed);
  const shownYear = cursor.number(7);
  if (cursor.at < 4 || !cursor.skip('-')) return undefined;
  const month = cursor.number(2);
  if (!cursor.skip('-')) return undefined;
  const day = cursor.number(2);
  const year = bc ? 1 - shownYear : shownYear;
  if (shownYear < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  const moment: Moment = { days: daysFromCivil(year, month, day), us: 0, timed: false, offset: undefined };
  if (cursor.done) return moment;
  if (!cursor.skip(' ') && !cursor.skip('T') && !cursor.skip('t')) return undefined;
  return timeInto(cursor, moment) ? moment : undefined;
}

/** Reads `10:00:00.5` and `10:00:00.5+02:00`; `days` is 0. */
export function scanTime(text: string): Moment | undefined {
  const moment: Moment = { days: 0, us: 0, timed: false, offset: undefined };
  return timeInto(new Cursor(text.trim()), moment) ? moment : undefined;
}

function timeInto(cursor: Cursor, moment: Moment): boolean {
  const hour = cursor.number(2);
  if (hour < 0 || hour > 24 || !cursor.skip(':')) return false;
  const minute = cursor.number(2);
  if (minute < 0 || minute > 59) return false;
  let us = (hour * 3600 + minute * 60) * 1_000_000;
  if (cursor.skip(':')) {
    const second = cursor.number(2);
    if (second < 0 || second > 60) return false;
    us += second * 1_000_000;
    if (cursor.skip('.')) us += fraction(cursor);
  }
  if (us > 86_400_000_000) return false;
  moment.us = us;
  moment.timed = true;
  return offsetInto(cursor, moment) && cursor.done;
}

/** Microseconds of the fraction's digits. More than six are rounded as PostgreSQL does it: half to even, in double precision. */
function fraction(cursor: Cursor): number {
  const from = cursor.at;
  let us = 0;
  for (let place = 100_000, d = digit(cursor.text, from); d >= 0; d = digit(cursor.text, cursor.at)) {
    us += d * place;
    place = place > 1 ? place / 10 : 0;
    cursor.at += 1;
  }
  if (cursor.at - from <= 6) return us;
  const exact = Number(`0.${cursor.text.slice(from, cursor.at)}`) * 1_000_000;
  const rounded = Math.round(exact);
  return rounded - exact === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

function offsetInto(cursor: Cursor, moment: Moment): boolean {
  cursor.skip(' ');
  if (cursor.skip('Z') || cursor.skip('z')) {
    moment.offset = 0;
    return true;
  }
  const sign = cursor.skip('+') ? 1 : cursor.skip('-') ? -1 : 0;
  if (sign === 0) return true;
  const from = cursor.at;
  let hours = cursor.number(4);
  let minutes = 0;
  let seconds = 0;
  if (cursor.at - from > 2) {
    minutes = hours % 100;
    hours = Math.floor(hours / 100);
  } else if (cursor.skip(':')) {
    minutes = cursor.number(2);
    if (cursor.skip(':')) seconds = cursor.number(2);
  }
  // PostgreSQL's own limit: offsets stay below 16 hours.
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 59) return false;
  moment.offset = sign * (hours * 3600 + minutes * 60 + seconds);
  return true;
}
