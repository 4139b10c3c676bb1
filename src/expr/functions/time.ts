// Functions of dates and times. The time zone of the session is UTC.
import { CalendarDate, type Decimal, type Interval, Timestamp } from '../../data/index.ts';
import { evaluationFailed } from '../errors.ts';
import { prepared, routine, type Routine } from '../routine.ts';
import { datePartDate, extractDate, extractInterval, extractTime, extractTimestamp, truncateTimestamp } from '../time-fields.ts';
import { timestampOf } from '../time-math.ts';
import { daysFromYmd, monthLength } from '../ymd.ts';

const plain = 'timestamp without time zone';
const zoned = 'timestamp with time zone';

type Extract = (unit: string) => (value: any) => Decimal | null;
const extracts: Readonly<Record<string, Extract>> = {
  timestamp: (unit) => extractTimestamp(unit, plain),
  timestamptz: (unit) => extractTimestamp(unit, zoned),
  date: extractDate,
  time: extractTime,
  interval: extractInterval,
};
const parts: Readonly<Record<string, Extract>> = { ...extracts, date: datePartDate };

const asFloat = (extract: Extract) => (unit: string): ((value: unknown) => number | null) => {
  const field = extract(unit);
  return (value) => field(value)?.toNumber() ?? null;
};

const zones = new Set(['utc', 'gmt', 'z', 'etc/utc', 'zulu', 'uct', 'etc/gmt', 'universal', 'etc/universal', 'etc/zulu', 'etc/uct', 'greenwich',
  'etc/greenwich', '+00', '+00:00']);

/** AT TIME ZONE, for UTC: other zones need a time zone database and would tie the result to its version. */
function atUtc(zone: string, kind: 'timestamp' | 'timestamptz'): (value: Timestamp) => Timestamp {
  if (!zones.has(zone.toLowerCase())) return evaluationFailed('0A000', `time zone "${zone}" is not supported, only 'UTC'`);
  return (value) => new Timestamp(kind, value.epochUs);
}

function makeDate(shown: number, month: number, day: number): CalendarDate {
  const text = `${shown}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
  const bad = (): never => evaluationFailed('22008', `date field value out of range: ${text}`);
  if (shown === 0 || month < 1 || month > 12) return bad();
  const year = shown < 0 ? shown + 1 : shown;
  if (day < 1 || day > monthLength(year, month)) return bad();
  const date = new CalendarDate(daysFromYmd(year, month, day));
  return date.inRange ? date : evaluationFailed('22008', `date out of range: ${text}`);
}

function toTimestamp(seconds: number): Timestamp {
  if (Number.isNaN(seconds)) return evaluationFailed('22008', 'timestamp cannot be NaN');
  if (!Number.isFinite(seconds)) return seconds > 0 ? Timestamp.infinity('timestamptz') : Timestamp.negativeInfinity('timestamptz');
  if (Math.abs(seconds) > 1e14) return evaluationFailed('22008', 'timestamp out of range: "' + String(seconds) + '"');
  // PostgreSQL counts from 2000 in doubles: the same steps give the same last microsecond.
  const us = Math.round((seconds - 946_684_800) * 1_000_000);
  return timestampOf('timestamptz', 0, BigInt(us) + 946_684_800_000_000n);
}

const finite = (value: { readonly isFinite: boolean }): boolean => value.isFinite;

export const timeFunctions: Routine[] = [
  ...['timestamp', 'timestamptz'].map((type) =>
    prepared('date_trunc', `text, ${type} -> ${type}`, 0, (unit: string) => truncateTimestamp(unit, type === 'timestamp' ? plain : zoned),
      'Cut to a unit: `second`, `day`, `week`, `month`, `year`, …')),
  ...Object.entries(extracts).map(([type, extract]) =>
    prepared('extract', `text, ${type} -> numeric`, 0, extract, 'A field as a number, written `extract(year from x)`')),
  ...Object.entries(parts).map(([type, extract]) =>
    prepared('date_part', `text, ${type} -> float8`, 0, asFloat(extract), 'A field as a number')),
  prepared('timezone', 'text, timestamptz -> timestamp', 0, (zone: string) => atUtc(zone, 'timestamp'),
    "The time that clocks in the zone show, written `x at time zone 'UTC'`; only UTC"),
  prepared('timezone', 'text, timestamp -> timestamptz', 0, (zone: string) => atUtc(zone, 'timestamptz'),
    "The moment when clocks in the zone show the time, written `x at time zone 'UTC'`; only UTC"),
  routine('make_date', 'int4, int4, int4 -> date', makeDate, 'A date of year, month and day'),
  routine('to_timestamp', 'float8 -> timestamptz', toTimestamp, 'A moment of seconds since 1970'),
  routine('isfinite', 'date -> bool', finite, 'Not ±infinity'),
  routine('isfinite', 'timestamp -> bool', finite, 'Not ±infinity'),
  routine('isfinite', 'timestamptz -> bool', finite, 'Not ±infinity'),
  routine('isfinite', 'interval -> bool', (value: Interval) => value.isFinite, 'Not ±infinity'),
];
