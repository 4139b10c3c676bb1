// Integers and floats with PostgreSQL's overflow rules, and conversions between the numeric types.
import { Decimal } from '../data/index.ts';
import { divisionByZero, evaluationFailed, outOfRange, underflow } from './errors.ts';

const int2 = (n: number): number => (n >= -32768 && n <= 32767 ? n : outOfRange('int2'));
const int4 = (n: number): number => ((n | 0) === n ? n : outOfRange('int4'));
const int8 = (n: bigint): bigint => (BigInt.asIntN(64, n) === n ? n : outOfRange('int8'));
const oid = (n: number): number => (n >= 0 && n <= 4294967295 ? n : outOfRange('oid'));

/** −0 has no place among integers. */
const plain = (n: number): number => (n === 0 ? 0 : n);

/** Arithmetic of a type whose values are numbers (int2, int4) or bigints (int8). */
export interface Arithmetic<T> {
  readonly plus: (a: T, b: T) => T;
  readonly minus: (a: T, b: T) => T;
  readonly times: (a: T, b: T) => T;
  readonly over: (a: T, b: T) => T;
  readonly mod: (a: T, b: T) => T;
  readonly negate: (a: T) => T;
  readonly abs: (a: T) => T;
}

const small = (fit: (n: number) => number): Arithmetic<number> => ({
  plus: (a, b) => fit(a + b),
  minus: (a, b) => fit(a - b),
  // A product of two int4 can exceed 2^53, but then it is out of range anyway.
  times: (a, b) => plain(fit(a * b)),
  over: (a, b) => (b === 0 ? divisionByZero() : plain(fit(Math.trunc(a / b)))),
  mod: (a, b) => (b === 0 ? divisionByZero() : plain(a % b)),
  negate: (a) => plain(fit(-a)),
  abs: (a) => fit(Math.abs(a)),
});

export const arithmetic2 = small(int2);
export const arithmetic4 = small(int4);
export const arithmetic8: Arithmetic<bigint> = {
  plus: (a, b) => int8(a + b),
  minus: (a, b) => int8(a - b),
  times: (a, b) => int8(a * b),
  over: (a, b) => (b === 0n ? divisionByZero() : int8(a / b)),
  mod: (a, b) => (b === 0n ? divisionByZero() : a % b),
  negate: (a) => int8(-a),
  abs: (a) => int8(a < 0n ? -a : a),
};

/** A float result that must not have overflowed: infinite operands may give infinity, finite ones not. */
function checked(result: number, finite: boolean, type: string): number {
  return Number.isFinite(result) || !finite || Number.isNaN(result) ? result : outOfRange(type);
}

const floats = (round: (n: number) => number, type: string): Omit<Arithmetic<number>, 'mod'> => ({
  plus: (a, b) => checked(round(a + b), Number.isFinite(a) && Number.isFinite(b), type),
  minus: (a, b) => checked(round(a - b), Number.isFinite(a) && Number.isFinite(b), type),
  times: (a, b) => {
    const result = checked(round(a * b), Number.isFinite(a) && Number.isFinite(b), type);
    return result === 0 && a !== 0 && b !== 0 ? underflow() : result;
  },
  over: (a, b) => {
    if (b === 0 && !Number.isNaN(a)) return divisionByZero();
    const result = checked(round(a / b), Number.isFinite(a), type);
    return result === 0 && a !== 0 && Number.isFinite(b) ? underflow() : result;
  },
  negate: (a) => -a,
  abs: Math.abs,
});

export const arithmeticF4 = floats(Math.fround, 'float4');
export const arithmeticF8 = floats((n) => n, 'float8');

/** Half to even, as C's rint. */
export function roundEven(n: number): number {
  if (!Number.isFinite(n) || Math.abs(n) >= 2 ** 52) return n;
  const floor = Math.floor(n);
  const rest = n - floor;
  const rounded = rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
  return rounded === 0 && (n < 0 || Object.is(n, -0)) ? -0 : rounded;
}

type Number_ = 'int2' | 'int4' | 'int8' | 'float4' | 'float8' | 'numeric' | 'oid';
export const numberTypes: readonly Number_[] = ['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'oid'];

const names: Record<string, string> = { int2: 'smallint', int4: 'integer', int8: 'bigint', float4: 'real', float8: 'double precision' };

/** A conversion between two numeric types: rounds and checks as PostgreSQL's cast. */
export function numberCast(from: Number_, to: Number_): (value: any) => unknown {
  const small = to === 'int2' ? int2 : to === 'oid' ? oid : int4;
  const integerTo = to === 'int2' || to === 'int4' || to === 'oid';
  if (from === 'numeric') {
    if (to === 'numeric') return (value) => value;
    if (to === 'float8' || to === 'float4') return (value: Decimal) => decimalToFloat(value, to);
    return (value: Decimal) => {
      if (!value.isFinite) return evaluationFailed('0A000', `cannot convert ${value.isNaN ? 'NaN' : 'infinity'} to ${names[to]}`);
      const whole = int8Or(value.round(0).unscaled, to);
      return integerTo ? small(Number(whole)) : whole;
    };
  }
  if (from === 'float4' || from === 'float8') {
    if (to === 'numeric') return (value: number) => floatToDecimal(value, from === 'float4' ? 6 : 15);
    if (to === 'float8') return (value) => value;
    if (to === 'float4') return from === 'float4' ? (value) => value : toFloat4;
    if (to === 'int8') return (value: number) => (value >= -(2 ** 63) && roundEven(value) < 2 ** 63 ? BigInt(roundEven(value)) : outOfRange('int8'));
    return (value: number) => (Number.isNaN(value) ? outOfRange(to) : plain(small(roundEven(value))));
  }
  if (to === 'numeric') return (value: number | bigint) => new Decimal(BigInt(value));
  if (to === 'float8') return Number;
  if (to === 'float4') return (value: number | bigint) => Math.fround(Number(value));
  if (to === 'int8') return (value: number | bigint) => BigInt(value);
  return (value: number | bigint) => small(Number(value));
}

const int8Or = (value: bigint, type: string): bigint => (BigInt.asIntN(64, value) === value ? value : outOfRange(type));

function toFloat4(value: number): number {
  const result = Math.fround(value);
  if (!Number.isFinite(result) && Number.isFinite(value)) return outOfRange('float4');
  return result === 0 && value !== 0 ? underflow() : result;
}

function decimalToFloat(value: Decimal, type: 'float4' | 'float8'): number {
  const exact = value.toNumber();
  const result = type === 'float4' ? Math.fround(exact) : exact;
  const lost = value.isFinite && (!Number.isFinite(result) || (result === 0 && value.sign !== 0));
  return lost ? evaluationFailed('22003', `"${value.toString()}" is out of range for type ${names[type]}`) : result;
}

/** PostgreSQL goes through `%.15g` (float8) or `%.6g` (float4): digits beyond those are noise. Ties go to even, unlike toPrecision. */
function floatToDecimal(value: number, digits: number): Decimal {
  if (!Number.isFinite(value)) return Decimal.from(value);
  const up = Decimal.parse(value.toPrecision(digits));
  return trimZeros(isTie(value, up, digits) && up.unscaled % 2n !== 0n ? Decimal.parse(previous(up, value)) : up);
}

function trimZeros(value: Decimal): Decimal {
  let { unscaled, scale } = value;
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n;
    scale -= 1;
  }
  return new Decimal(unscaled, scale);
}

/** Whether the double lies exactly between two decimals of so many digits. */
function isTie(value: number, up: Decimal, digits: number): boolean {
  const exponent = Math.floor(Math.log10(Math.abs(value) || 1));
  if (exponent >= digits || exponent < -4) return false;
  // A tie has one digit more, a 5, and nothing behind it.
  const longer = Decimal.parse(value.toPrecision(digits + 1));
  return longer.toNumber() === value && longer.minus(up).times(2).abs().equals(new Decimal(1n, up.scale));
}

const previous = (up: Decimal, value: number): string => new Decimal(up.unscaled - (value < 0 ? -1n : 1n), up.scale).toString();
