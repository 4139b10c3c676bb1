// Functions of numbers.
import { Decimal } from '../../data/index.ts';
import { mod, powerOf, roundTo, sqrt } from '../decimal-math.ts';
import { power8, root8 } from '../float-math.ts';
import { arithmetic2, arithmetic4, arithmetic8, roundEven } from '../numbers.ts';
import { routine, type Routine } from '../routine.ts';

const SCALE_MAX = 2000;
const clamp = (scale: number): number => Math.max(-SCALE_MAX, Math.min(SCALE_MAX, scale));

const sign = (value: Decimal): Decimal => (value.isNaN ? value : new Decimal(BigInt(value.sign)));

/** Same doc for several types. */
const each = (name: string, doc: string, calls: Readonly<Record<string, (...values: any[]) => unknown>>): Routine[] =>
  Object.entries(calls).map(([signature, call]) => routine(name, signature, call, doc));

export const mathFunctions: Routine[] = [
  ...each('abs', 'Absolute value', {
    'int2 -> int2': arithmetic2.abs, 'int4 -> int4': arithmetic4.abs, 'int8 -> int8': arithmetic8.abs,
    'float4 -> float4': Math.abs, 'float8 -> float8': Math.abs, 'numeric -> numeric': (value: Decimal) => value.abs(),
  }),
  ...['ceil', 'ceiling'].flatMap((name) => each(name, 'The next whole number above', {
    'numeric -> numeric': (value: Decimal) => roundTo(value, 0, 'ceil'), 'float8 -> float8': Math.ceil,
  })),
  ...each('floor', 'The next whole number below', { 'numeric -> numeric': (value: Decimal) => roundTo(value, 0, 'floor'),
    'float8 -> float8': Math.floor }),
  ...each('round', 'Rounded to a whole number: numeric half away from zero, float8 half to even', {
    'numeric -> numeric': (value: Decimal) => value.round(0), 'float8 -> float8': roundEven,
  }),
  routine('round', 'numeric, int4 -> numeric', (value: Decimal, scale: number) => value.round(clamp(scale)),
    'Rounded to so many digits, before the point if negative'),
  ...each('trunc', 'Without its fraction', { 'numeric -> numeric': (value: Decimal) => roundTo(value, 0, 'trunc'), 'float8 -> float8': Math.trunc }),
  routine('trunc', 'numeric, int4 -> numeric', (value: Decimal, scale: number) => roundTo(value, clamp(scale), 'trunc'),
    'Cut to so many digits, before the point if negative'),
  ...each('mod', 'Remainder, with the sign of the dividend', {
    'int2, int2 -> int2': arithmetic2.mod, 'int4, int4 -> int4': arithmetic4.mod, 'int8, int8 -> int8': arithmetic8.mod,
      'numeric, numeric -> numeric': mod,
  }),
  ...each('sign', '−1, 0 or 1', { 'numeric -> numeric': sign, 'float8 -> float8': (value: number) => (value > 0 ? 1 : value < 0 ? -1 : 0) }),
  ...['power', 'pow'].flatMap((name) => each(name, 'Power; of numeric with a whole exponent', { 'float8, float8 -> float8': power8,
    'numeric, numeric -> numeric': powerOf })),
  ...each('sqrt', 'Square root', { 'float8 -> float8': root8, 'numeric -> numeric': sqrt }),
];
