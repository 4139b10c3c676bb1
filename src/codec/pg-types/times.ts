// date, time, timetz, timestamp, timestamptz, interval. PostgreSQL counts from 2000-01-01.
import { type ByteWriter } from '../../base/index.ts';
import { CalendarDate, Interval, TimeOfDay, Timestamp, type TimestampKind } from '../../data/index.ts';
import { fixed, type ValueForm, textual } from './value-form.ts';

/** Days and microseconds from 1970-01-01 to 2000-01-01. */
const EPOCH_DAYS = 10_957;
const EPOCH_US = 946_684_800_000_000;
const EPOCH_US_BIG = 946_684_800_000_000n;
const INT64_MAX = 9_223_372_036_854_775_807n;
const INT32_MAX = 2_147_483_647;
const DAY_US = 86_400_000_000;

const inRange = <T extends { readonly inRange: boolean }>(value: T): T => {
  if (!value.inRange) throw new RangeError('out of the range of PostgreSQL');
  return value;
};

export function timestamp(kind: TimestampKind): ValueForm {
  const read = (bytes: Buffer, start: number, end: number): Timestamp => {
    fixed(start, end, 8);
    const high = bytes.readInt32BE(start);
    // Within 285 years of 2000 a double is exact, and cheaper than 64-bit bigints.
    if (high > -2_097_152 && high < 2_097_152 - 220_419) {
      return new Timestamp(kind, BigInt(high * 4_294_967_296 + bytes.readUInt32BE(start + 4) + EPOCH_US));
    }
    const us = bytes.readBigInt64BE(start);
    if (us === INT64_MAX) return Timestamp.infinity(kind);
    if (us === -INT64_MAX - 1n) return Timestamp.negativeInfinity(kind);
    return inRange(new Timestamp(kind, us + EPOCH_US_BIG));
  };
  const put = (value: Timestamp, out: ByteWriter): void => {
    if (value.isFinite) out.i64(inRange(value).epochUs - EPOCH_US_BIG);
    else out.i64(value.epochUs > 0n ? INT64_MAX : -INT64_MAX - 1n);
  };
  return {
    jsType: 'Timestamp',
    read,
    parse: (text) => Timestamp.parse(text, kind),
    write: (value, out) => {
      if (value instanceof Timestamp) {
        if (value.kind !== kind) throw new RangeError(`it is a ${value.kind}: say which zone it is in with new Timestamp('${kind}', epochUs)`);
        put(value, out);
      } else if (value instanceof Date) {
        put(Timestamp.fromDate(value, kind), out);
      } else {
        throw new RangeError('a Timestamp or Date is wanted');
      }
    },
    writeText: (text, out) => put(Timestamp.parse(text, kind), out),
    text: (bytes, start, end) => read(bytes, start, end).toString(),
  };
}

const readDate = (bytes: Buffer, start: number, end: number): CalendarDate => {
  fixed(start, end, 4);
  const days = bytes.readInt32BE(start);
  if (days === INT32_MAX) return new CalendarDate(Infinity);
  return days === -INT32_MAX - 1 ? new CalendarDate(-Infinity) : inRange(new CalendarDate(days + EPOCH_DAYS));
};

const writeDate = (value: CalendarDate, out: ByteWriter): void => {
  if (value.isFinite) out.i32(inRange(value).days - EPOCH_DAYS);
  else out.i32(inRange(value).days > 0 ? INT32_MAX : -INT32_MAX - 1);
};

export const date: ValueForm = {
  jsType: 'CalendarDate',
  read: readDate,
  parse: (text) => CalendarDate.parse(text),
  write: (value, out) => {
    if (value instanceof CalendarDate) writeDate(value, out);
    else if (value instanceof Date) writeDate(CalendarDate.fromDate(value), out);
    else throw new RangeError('a CalendarDate or Date is wanted');
  },
  writeText: (text, out) => writeDate(CalendarDate.parse(text), out),
  text: (bytes, start, end) => readDate(bytes, start, end).toString(),
};

const readTime = (bytes: Buffer, start: number, end: number): TimeOfDay => {
  fixed(start, end, 8);
  return new TimeOfDay(timeUs(Number(bytes.readBigInt64BE(start))));
};

function timeUs(us: number): number {
  if (!Number.isInteger(us) || us < 0 || us > DAY_US) throw new RangeError('not within a day');
  return us;
}

export const time: ValueForm = {
  jsType: 'TimeOfDay',
  read: readTime,
  parse: (text) => TimeOfDay.parse(text),
  write: (value, out) => {
    if (!(value instanceof TimeOfDay)) throw new RangeError('a TimeOfDay is wanted');
    out.i64(BigInt(timeUs(value.us)));
  },
  writeText: (text, out) => void out.i64(BigInt(TimeOfDay.parse(text).us)),
  text: (bytes, start, end) => readTime(bytes, start, end).toString(),
};

/** timetz as text: `10:00:00+02`. The binary form has seconds west of UTC. */
export const timetz: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 12);
    const east = -bytes.readInt32BE(start + 8);
    if (Math.abs(east) >= 16 * 3600) throw new RangeError('no such offset');
    const size = Math.abs(east);
    let zone = String(Math.floor(size / 3600)).padStart(2, '0');
    if (size % 3600 !== 0) zone += `:${String(Math.floor(size / 60) % 60).padStart(2, '0')}`;
    if (size % 60 !== 0) zone += `:${String(size % 60).padStart(2, '0')}`;
    return `${readTime(bytes, start, start + 8).toString()}${east < 0 ? '-' : '+'}${zone}`;
  },
  (text, out) => {
    const zoned = /([+-][\d:]+|z)$/i.exec(text.trim())?.[1] ?? '+00';
    const offset = offsetSeconds(zoned);
    out.i64(BigInt(TimeOfDay.parse(text).us)).i32(offset === 0 ? 0 : -offset);
  },
);

function offsetSeconds(zone: string): number {
  if (zone.toLowerCase() === 'z') return 0;
  const us = Timestamp.parse(`2000-01-01 00:00:00${zone}`, 'timestamptz').epochUs - EPOCH_US_BIG;
  return Number(-us / 1_000_000n);
}

const readInterval = (bytes: Buffer, start: number, end: number): Interval => {
  fixed(start, end, 16);
  return new Interval(bytes.readInt32BE(start + 12), bytes.readInt32BE(start + 8), bytes.readBigInt64BE(start));
};

const writeInterval = (value: Interval, out: ByteWriter): void => {
  const { days, months, us } = inRange(value);
  out.i64(us).i32(days).i32(months);
};

export const interval: ValueForm = {
  jsType: 'Interval',
  read: readInterval,
  parse: (text) => Interval.parse(text),
  write: (value, out) => {
    if (!(value instanceof Interval)) throw new RangeError('an Interval is wanted');
    writeInterval(value, out);
  },
  writeText: (text, out) => writeInterval(Interval.parse(text), out),
  text: (bytes, start, end) => readInterval(bytes, start, end).toString(),
};
