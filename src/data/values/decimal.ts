// Decimal: PostgreSQL's numeric, exact, with the scale that its text shows.
import { invalid } from './invalid.ts';

/** PostgreSQL's limits: digits before and after the point. */
const WHOLE_DIGITS_MAX = 131_072;
const DECIMAL_SCALE_MAX = 16_383;

const power = (exponent: number): bigint => 10n ** BigInt(exponent);

/**
 * An exact decimal number: `unscaled` × 10^−`scale`. Immutable. NaN and ±Infinity are Decimals too, and behave as PostgreSQL has it: NaN
 * equals itself and is greater than every other number. The operators `<` and `+` see a double (valueOf): use the methods for exactness.
 */
export class Decimal {
  /** Signed; 0 for NaN and ±Infinity. */
  readonly unscaled: bigint;
  /** Digits after the point, 0 to 16383. */
  readonly scale: number;
  /** 0 for finite numbers; NaN, Infinity or −Infinity for those. */
  readonly special: number;

  static readonly NaN: Decimal = new Decimal(0n, 0, NaN);
  static readonly Infinity: Decimal = new Decimal(0n, 0, Infinity);
  static readonly NegativeInfinity: Decimal = new Decimal(0n, 0, -Infinity);

  constructor(unscaled: bigint, scale = 0, special = 0) {
    this.unscaled = unscaled;
    this.scale = scale;
    this.special = special;
  }

  /** Reads PostgreSQL's text (`-12.50`, `1e-7`, `NaN`, `-Infinity`). Throws VALUE_INVALID for anything else. */
  static parse(text: string): Decimal {
    let at = 0;
    let end = text.length;
    while (at < end && text.charCodeAt(at) <= 32) at += 1;
    while (end > at && text.charCodeAt(end - 1) <= 32) end -= 1;
    const from = at;
    const negative = text[at] === '-';
    if (negative || text[at] === '+') at += 1;
    const wholeFrom = at;
    while (isDigit(text, at, end)) at += 1;
    const whole = text.slice(wholeFrom, at);
    let fraction = '';
    if (at < end && text[at] === '.') {
      const fractionFrom = ++at;
      while (isDigit(text, at, end)) at += 1;
      fraction = text.slice(fractionFrom, at);
    }
    if (whole === '' && fraction === '') return special(text, from, end);
    let exponent = 0;
    if (at < end && (text[at] === 'e' || text[at] === 'E')) {
      const sign = text[++at] === '-' ? -1 : 1;
      if (text[at] === '-' || text[at] === '+') at += 1;
      const exponentFrom = at;
      while (isDigit(text, at, end)) at += 1;
      if (at === exponentFrom || at - exponentFrom > 6) throw invalid('numeric', text);
      exponent = sign * Number(text.slice(exponentFrom, at));
    }
    if (at !== end) throw invalid('numeric', text);
    let unscaled = BigInt(whole + fraction);
    let scale = fraction.length - exponent;
    if (scale > DECIMAL_SCALE_MAX || whole.length + exponent > WHOLE_DIGITS_MAX) {
      throw invalid('numeric', text, 'it has more digits than PostgreSQL stores');
    }
    if (scale < 0) {
      unscaled *= power(-scale);
      scale = 0;
    }
    return new Decimal(negative ? -unscaled : unscaled, scale);
  }

  /** A number becomes the shortest decimal that reads back as the same double (0.1 is 0.1). */
  static from(value: number | bigint | string | Decimal): Decimal {
    if (value instanceof Decimal) return value;
    if (typeof value === 'bigint') return new Decimal(value);
    if (typeof value === 'string') return Decimal.parse(value);
    if (Number.isSafeInteger(value)) return new Decimal(BigInt(value));
    if (Number.isFinite(value)) return Decimal.parse(String(value));
    return Number.isNaN(value) ? Decimal.NaN : value > 0 ? Decimal.Infinity : Decimal.NegativeInfinity;
  }

  get isFinite(): boolean {
    return this.special === 0;
  }

  get isNaN(): boolean {
    return Number.isNaN(this.special);
  }

  /** −1, 0 or 1; 0 for NaN. */
  get sign(): -1 | 0 | 1 {
    if (this.special !== 0) return this.special > 0 ? 1 : this.special < 0 ? -1 : 0;
    return this.unscaled > 0n ? 1 : this.unscaled < 0n ? -1 : 0;
  }

  /** PostgreSQL's text, with all digits of the scale. */
  toString(): string {
    if (this.special !== 0) return String(this.special);
    const negative = this.unscaled < 0n;
    const digits = (negative ? -this.unscaled : this.unscaled).toString();
    const { scale } = this;
    if (scale === 0) return negative ? `-${digits}` : digits;
    const padded = digits.length > scale ? digits : digits.padStart(scale + 1, '0');
    const point = padded.length - scale;
    return `${negative ? '-' : ''}${padded.slice(0, point)}.${padded.slice(point)}`;
  }

  /** The text: a JSON number would be read back as a double. */
  toJSON(): string {
    return this.toString();
  }

  /** −1, 0 or 1 by value (1.50 equals 1.5). NaN is the greatest and equals itself. */
  compare(other: Decimal): -1 | 0 | 1 {
    if (this.isNaN || other.isNaN) return this.isNaN === other.isNaN ? 0 : this.isNaN ? 1 : -1;
    if (this.special !== 0 || other.special !== 0) return this.special === other.special ? 0 : this.special < other.special ? -1 : 1;
    const [a, b] = this.#aligned(other);
    return a === b ? 0 : a < b ? -1 : 1;
  }

  /** Same value; the scale may differ. */
  equals(other: Decimal): boolean {
    return this.compare(other) === 0;
  }

  plus(other: Decimal | number | bigint | string): Decimal {
    const that = Decimal.from(other);
    if (this.special !== 0 || that.special !== 0) return Decimal.from(this.special + that.special);
    const [a, b] = this.#aligned(that);
    return new Decimal(a + b, Math.max(this.scale, that.scale));
  }

  minus(other: Decimal | number | bigint | string): Decimal {
    return this.plus(Decimal.from(other).negate());
  }

  /** The scale of the product is the sum of the scales, rounded where it would exceed PostgreSQL's limit. */
  times(other: Decimal | number | bigint | string): Decimal {
    const that = Decimal.from(other);
    if (this.special !== 0 || that.special !== 0) {
      if (this.isNaN || that.isNaN) return Decimal.NaN;
      return Decimal.from(this.sign * that.sign === 0 ? NaN : (this.sign * that.sign) * Infinity);
    }
    const product = new Decimal(this.unscaled * that.unscaled, this.scale + that.scale);
    return product.scale > DECIMAL_SCALE_MAX ? product.round(DECIMAL_SCALE_MAX) : product;
  }

  negate(): Decimal {
    return this.special !== 0 ? Decimal.from(-this.special) : new Decimal(-this.unscaled, this.scale);
  }

  abs(): Decimal {
    return this.sign < 0 ? this.negate() : this;
  }

  /** Rounds half away from zero, as PostgreSQL's round(); a negative scale rounds before the point. The result shows `scale` digits. */
  round(scale = 0): Decimal {
    if (this.special !== 0) return this;
    const shown = Math.max(0, scale);
    if (scale >= this.scale) return new Decimal(this.unscaled * power(scale - this.scale), scale);
    const unit = power(this.scale - scale);
    const half = unit / 2n;
    const units = (this.unscaled + (this.unscaled < 0n ? -half : half)) / unit;
    return new Decimal(scale < 0 ? units * power(-scale) : units, shown);
  }

  /** The nearest double. */
  toNumber(): number {
    return this.special !== 0 ? this.special : Number(this.toString());
  }

  valueOf(): number {
    return this.toNumber();
  }

  /** Both unscaled values at the greater of the two scales. */
  #aligned(other: Decimal): [bigint, bigint] {
    const difference = this.scale - other.scale;
    if (difference === 0) return [this.unscaled, other.unscaled];
    return difference > 0 ? [this.unscaled, other.unscaled * power(difference)] : [this.unscaled * power(-difference), other.unscaled];
  }
}

function isDigit(text: string, at: number, end: number): boolean {
  const code = text.charCodeAt(at);
  return at < end && code >= 48 && code <= 57;
}

function special(text: string, from: number, end: number): Decimal {
  const word = text.slice(from, end).toLowerCase();
  if (word === 'nan') return Decimal.NaN;
  if (word === 'infinity' || word === '+infinity' || word === 'inf' || word === '+inf') return Decimal.Infinity;
  if (word === '-infinity' || word === '-inf') return Decimal.NegativeInfinity;
  throw invalid('numeric', text);
}
