// numeric: int16 count of base-10000 digits, int16 weight of the first, uint16 sign, uint16 display scale, the digits.
// Source of the form: src/backend/utils/adt/numeric.c of PostgreSQL, numeric_send and numeric_recv.
import type { ByteWriter } from '../../base/index.ts';
import { Decimal } from '../../data/index.ts';
import { type ValueForm } from './value-form.ts';

const NEGATIVE = 0x4000;
const NAN = 0xc000;
const POSITIVE_INFINITY = 0xd000;
const NEGATIVE_INFINITY = 0xf000;

const powers = [1, 10, 100, 1000];
const four = Array.from({ length: 10_000 }, (_, i) => String(i).padStart(4, '0'));

/** Above these no number of PostgreSQL lies: 131072 digits before the point, 16383 behind it. */
const WEIGHT_MAX = 32_767;
const SCALE_MAX = 16_383;

function read(bytes: Buffer, start: number, end: number): Decimal {
  const count = bytes.readUInt16BE(start);
  const weight = bytes.readInt16BE(start + 2);
  const sign = bytes.readUInt16BE(start + 4);
  const scale = bytes.readUInt16BE(start + 6);
  // A number below 2^53 is read through a double, whose arithmetic is exact there.
  const shift = scale - 4 * (count - 1 - weight);
  if ((sign === 0 || sign === NEGATIVE) && count <= 4 && shift > -4 && shift < 4 && end - start === 8 + 2 * count) {
    let value = 0;
    let valid = scale <= SCALE_MAX;
    for (let at = start + 8; at < end; at += 2) {
      const digit = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      valid &&= digit < 10_000;
      value = value * 10_000 + digit;
    }
    valid &&= Number.isSafeInteger(value);
    value = shift >= 0 ? value * (powers[shift] as number) : value / (powers[-shift] as number);
    if (valid && Number.isSafeInteger(value)) return new Decimal(BigInt(sign === 0 ? value : -value), scale);
  }
  const special = specialOf(sign);
  if (special) {
    text(bytes, start, end);
    return special;
  }
  const shown = text(bytes, start, end);
  const negative = shown.startsWith('-');
  const digits = BigInt(scale === 0 ? shown.slice(negative ? 1 : 0) : shown.slice(negative ? 1 : 0, -scale - 1) + shown.slice(-scale));
  return new Decimal(negative ? -digits : digits, scale);
}

function specialOf(sign: number): Decimal | undefined {
  if (sign === NAN) return Decimal.NaN;
  return sign === POSITIVE_INFINITY ? Decimal.Infinity : sign === NEGATIVE_INFINITY ? Decimal.NegativeInfinity : undefined;
}

function text(bytes: Buffer, start: number, end: number): string {
  const count = bytes.readUInt16BE(start);
  const weight = bytes.readInt16BE(start + 2);
  const sign = bytes.readUInt16BE(start + 4);
  const scale = bytes.readUInt16BE(start + 6);
  if (end - start !== 8 + 2 * count) throw new RangeError(`${8 + 2 * count} bytes wanted, ${end - start} there`);
  const special = specialOf(sign);
  if (special) return special.toString();
  if ((sign !== 0 && sign !== NEGATIVE) || scale > SCALE_MAX) throw new RangeError('no such sign or scale');
  const digit = (index: number): number => {
    if (index < 0 || index >= count) return 0;
    const value = bytes.readUInt16BE(start + 8 + 2 * index);
    if (value > 9999) throw new RangeError('no such digit');
    return value;
  };
  let out = '';
  if (weight < 0) {
    out = '0';
  } else {
    let index = 0;
    while (index < weight && digit(index) === 0) index += 1;
    out = String(digit(index));
    for (index += 1; index <= weight; index++) out += four[digit(index)];
  }
  if (scale > 0) {
    // A number far below 1 starts with zeros that are not stored.
    let fraction = weight < -1 ? '0'.repeat(Math.min(scale, 4 * (-1 - weight))) : '';
    for (let index = Math.max(0, weight + 1); index < count && fraction.length < scale; index++) fraction += four[digit(index)];
    out += `.${fraction.slice(0, scale).padEnd(scale, '0')}`;
  }
  // PostgreSQL has no negative zero.
  return sign === NEGATIVE && /[1-9]/.test(out) ? `-${out}` : out;
}

function write(value: unknown, out: ByteWriter): void {
  if (!(value instanceof Decimal) && typeof value !== 'number' && typeof value !== 'bigint') {
    throw new RangeError('a Decimal, number or bigint is wanted');
  }
  const decimal = Decimal.from(value);
  if (!decimal.isFinite) {
    out.i32(0).u32((decimal.isNaN ? NAN : decimal.special > 0 ? POSITIVE_INFINITY : NEGATIVE_INFINITY) * 0x10000);
    return;
  }
  const { scale, unscaled } = decimal;
  if (scale > SCALE_MAX || scale < 0) throw new RangeError(`more than ${SCALE_MAX} digits behind the point`);
  const negative = unscaled < 0n;
  const start = out.length;
  out.reserve(40);
  // Count and weight are known at the end.
  out.i32(0).u32((negative ? NEGATIVE * 0x10000 : 0) + scale);
  const behind = Math.ceil(scale / 4);
  const size = negative ? -unscaled : unscaled;
  const aligned = Number(size) * (powers[behind * 4 - scale] as number);
  // What a double rounds in this product is not below 2^53.
  const [count, weight] = Number.isSafeInteger(aligned)
    ? smallDigits(aligned, behind, out)
    : bigDigits(size.toString(), scale, behind, out);
  if (weight > WEIGHT_MAX) throw new RangeError('more than 131072 digits before the point');
  out.patchI32(start, count * 0x10000 + (weight & 0xffff) | 0);
}

/** Writes the digits of a number below 2^53, of which `behind` stand behind the point; returns their count and the weight of the first. */
function smallDigits(value: number, behind: number, out: ByteWriter): [count: number, weight: number] {
  if (value === 0) return [0, 0];
  let rest = value;
  let dropped = 0;
  while (rest % 10_000 === 0) {
    rest /= 10_000;
    dropped += 1;
  }
  let unit = 1;
  let count = 1;
  while (unit * 10_000 <= rest) {
    unit *= 10_000;
    count += 1;
  }
  for (; unit >= 1; unit /= 10_000) {
    const digit = Math.floor(rest / unit);
    out.i16(digit);
    rest -= digit * unit;
  }
  return [count, count + dropped - behind - 1];
}

function bigDigits(digits: string, scale: number, behind: number, out: ByteWriter): [count: number, weight: number] {
  const padded = digits + '0'.repeat(behind * 4 - scale);
  const aligned = '0'.repeat((4 - (padded.length % 4)) % 4) + padded;
  const groups = aligned.length / 4;
  const group = (index: number): number => Number(aligned.slice(index * 4, index * 4 + 4));
  let last = groups - 1;
  while (group(last) === 0) last -= 1;
  for (let index = 0; index <= last; index++) out.i16(group(index));
  return [last + 1, groups - behind - 1];
}

export const numeric: ValueForm = {
  jsType: 'Decimal',
  read,
  parse: (value) => Decimal.parse(value),
  write,
  writeText: (value, out) => write(Decimal.parse(value), out),
  text,
};
