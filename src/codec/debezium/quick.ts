// The values that most rows are made of, from their bytes to their bytes without strings in between. What is unusual (years beyond four digits,
// more than 2^53) they leave to value-text.ts: false, or NaN, says so.
import type { ByteWriter } from '../../base/index.ts';

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

/** The string token `"2024-02-29T23:59:59.999999Z"` → `2024-02-29 23:59:59.999999`, with `+00` behind it if the type has a zone. */
export function writeIsoTimestamp(out: ByteWriter, bytes: Buffer, start: number, end: number, withZone: boolean): boolean {
  // "YYYY-MM-DDTHH:MM:SSZ" has 22 bytes with its quotes.
  let last = end - 2;
  if (end - start < 22 || end - start > 29 || bytes[last] !== 0x5a || bytes[start + 11] !== 0x54 || bytes[start + 5] !== 0x2d) return false;
  for (let at = start + 1; at < start + 20; at++) {
    const byte = bytes[at] as number;
    const place = at - start;
    const separator = place === 5 || place === 8 ? 0x2d : place === 11 ? 0x54 : place === 14 || place === 17 ? 0x3a : 0;
    if (separator === 0 ? byte < 0x30 || byte > 0x39 : byte !== separator) return false;
  }
  // The year 0 is 1 BC.
  if (bytes[start + 1] === 0x30 && bytes[start + 2] === 0x30 && bytes[start + 3] === 0x30 && bytes[start + 4] === 0x30) return false;
  if (last > start + 20) {
    if (bytes[start + 20] !== 0x2e) return false;
    for (let at = start + 21; at < last; at++) if (!((bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39)) return false;
    while (bytes[last - 1] === 0x30) last -= 1;
    if (last === start + 21) last -= 1;
  }
  const from = out.length;
  out.bytes(bytes, start + 1, last);
  out.buffer[from + 10] = 0x20;
  if (withZone) out.u8(0x2b).u8(0x30).u8(0x30);
  return true;
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
