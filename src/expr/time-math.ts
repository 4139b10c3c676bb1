// Arithmetic of dates, times and intervals.
import { CalendarDate, Interval, TimeOfDay, Timestamp, type TimestampKind } from '../data/index.ts';
import { daysFromYmd, monthLength, ymdFromDays } from './ymd.ts';
import { evaluationFailed } from './errors.ts';

const DAY_US = 86_400_000_000n;
const timestampOutOfRange = (): never => evaluationFailed('22008', 'timestamp out of range');
const dateOutOfRange = (): never => evaluationFailed('22008', 'date out of range');
const intervalOutOfRange = (): never => evaluationFailed('22008', 'interval out of range');

export const floorDiv = (a: bigint, b: bigint): bigint => (a % b !== 0n && a < 0n !== b < 0n ? a / b - 1n : a / b);

const infiniteLike = (kind: TimestampKind, positive: boolean): Timestamp => (positive ? Timestamp.infinity(kind) : Timestamp.negativeInfinity(kind));

/** The days since 1970-01-01 and the microseconds within the day. */
export function split(value: Timestamp): { days: number; us: number } {
  const days = floorDiv(value.epochUs, DAY_US);
  return { days: Number(days), us: Number(value.epochUs - days * DAY_US) };
}

export function timestampOf(kind: TimestampKind, days: number, us: number | bigint): Timestamp {
  const value = new Timestamp(kind, BigInt(days) * DAY_US + BigInt(us));
  return value.inRange ? value : timestampOutOfRange();
}

export function dateToTimestamp(value: CalendarDate, kind: TimestampKind): Timestamp {
  if (!value.isFinite) return infiniteLike(kind, value.days > 0);
  const result = new Timestamp(kind, BigInt(value.days) * DAY_US);
  return result.inRange ? result : evaluationFailed('22008', 'date out of range for timestamp');
}

export function timestampToDate(value: Timestamp): CalendarDate {
  return new CalendarDate(value.isFinite ? split(value).days : value.epochUs > 0n ? Infinity : -Infinity);
}

/** NULL for ±infinity. */
export function timestampToTime(value: Timestamp): TimeOfDay | null {
  return value.isFinite ? new TimeOfDay(split(value).us) : null;
}

const checkedDate = (days: number): CalendarDate => {
  const date = new CalendarDate(days);
  return date.inRange ? date : dateOutOfRange();
};

export const dateShift = (value: CalendarDate, days: number): CalendarDate => (value.isFinite ? checkedDate(value.days + days) : value);

export function dateDifference(a: CalendarDate, b: CalendarDate): number {
  if (!a.isFinite || !b.isFinite) return evaluationFailed('22008', 'cannot subtract infinite dates');
  return a.days - b.days;
}

export function timestampShift(value: Timestamp, by: Interval): Timestamp {
  if (!by.isFinite) {
    const positive = by.us > 0n;
    if (!value.isFinite && value.epochUs > 0n !== positive) return timestampOutOfRange();
    return infiniteLike(value.kind, positive);
  }
  if (!value.isFinite) return value;
  let { days, us } = split(value);
  if (by.months !== 0) {
    const { year, month, day } = ymdFromDays(days);
    const months = year * 12 + (month - 1) + by.months;
    const [y, m] = [Math.floor(months / 12), (((months % 12) + 12) % 12) + 1];
    days = daysFromYmd(y, m, Math.min(day, monthLength(y, m)));
    if (!timestampFits(value.kind, days)) return timestampOutOfRange();
  }
  if (by.days !== 0) {
    days += by.days;
    if (!timestampFits(value.kind, days)) return timestampOutOfRange();
  }
  return timestampOf(value.kind, days, BigInt(us) + by.us);
}

const timestampFits = (kind: TimestampKind, days: number): boolean => new Timestamp(kind, BigInt(days) * DAY_US).inRange;

export function timestampDifference(a: Timestamp, b: Timestamp): Interval {
  if (!a.isFinite || !b.isFinite) {
    const sign = (a.isFinite ? 0 : a.epochUs > 0n ? 1 : -1) - (b.isFinite ? 0 : b.epochUs > 0n ? 1 : -1);
    if (!a.isFinite && !b.isFinite && sign === 0) return intervalOutOfRange();
    return sign > 0 ? Interval.infinity : Interval.negativeInfinity;
  }
  const us = a.epochUs - b.epochUs;
  if (BigInt.asIntN(64, us) !== us) return intervalOutOfRange();
  return new Interval(0, Number(us / DAY_US), us % DAY_US);
}

export function intervalPlus(a: Interval, b: Interval): Interval {
  if (!a.isFinite || !b.isFinite) {
    if (!a.isFinite && !b.isFinite && !a.equals(b)) return intervalOutOfRange();
    return a.isFinite ? b : a;
  }
  return finiteInterval(a.months + b.months, a.days + b.days, a.us + b.us);
}

export function intervalNegate(a: Interval): Interval {
  if (!a.isFinite) return a.us > 0n ? Interval.negativeInfinity : Interval.infinity;
  return finiteInterval(0 - a.months, 0 - a.days, -a.us);
}

function finiteInterval(months: number, days: number, us: bigint): Interval {
  const result = new Interval(months, days, us);
  return result.inRange && result.isFinite ? result : intervalOutOfRange();
}

export function timeShift(value: TimeOfDay, by: Interval): TimeOfDay {
  if (!by.isFinite) return evaluationFailed('22008', 'cannot add infinite interval to time');
  const us = BigInt(value.us) + by.us;
  return new TimeOfDay(Number(us - floorDiv(us, DAY_US) * DAY_US));
}

export const timeDifference = (a: TimeOfDay, b: TimeOfDay): Interval => new Interval(0, 0, BigInt(a.us - b.us));
