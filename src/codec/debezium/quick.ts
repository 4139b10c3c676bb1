// The values that most rows are made of, from their bytes to their bytes without strings in between. What is unusual (years beyond four digits,
// more than 2^53) they leave to value-text.ts: false, or NaN, says so.
import type { ByteWriter } from '../../base/index.ts';

/** 32 bits of a number, big-endian; many times faster than Buffer's own way. There must be room. */
export function put32(target: Buffer, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** A whole number of at most 15 digits; NaN for everything else. */
export function readInteger(bytes: Buffer, start: number, end: number): number {
  const negative = bytes[start] === 0x2d;
  let at = negative ? start + 1 : start;
  if (end - at > 15 || at === end) return Number.NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** 0001-01-01 and the day behind 9999-12-31. */
const DAY_FIRST = -719_162;
const DAY_BEHIND = 2_932_897;
const DAY_US = 86_400_000_000;

const putTwo = (target: Buffer, at: number, value: number): number => {
  target[at] = 0x30 + ((value / 10) | 0);
  target[at + 1] = 0x30 + (value % 10);
  return at + 2;
};

function putDate(target: Buffer, start: number, days: number): number {
  // After Howard Hinnant, as in data/values/calendar.ts; all numbers are positive here.
  const z = days + 719_468;
  const era = (z / 146_097) | 0;
  const dayOfEra = z - era * 146_097;
  const yearOfEra = ((dayOfEra - ((dayOfEra / 1460) | 0) + ((dayOfEra / 36_524) | 0) - ((dayOfEra / 146_096) | 0)) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0));
  const shifted = ((5 * dayOfYear + 2) / 153) | 0;
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  let at = putTwo(target, start, (year / 100) | 0);
  at = putTwo(target, at, year % 100);
  target[at] = 0x2d;
  at = putTwo(target, at + 1, month);
  target[at] = 0x2d;
  return putTwo(target, at + 1, dayOfYear - (((153 * shifted + 2) / 5) | 0) + 1);
}

function putTime(target: Buffer, start: number, us: number): number {
  const seconds = Math.floor(us / 1_000_000);
  let at = putTwo(target, start, (seconds / 3600) | 0);
  target[at] = 0x3a;
  at = putTwo(target, at + 1, ((seconds / 60) | 0) % 60);
  target[at] = 0x3a;
  at = putTwo(target, at + 1, seconds % 60);
  let fraction = us - seconds * 1_000_000;
  if (fraction === 0) return at;
  target[at++] = 0x2e;
  for (let unit = 100_000; fraction > 0; unit /= 10) {
    const digit = (fraction / unit) | 0;
    target[at++] = 0x30 + digit;
    fraction -= digit * unit;
  }
  return at;
}

export function writeDate(out: ByteWriter, days: number): boolean {
  if (!(days >= DAY_FIRST && days < DAY_BEHIND)) return false;
  out.reserve(10);
  out.advance(putDate(out.buffer, out.length, days) - out.length);
  return true;
}

/** @param us Microseconds since midnight, up to 24:00. */
export function writeTime(out: ByteWriter, us: number): boolean {
  if (!(us >= 0 && us <= DAY_US)) return false;
  out.reserve(16);
  out.advance(putTime(out.buffer, out.length, us) - out.length);
  return true;
}

/** @param us Microseconds since 1970, without zone; what is no safe integer is refused. */
export function writeTimestamp(out: ByteWriter, us: number): boolean {
  if (!Number.isSafeInteger(us)) return false;
  const days = Math.floor(us / DAY_US);
  if (!(days >= DAY_FIRST && days < DAY_BEHIND)) return false;
  out.reserve(27);
  const { buffer } = out;
  const at = putDate(buffer, out.length, days);
  buffer[at] = 0x20;
  out.advance(putTime(buffer, at + 1, us - days * DAY_US) - out.length);
  return true;
}

/** Whether the string token is a moment in UTC with a year of four digits that is not 0 (1 BC), and with at most six digits behind the point. */
function isIsoMoment(bytes: Buffer, start: number, end: number): boolean {
  // "YYYY-MM-DDTHH:MM:SSZ" has 22 bytes with its quotes.
  const last = end - 2;
  if (end - start < 22 || end - start > 29 || bytes[last] !== 0x5a || bytes[start + 11] !== 0x54 || bytes[start + 5] !== 0x2d) return false;
  for (let at = start + 1; at < start + 20; at++) {
    const byte = bytes[at] as number;
    const place = at - start;
    const separator = place === 5 || place === 8 ? 0x2d : place === 11 ? 0x54 : place === 14 || place === 17 ? 0x3a : 0;
    if (separator === 0 ? byte < 0x30 || byte > 0x39 : byte !== separator) return false;
  }
  if (bytes[start + 1] === 0x30 && bytes[start + 2] === 0x30 && bytes[start + 3] === 0x30 && bytes[start + 4] === 0x30) return false;
  if (last === start + 20) return true;
  if (bytes[start + 20] !== 0x2e) return false;
  for (let at = start + 21; at < last; at++) if (!((bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39)) return false;
  return true;
}

/** The string token `"2024-02-29T23:59:59.999999Z"` → `2024-02-29 23:59:59.999999`, with `+00` behind it if the type has a zone. */
export function writeIsoTimestamp(out: ByteWriter, bytes: Buffer, start: number, end: number, withZone: boolean): boolean {
  if (!isIsoMoment(bytes, start, end)) return false;
  let last = end - 2;
  if (last > start + 20) {
    while (bytes[last - 1] === 0x30) last -= 1;
    if (last === start + 21) last -= 1;
  }
  const from = out.length;
  out.bytes(bytes, start + 1, last);
  out.buffer[from + 10] = 0x20;
  if (withZone) out.u8(0x2b).u8(0x30).u8(0x30);
  return true;
}

/** The string token `"2024-02-29T23:59:59.999999Z"` as microseconds since 1970; NaN for everything that is not in this form, or beyond 2^53. */
export function readIsoTimestamp(bytes: Buffer, start: number, end: number): number {
  const last = end - 2;
  if (!isIsoMoment(bytes, start, end)) return Number.NaN;
  const digit = (at: number): number => (bytes[start + at] as number) - 0x30;
  const two = (at: number): number => digit(at) * 10 + digit(at + 1);
  const [month, day, hours, minutes, seconds] = [two(6), two(9), two(12), two(15), two(18)];
  if (month < 1 || month > 12 || day < 1 || (day > 28 && day > daysIn(month, two(1) * 100 + two(3))) || hours > 23 || minutes > 59 || seconds > 59) return Number.NaN;
  let us = 0;
  let unit = 100_000;
  for (let at = start + 21; at < last; at++, unit /= 10) us += ((bytes[at] as number) - 0x30) * unit;
  const all = (daysOf(two(1) * 100 + two(3), month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds) * 1_000_000 + us;
  return Number.isSafeInteger(all) ? all : Number.NaN;
}

function daysIn(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970 of a date after the year 0. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = (((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) | 0) + day - 1;
  return era * 146_097 + yearOfEra * 365 + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0) + dayOfYear - 719_468;
}

const base64Digits = new Int8Array(256).fill(-1);
for (const [value, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) base64Digits[char.charCodeAt(0)] = value;
base64Digits[0x2d] = 62;
base64Digits[0x5f] = 63;

/** The string token of at most 6 bytes in base64 as the whole number in two's complement that they are; NaN for everything else. */
export function readBase64Integer(bytes: Buffer, start: number, end: number): number {
  let last = end - 1;
  while (last > start + 1 && bytes[last - 1] === 0x3d) last -= 1;
  const chars = last - start - 1;
  if (chars < 2 || chars > 8 || chars % 4 === 1) return Number.NaN;
  let value = 0;
  for (let at = start + 1; at < last; at++) {
    const digit = base64Digits[bytes[at] as number] as number;
    if (digit < 0) return Number.NaN;
    value = value * 64 + digit;
  }
  // Bits beyond the last whole byte are padding.
  const size = Math.floor((chars * 6) / 8);
  value = Math.floor(value / 2 ** (chars * 6 - size * 8));
  return value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
}

/** `unscaled` × 10^−`scale`, below 2^53 and with at most 15 digits behind the point. */
export function writeDecimal(out: ByteWriter, unscaled: number, scale: number): boolean {
  if (!Number.isSafeInteger(unscaled) || scale < 0 || scale > 15) return false;
  let rest = Math.abs(unscaled);
  out.reserve(20);
  const { buffer } = out;
  if (unscaled < 0) {
    buffer[out.length] = 0x2d;
    out.advance(1);
  }
  let digits = 1;
  for (let limit = 10; rest >= limit && digits < 17; limit *= 10) digits += 1;
  digits = Math.max(digits, scale + 1);
  const size = scale > 0 ? digits + 1 : digits;
  const point = scale > 0 ? size - 1 - scale : -1;
  for (let i = size - 1; i >= 0; i--) {
    if (i === point) {
      buffer[out.length + i] = 0x2e;
      continue;
    }
    const next = Math.floor(rest / 10);
    buffer[out.length + i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  out.advance(size);
  return true;
}

const powers = [1, 10, 100, 1000];

/** `unscaled` × 10^−`scale` in numeric's binary form: int16 count of digits to the base 10000, weight of the first, sign, scale, the digits. */
export function writeNumeric(out: ByteWriter, unscaled: number, scale: number): boolean {
  if (!Number.isSafeInteger(unscaled) || scale < 0 || scale > 16) return false;
  const behind = Math.ceil(scale / 4);
  let rest = Math.abs(unscaled) * (powers[behind * 4 - scale] as number);
  if (!Number.isSafeInteger(rest)) return false;
  let dropped = 0;
  while (rest !== 0 && rest % 10_000 === 0) {
    rest /= 10_000;
    dropped += 1;
  }
  let count = 0;
  for (let left = rest; left > 0; left = Math.floor(left / 10_000)) count += 1;
  const weight = count === 0 ? 0 : count + dropped - behind - 1;
  out.reserve(8 + count * 2);
  const { buffer } = out;
  let length = out.length;
  for (const word of [count, weight, unscaled < 0 ? 0x4000 : 0, scale]) {
    buffer[length++] = word >> 8;
    buffer[length++] = word;
  }
  for (let i = count - 1; i >= 0; i--) {
    const next = Math.floor(rest / 10_000);
    const digit = rest - next * 10_000;
    buffer[length + i * 2] = digit >> 8;
    buffer[length + i * 2 + 1] = digit;
    rest = next;
  }
  out.advance(8 + count * 2);
  return true;
}
