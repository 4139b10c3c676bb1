// numeric arithmetic beyond plus, minus and times: division, remainder, roots and powers with PostgreSQL's rules for the result's scale
// (src/backend/utils/adt/numeric.c: select_div_scale, numeric_sqrt, power_var_int).
import { Decimal } from '../data/index.ts';
import { divisionByZero, evaluationFailed, outOfRange } from './errors.ts';

const MIN_SIG_DIGITS = 16;
const MAX_DISPLAY_SCALE = 1000;
const MAX_RESULT_SCALE = 2000;
const DEC_DIGITS = 4;

const power = (exponent: number): bigint => 10n ** BigInt(exponent);
const digits = (n: bigint): number => (n < 0n ? -n : n).toString().length;

/** Weight and first digit in base 10000, as numeric stores a value. */
function leading(value: Decimal): { weight: number; first: number } {
  if (value.unscaled === 0n) return { weight: 0, first: 0 };
  const text = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  const exponent = text.length - value.scale - 1;
  const weight = Math.floor(exponent / DEC_DIGITS);
  const width = exponent - weight * DEC_DIGITS + 1;
  return { weight, first: Number(text.slice(0, width).padEnd(width, '0')) };
}

function divisionScale(a: Decimal, b: Decimal): number {
  const x = leading(a);
  const y = leading(b);
  let weight = x.weight - y.weight;
  if (x.first <= y.first) weight -= 1;
  const scale = Math.max(MIN_SIG_DIGITS - weight * DEC_DIGITS, a.scale, b.scale, 0);
  return Math.min(scale, MAX_DISPLAY_SCALE);
}

/** Rounds half away from zero. */
function quotient(n: bigint, d: bigint): bigint {
  const negative = n < 0n !== d < 0n;
  const [x, y] = [n < 0n ? -n : n, d < 0n ? -d : d];
  const result = (x * 2n + y) / (y * 2n);
  return negative ? -result : result;
}

export function divide(a: Decimal, b: Decimal): Decimal {
  if (!a.isFinite || !b.isFinite) {
    if (a.isNaN || b.isNaN) return Decimal.NaN;
    if (!a.isFinite) return !b.isFinite ? Decimal.NaN : b.sign === 0 ? divisionByZero() : Decimal.from(a.sign * b.sign * Infinity);
    return new Decimal(0n);
  }
  if (b.unscaled === 0n) return divisionByZero();
  return divideTo(a, b, divisionScale(a, b));
}

function divideTo(a: Decimal, b: Decimal, scale: number): Decimal {
  const shift = scale + b.scale - a.scale;
  return shift >= 0
    ? new Decimal(quotient(a.unscaled * power(shift), b.unscaled), scale)
    : new Decimal(quotient(a.unscaled, b.unscaled * power(-shift)), scale);
}

export function mod(a: Decimal, b: Decimal): Decimal {
  if (a.isNaN || b.isNaN) return Decimal.NaN;
  if (!a.isFinite) return b.sign === 0 ? divisionByZero() : Decimal.NaN;
  if (!b.isFinite) return a;
  if (b.unscaled === 0n) return divisionByZero();
  const scale = Math.max(a.scale, b.scale);
  return new Decimal((a.unscaled * power(scale - a.scale)) % (b.unscaled * power(scale - b.scale)), scale);
}

/** numeric has at most 131072 digits before the point. */
export function fit(value: Decimal): Decimal {
  if (value.isFinite && digits(value.unscaled) - value.scale > 131_072) return outOfRange('numeric');
  return value;
}

export function sqrt(value: Decimal): Decimal {
  if (value.isNaN || (value.special > 0)) return value;
  if (value.sign < 0) return evaluationFailed('2201F', 'cannot take square root of a negative number');
  const { weight } = leading(value);
  const significant = weight >= 0 ? (weight * DEC_DIGITS) / 2 + 1 : 1 - Math.trunc((1 - weight * DEC_DIGITS) / 2);
  const scale = Math.min(Math.max(MIN_SIG_DIGITS - significant, value.scale, 0), MAX_DISPLAY_SCALE);
  // One digit more than wanted, then rounded: the root of a number that is no square never lies on a tie.
  const shift = 2 * (scale + 1) - value.scale;
  const root = integerRoot(shift >= 0 ? value.unscaled * power(shift) : value.unscaled / power(-shift));
  return new Decimal(root, scale + 1).round(scale);
}

/** Floor of the square root (Newton). */
function integerRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** Whole exponents only: other powers of a numeric are logarithms, which PostgreSQL rounds in its own way. */
export function powerOf(base: Decimal, exponent: Decimal): Decimal {
  if (base.isNaN) return exponent.isFinite && exponent.sign === 0 ? new Decimal(1n) : Decimal.NaN;
  if (exponent.isNaN) return base.equals(new Decimal(1n)) ? new Decimal(1n) : Decimal.NaN;
  if (!base.isFinite || !exponent.isFinite) return infinitePower(base, exponent);
  if (base.sign === 0 && exponent.sign < 0) return evaluationFailed('2201F', 'zero raised to a negative power is undefined');
  const whole = exponent.round(0);
  if (!whole.equals(exponent)) return base.sign < 0
    ? complex()
    : unsupported('a fraction as exponent');
  const n = Number(whole.unscaled);
  if (Math.abs(n) > 100_000) return unsupported('an exponent beyond 100000');
  return wholePower(base, n, exponent.scale);
}

/** One operand or both are infinite; the rules are those of POSIX pow(). */
function infinitePower(base: Decimal, exponent: Decimal): Decimal {
  const [zero, one] = [new Decimal(0n), new Decimal(1n)];
  if (exponent.isFinite) {
    if (exponent.sign === 0) return one;
    const whole = exponent.round(0);
    if (base.sign < 0 && !whole.equals(exponent)) return complex();
    if (exponent.sign < 0) return zero;
    return base.sign < 0 && whole.unscaled % 2n !== 0n ? Decimal.NegativeInfinity : Decimal.Infinity;
  }
  const size = base.abs().compare(one);
  if (size === 0) return one;
  if (base.sign === 0 && exponent.sign < 0) return evaluationFailed('2201F', 'zero raised to a negative power is undefined');
  return size > 0 === exponent.sign > 0 ? Decimal.Infinity : zero;
}

const complex = (): never => evaluationFailed('2201F', 'a negative number raised to a non-integer power yields a complex result');

const unsupported = (what: string): never => evaluationFailed('0A000', `numeric power with ${what} is not supported: cast to double precision`);

function wholePower(base: Decimal, n: number, exponentScale: number): Decimal {
  if (base.sign === 0) {
    const scale = Math.min(Math.max(MIN_SIG_DIGITS, base.scale, exponentScale), MAX_DISPLAY_SCALE);
    return new Decimal(n === 0 ? power(scale) : 0n, scale);
  }
  const leadingDigits = Number(`0.${(base.unscaled < 0n ? -base.unscaled : base.unscaled).toString().slice(0, 17)}`);
  const log10 = Math.log10(leadingDigits) + digits(base.unscaled) - base.scale;
  const weight = n * log10;
  if (weight > 131_072) return outOfRange('numeric');
  const scale = Math.min(Math.max(MIN_SIG_DIGITS - Math.trunc(weight), base.scale, exponentScale, 0), MAX_DISPLAY_SCALE);
  if (weight + 1 < -MAX_RESULT_SCALE) return new Decimal(0n, scale);
  const magnitude = new Decimal(base.unscaled ** BigInt(Math.abs(n)), base.scale * Math.abs(n));
  return n >= 0 ? magnitude.round(scale) : divideTo(new Decimal(1n), magnitude, scale);
}

/** floor, ceil and trunc to so many digits. */
export function roundTo(value: Decimal, scale: number, direction: 'floor' | 'ceil' | 'trunc'): Decimal {
  if (!value.isFinite) return value;
  const shown = Math.max(0, scale);
  if (scale >= value.scale) return value.round(scale);
  const unit = power(value.scale - scale);
  let units = value.unscaled / unit;
  const rest = value.unscaled % unit;
  if (direction === 'floor' && rest < 0n) units -= 1n;
  if (direction === 'ceil' && rest > 0n) units += 1n;
  return new Decimal(scale < 0 ? units * power(-scale) : units, shown);
}
