// The Gregorian calendar through CalendarDate, whose civil() and of() know it.
import { CalendarDate } from '../data/index.ts';

export interface Ymd {
  /** Astronomical: 0 is 1 BC. */
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

export const daysFromYmd = (year: number, month: number, day: number): number => CalendarDate.of(year, month, day).days;
export const ymdFromDays = (days: number): Ymd => new CalendarDate(days).civil as Ymd;

export function monthLength(year: number, month: number): number {
  return month === 12 ? 31 : daysFromYmd(year, month + 1, 1) - daysFromYmd(year, month, 1);
}

/** Monday 1 to Sunday 7. */
export const isoWeekday = (days: number): number => ((((days + 3) % 7) + 7) % 7) + 1;

/** The year that the ISO week of the day belongs to, and the day its first week begins. */
export function isoYear(days: number): { year: number; start: number } {
  const { year } = ymdFromDays(days);
  for (const candidate of [year + 1, year, year - 1]) {
    const start = isoYearStart(candidate);
    if (days >= start) return { year: candidate, start };
  }
  return { year, start: isoYearStart(year) };
}

/** The Monday of the week that holds 4 January. */
function isoYearStart(year: number): number {
  const fourth = daysFromYmd(year, 1, 4);
  return fourth - isoWeekday(fourth) + 1;
}
