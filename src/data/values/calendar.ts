// The proleptic Gregorian calendar as numbers, and its text in PostgreSQL's ISO style. Years are astronomical: 0 is 1 BC, −1 is 2 BC.
// Day arithmetic after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

export const DAY_US = 86_400_000_000;

/** Days since 1970-01-01 of a date. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** The date that is `days` after 1970-01-01. */
export function civilFromDays(days: number): Civil {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1 };
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));

/** `2024-03-01`; for years before 1 the caller adds ` BC` at the end of the whole text. */
export function dateText({ year, month, day }: Civil): string {
  const shown = year > 0 ? year : 1 - year;
  return `${shown > 999 ? shown : String(shown).padStart(4, '0')}-${two(month)}-${two(day)}`;
}

/** `03:04:05.1234`: fractions without trailing zeros. `us` is not negative and may exceed a day. */
export function timeText(us: number): string {
  const seconds = Math.floor(us / 1_000_000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const text = `${two(hours)}:${two(minutes - hours * 60)}:${two(seconds - minutes * 60)}`;
  const fraction = us - seconds * 1_000_000;
  return fraction === 0 ? text : text + fractionText(fraction);
}

/** `.1234` for 123400 µs. */
export function fractionText(us: number): string {
  let digits = 6;
  let left = us;
  while (left % 10 === 0) {
    left /= 10;
    digits -= 1;
  }
  return `.${String(left).padStart(digits, '0')}`;
}
