// Dates, times and intervals: + and −.
import type { CalendarDate, Interval, TimeOfDay, Timestamp } from '../../data/index.ts';
import { routine, type Routine } from '../routine.ts';
import {
  dateDifference, dateShift, dateToTimestamp, intervalNegate, intervalPlus, timeDifference, timeShift, timestampDifference, timestampOf, timestampShift,
} from '../time-math.ts';

const fromDate = (date: CalendarDate): Timestamp => dateToTimestamp(date, 'timestamp');
const atTime = (date: CalendarDate, time: TimeOfDay): Timestamp => {
  const day = fromDate(date);
  return day.isFinite ? timestampOf('timestamp', date.days, time.us) : day;
};
const minus = (value: Timestamp, by: Interval): Timestamp => timestampShift(value, intervalNegate(by));

const shift = 'A moment that is an interval later';
const back = 'A moment that is an interval earlier';

/** Addition commutes. */
function both(name: string, left: string, right: string, result: string, call: (a: any, b: any) => unknown, doc: string): Routine[] {
  return [routine(name, `${left}, ${right} -> ${result}`, call, doc), routine(name, `${right}, ${left} -> ${result}`, call, doc, { commuted: true })];
}

export const timeOperators: Routine[] = [
  ...both('+', 'date', 'int4', 'date', dateShift, 'A date that is so many days later'),
  routine('-', 'date, int4 -> date', (date: CalendarDate, days: number) => dateShift(date, -days), 'A date that is so many days earlier'),
  routine('-', 'date, date -> int4', dateDifference, 'Days between two dates'),
  ...both('+', 'date', 'interval', 'timestamp', (date: CalendarDate, by: Interval) => timestampShift(fromDate(date), by), shift),
  routine('-', 'date, interval -> timestamp', (date: CalendarDate, by: Interval) => minus(fromDate(date), by), back),
  ...both('+', 'date', 'time', 'timestamp', atTime, 'The date at a time of day'),
  ...['timestamp', 'timestamptz'].flatMap((kind) => [
    ...both('+', kind, 'interval', kind, timestampShift, shift),
    routine('-', `${kind}, interval -> ${kind}`, minus, back),
    routine('-', `${kind}, ${kind} -> interval`, timestampDifference, 'Days and time between two moments'),
  ]),
  ...both('+', 'time', 'interval', 'time', timeShift, 'A time of day that is an interval later'),
  routine('-', 'time, interval -> time', (time: TimeOfDay, by: Interval) => timeShift(time, intervalNegate(by)),
    'A time of day that is an interval earlier'),
  routine('-', 'time, time -> interval', timeDifference, 'Time between two times of day'),
  routine('+', 'interval, interval -> interval', intervalPlus, 'Sum of intervals'),
  routine('-', 'interval, interval -> interval', (a: Interval, b: Interval) => intervalPlus(a, intervalNegate(b)), 'Difference of intervals'),
  routine('-', 'interval -> interval', intervalNegate, 'Negative interval'),
];
