// float4 and float8 as PostgreSQL prints them: the shortest decimal that reads back as the same value, in fixed notation while the exponent
// is at least −4 and below 15 (float8) or 6 (float4), otherwise as 1e+15. After PostgreSQL's documentation of extra_float_digits and its
// tests; where two decimals are equally good, or one lies between two values, it does not choose as JavaScript does.

/** `d.ddde±x`, as toExponential gives it → PostgreSQL's spelling. */
function spell(exponential: string, fixedBelow: number): string {
  const at = exponential.indexOf('e');
  const exponent = Number(exponential.slice(at + 1));
  const mantissa = exponential.slice(0, at);
  if (exponent < -4 || exponent >= fixedBelow) {
    const size = Math.abs(exponent);
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`;
  }
  const negative = mantissa.startsWith('-');
  const digits = mantissa.replace('-', '').replace('.', '');
  const sign = negative ? '-' : '';
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return digits.length > exponent + 1 ? `${sign}${whole}.${digits.slice(exponent + 1)}` : sign + whole;
}

function special(value: number): string | undefined {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : value === 0 ? '0' : undefined;
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

const view = new DataView(new ArrayBuffer(8));

/** The doubles next to one. */
function neighbours(value: number): [number, number] {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  return [bits - 1n, bits + 1n].map((near) => {
    view.setBigUint64(0, near);
    return view.getFloat64(0);
  }) as [number, number];
}

/**
 * Whether digits lie exactly between a double and its neighbour: JavaScript takes them when the double is the even one of the two,
 * PostgreSQL never does. Happens to large whole numbers only: 1e23.
 */
function halfway(value: number, exponential: string): boolean {
  const at = exponential.indexOf('e');
  const digits = exponential.slice(0, at).replace('.', '');
  const zeros = Number(exponential.slice(at + 1)) - digits.replace('-', '').length + 1;
  if (zeros < 0) return false;
  const twice = BigInt(digits) * 10n ** BigInt(zeros) * 2n;
  return neighbours(value).some((near) => Number.isFinite(near) && BigInt(value) + BigInt(near) === twice);
}

/** The shortest digits that only this double reads from. */
export function float8Text(value: number): string {
  const known = special(value);
  if (known !== undefined) return known;
  let text = value.toExponential();
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER && halfway(value, text)) {
    let digits = text.replace('-', '').indexOf('e') - 1;
    do text = value.toExponential(digits++);
    while (Number(text) !== value || halfway(value, text));
  }
  return spell(text, 15);
}

/** Whether single precision reads `text` as `value` without rounding from exactly between it and a neighbour. */
function reads(text: string, value: number): boolean {
  const near = Number(text);
  if (Math.fround(near) !== value) return false;
  view.setFloat32(0, value);
  const bits = view.getInt32(0);
  return [bits - 1, bits + 1].every((beside) => {
    view.setInt32(0, beside);
    return near !== (view.getFloat32(0) + value) / 2;
  });
}

/** The smallest normal number of single precision. */
export const FLOAT4_NORMAL_MIN = 1.1754943508222875e-38;

/** The shortest digits that single precision tells apart: at most nine. A double that means a single (0.1) is taken for it. */
export function float4Text(given: number): string {
  const value = Math.fround(given);
  const known = special(value);
  if (known !== undefined) return known;
  // Above the smallest normal number no two decimals of six digits mean the same value: if the nearest does not do, none does.
  const first = Math.abs(value) >= FLOAT4_NORMAL_MIN && Math.fround(Number(value.toPrecision(6))) !== value ? 6 : 0;
  for (let digits = first; digits < 9; digits++) {
    const nearest = value.toExponential(digits);
    if (reads(nearest, value)) return spell(tieToEven(value, nearest, digits), 6);
    // Above a power of two the neighbours are twice as far away as below it: the digits next to the nearest ones may do.
    const further = (Number(nearest) + Math.sign(value) * 10 ** (Number(nearest.slice(nearest.indexOf('e') + 1)) - digits)).toExponential(digits);
    if (reads(further, value)) return spell(further, 6);
  }
  return spell(value.toExponential(8), 6);
}

/** toExponential rounds a value exactly between two decimals up; PostgreSQL takes the even one, if it reads back. */
function tieToEven(value: number, nearest: string, digits: number): string {
  const last = nearest.indexOf('e') - 1;
  const odd = Number(nearest[last]) % 2 === 1;
  if (!odd || !/^50*$/.test(Math.abs(value).toExponential(20).replace('.', '').slice(digits + 1, 21))) return nearest;
  const even = `${nearest.slice(0, last)}${Number(nearest[last]) - 1}${nearest.slice(last + 1)}`;
  return reads(even, value) ? even : nearest;
}
