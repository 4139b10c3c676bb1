// Units of time: extract, date_part and date_trunc.
import { CalendarDate, Decimal, Interval, TimeOfDay, Timestamp } from '../data/index.ts';
import { evaluationFailed } from './errors.ts';
import { dateToTimestamp, floorDiv, split, timestampOf } from './time-math.ts';
import { daysFromYmd, isoWeekday, isoYear, ymdFromDays } from './ymd.ts';

/** Unit → its other spellings. */
const spellings: Readonly<Record<string, string>> = {
  microseconds: 'microsecond us usec usecs usecond useconds microsecon', milliseconds: 'millisecond ms msec msecs msecond mseconds millisecon',
  second: 'seconds s sec secs', minute: 'minutes m min mins', hour: 'hours h hr hrs', day: 'days d', week: 'weeks w', month: 'months mon mons',
  quarter: 'qtr', year: 'years y yr yrs', decade: 'decades dec decs', century: 'centuries c cent', millennium: 'millennia mil mils',
  dow: '', isodow: '', doy: '', isoyear: '', epoch: '', timezone: '', timezone_hour: '', timezone_minute: '',
};
const units = new Map<string, string>();
for (const [unit, others] of Object.entries(spellings)) for (const name of [unit, ...others.split(' ')]) units.set(name, unit);
units.delete('');

const timeUnits = ['microseconds', 'milliseconds', 'second', 'minute', 'hour'];
const dateUnits = ['day', 'week', 'month', 'quarter', 'year', 'decade', 'century', 'millennium', 'dow', 'isodow', 'doy', 'isoyear', 'epoch'];
const zoneUnits = ['timezone', 'timezone_hour', 'timezone_minute'];
const truncUnits = new Set([...timeUnits, ...dateUnits.slice(0, 8)]);

function unitOf(text: string, type: string): string {
  return units.get(text.toLowerCase()) ?? evaluationFailed('22023', `unit "${text.toLowerCase()}" not recognized for type ${type}`);
}

const notSupported = (text: string, type: string): never => evaluationFailed('0A000', `unit "${text.toLowerCase()}" not supported for type ${type}`);

const whole = (n: number | bigint): Decimal => new Decimal(BigInt(n));

function timeField(unit: string, us: number): Decimal {
  const inMinute = us % 60_000_000;
  switch (unit) {
    case 'microseconds':
      return whole(inMinute);
    case 'milliseconds':
      return new Decimal(BigInt(inMinute), 3);
    case 'second':
      return new Decimal(BigInt(inMinute), 6);
    case 'minute':
      return whole(Math.trunc(us / 60_000_000) % 60);
    default:
      return whole(Math.trunc(us / 3_600_000_000));
  }
}

const decadeOf = (year: number): number => (year >= 0 ? Math.trunc(year / 10) : -Math.trunc((8 - (year - 1)) / 10));
const centuryOf = (year: number): number => (year > 0 ? Math.trunc((year + 99) / 100) : -Math.trunc((99 - (year - 1)) / 100));
const millenniumOf = (year: number): number => (year > 0 ? Math.trunc((year + 999) / 1000) : -Math.trunc((999 - (year - 1)) / 1000));
const shownYear = (year: number): number => (year > 0 ? year : year - 1);

function dateField(unit: string, days: number): Decimal {
  const { year, month, day } = ymdFromDays(days);
  switch (unit) {
    case 'day':
      return whole(day);
    case 'month':
      return whole(month);
    case 'quarter':
      return whole(Math.trunc((month - 1) / 3) + 1);
    case 'year':
      return whole(shownYear(year));
    case 'decade':
      return whole(decadeOf(year));
    case 'century':
      return whole(centuryOf(year));
    case 'millennium':
      return whole(millenniumOf(year));
    case 'week':
      return whole(Math.trunc((days - isoYear(days).start) / 7) + 1);
    case 'isoyear':
      return whole(shownYear(isoYear(days).year));
    case 'dow':
      return whole(isoWeekday(days) % 7);
    case 'isodow':
      return whole(isoWeekday(days));
    default:
      return whole(days - daysFromYmd(year, 1, 1) + 1);
  }
}

/** ±infinity has an infinite year and epoch, and no hour. */
const growing = new Set(['year', 'decade', 'century', 'millennium', 'isoyear', 'epoch']);
const infiniteField = (unit: string, positive: boolean): Decimal | null =>
  growing.has(unit) ? (positive ? Decimal.Infinity : Decimal.NegativeInfinity) : null;

export function extractTimestamp(text: string, type: string): (value: Timestamp) => Decimal | null {
  const unit = unitOf(text, type);
  const zone = zoneUnits.includes(unit);
  if (zone && type === 'timestamp without time zone') return notSupported(text, type);
  return (value) => {
    if (!value.isFinite) return infiniteField(unit, value.epochUs > 0n);
    if (zone) return whole(0);
    if (unit === 'epoch') return new Decimal(value.epochUs, 6);
    const { days, us } = split(value);
    return timeUnits.includes(unit) ? timeField(unit, us) : dateField(unit, days);
  };
}

export function extractDate(text: string): (value: CalendarDate) => Decimal | null {
  const unit = unitOf(text, 'date');
  if (!dateUnits.includes(unit)) return notSupported(text, 'date');
  return (value) => {
    if (!value.isFinite) return infiniteField(unit, value.days > 0);
    return unit === 'epoch' ? whole(value.days * 86_400) : dateField(unit, value.days);
  };
}

/** date_part of a date goes through timestamp, so that it has hours. */
export function datePartDate(text: string): (value: CalendarDate) => Decimal | null {
  const extract = extractTimestamp(text, 'timestamp without time zone');
  return (value) => extract(dateToTimestamp(value, 'timestamp'));
}

export function extractTime(text: string): (value: TimeOfDay) => Decimal {
  const unit = unitOf(text, 'time without time zone');
  if (unit === 'epoch') return (value) => new Decimal(BigInt(value.us), 6);
  return timeUnits.includes(unit) ? (value) => timeField(unit, value.us) : notSupported(text, 'time without time zone');
}

const intervalUnits = new Set([...timeUnits, 'day', 'week', 'month', 'quarter', 'year', 'decade', 'century', 'millennium', 'epoch']);
const intervalGrowing = new Set(['hour', 'day', 'week', 'year', 'decade', 'century', 'millennium', 'epoch']);

export function extractInterval(text: string): (value: Interval) => Decimal | null {
  const unit = unitOf(text, 'interval');
  if (!intervalUnits.has(unit)) return notSupported(text, 'interval');
  return (value) => {
    if (!value.isFinite) return intervalGrowing.has(unit) ? (value.us > 0n ? Decimal.Infinity : Decimal.NegativeInfinity) : null;
    const years = Math.trunc(value.months / 12);
    const months = value.months - years * 12;
    const us = value.us;
    switch (unit) {
      case 'microseconds':
        return whole(us % 60_000_000n);
      case 'milliseconds':
        return new Decimal(us % 60_000_000n, 3);
      case 'second':
        return new Decimal(us % 60_000_000n, 6);
      case 'minute':
        return whole((us / 60_000_000n) % 60n);
      case 'hour':
        return whole(us / 3_600_000_000n);
      case 'day':
        return whole(value.days);
      case 'week':
        return whole(Math.trunc(value.days / 7));
      case 'month':
        return whole(months);
      case 'quarter':
        return whole(value.months >= 0 ? Math.trunc(months / 3) + 1 : -(Math.trunc(-months / 3) + 1));
      case 'year':
        return whole(years);
      case 'decade':
        return whole(Math.trunc(years / 10));
      case 'century':
        return whole(Math.trunc(years / 100));
      case 'millennium':
        return whole(Math.trunc(years / 1000));
      default: {
        // A year of 365.25 days and a month of 30.
        const quarters = BigInt(years) * 1461n + BigInt(months) * 120n + BigInt(value.days) * 4n;
        return new Decimal(quarters * 21_600_000_000n + us, 6);
      }
    }
  };
}

export function truncateTimestamp(text: string, type: string): (value: Timestamp) => Timestamp {
  const unit = unitOf(text, type);
  if (!truncUnits.has(unit)) return notSupported(text, type);
  const us = { microseconds: 1n, milliseconds: 1000n, second: 1_000_000n, minute: 60_000_000n, hour: 3_600_000_000n, day: 86_400_000_000n }[unit];
  if (us !== undefined) return (value) => (value.isFinite ? new Timestamp(value.kind, floorDiv(value.epochUs, us) * us) : value);
  return (value) => (value.isFinite ? timestampOf(value.kind, truncateDays(unit, split(value).days), 0) : value);
}

function truncateDays(unit: string, days: number): number {
  const { year, month } = ymdFromDays(days);
  switch (unit) {
    case 'week':
      return days - isoWeekday(days) + 1;
    case 'month':
      return daysFromYmd(year, month, 1);
    case 'quarter':
      return daysFromYmd(year, month - ((month - 1) % 3), 1);
    case 'year':
      return daysFromYmd(year, 1, 1);
    case 'decade':
      return daysFromYmd(Math.floor(year / 10) * 10, 1, 1);
    case 'century':
      return daysFromYmd(year > 0 ? Math.trunc((year + 99) / 100) * 100 - 99 : -Math.trunc((99 - (year - 1)) / 100) * 100 + 1, 1, 1);
    default:
      return daysFromYmd(year > 0 ? Math.trunc((year + 999) / 1000) * 1000 - 999 : -Math.trunc((999 - (year - 1)) / 1000) * 1000 + 1, 1, 1);
  }
}
