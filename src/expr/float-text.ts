// float4 and float8 as PostgreSQL reads and writes them.
import { badInput, evaluationFailed, typeInMessages } from './errors.ts';

/** Throws EvaluationError 22P02 for what is no number and 22003 for what does not fit. */
export function parseFloatText(type: 'float4' | 'float8', text: string): number {
  const word = text.trim().toLowerCase();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(word)) {
    const exact = Number(word);
    const value = type === 'float4' ? Math.fround(exact) : exact;
    const zero = /^[+-]?[0.]*(e|$)/.test(word);
    if (!Number.isFinite(value) || (value === 0 && !zero)) return evaluationFailed('22003',
      `"${text.trim()}" is out of range for type ${typeInMessages(type)}`);
    return value;
  }
  // As PostgreSQL does, what does not fit comes before what follows it.
  const start = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=.)/.exec(word)?.[0];
  if (start !== undefined) parseFloatText(type, start);
  if (word === 'nan' || word === '+nan' || word === '-nan') return NaN;
  if (/^\+?inf(inity)?$/.test(word)) return Infinity;
  if (/^-inf(inity)?$/.test(word)) return -Infinity;
  return badInput(type, text);
}

/** The shortest text that reads back as the same value, in PostgreSQL's spelling. */
export const floatText8 = (value: number): string => spellFloat(value, shortest8(value), 15);
export const floatText4 = (value: number): string => spellFloat(value, shortest4(value), 6);

function shortest8(value: number): string {
  const text = value.toExponential();
  if (!onBoundary(value, text, 52)) return text;
  const digits = text.indexOf('e') - 1;
  const longer = [digits, digits + 1, digits + 2].map((more) => value.toExponential(Math.min(more, 17)));
  return longer.find((one) => Number(one) === value && !onBoundary(value, one, 52)) ?? text;
}

function shortest4(value: number): string {
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value && !onBoundary(value, text, 23)) return tieToEven(value, text, digits);
  }
  return value.toExponential();
}

/**
 * Whether the text lies exactly between the value and its neighbour. It reads back (ties go to even), but PostgreSQL writes a longer one.
 * Only whole numbers with more bits than the type's `fraction` can be so.
 */
function onBoundary(value: number, text: string, fraction: number): boolean {
  if (!Number.isFinite(value) || Math.abs(value) < 2 ** (fraction + 1)) return false;
  const exact = BigInt(value);
  const bits = (exact < 0n ? -exact : exact).toString(2).length;
  const [mantissa, exponent] = text.split('e') as [string, string];
  const [whole, rest = ''] = mantissa.split('.') as [string, string?];
  const shift = Number(exponent) - rest.length;
  if (shift < 0) return false;
  const distance = BigInt(whole + rest) * 10n ** BigInt(shift) - exact;
  return (distance < 0n ? -distance : distance) * 2n === 1n << BigInt(bits - 1 - fraction);
}

/** Of two shortest texts that are equally near PostgreSQL takes the even one, toExponential the greater. */
function tieToEven(value: number, text: string, digits: number): string {
  const longer = value.toExponential(digits + 1);
  const [mantissa, exponent] = longer.split('e') as [string, string];
  if (!mantissa.endsWith('5') || Number(longer) !== value) return text;
  const even = `${mantissa.slice(0, -1)}e${exponent}`;
  return /[02468]e/.test(even) && Math.fround(Number(even)) === value ? even : text;
}

/** Plain below 10^`plainMax` and above 10^-5, else with an exponent of at least two digits. */
function spellFloat(value: number, exponential: string, plainMax: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, power] = exponential.split('e') as [string, string];
  const exponent = Number(power);
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '').replace(/0+$/, '') || '0';
  if (exponent < -4 || exponent >= plainMax) {
    const shown = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
    return `${sign}${shown}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}
