// + - * / % ^ @ on numbers, for each pair of types that PostgreSQL has an operator for.
import { Decimal } from '../../data/index.ts';
import { divide, fit, mod, powerOf } from '../decimal-math.ts';
import { power8 } from '../float-math.ts';
import {
  type Arithmetic, arithmetic2, arithmetic4, arithmetic8, arithmeticF4, arithmeticF8,
} from '../numbers.ts';
import { routine, type Routine } from '../routine.ts';

const decimals: Arithmetic<Decimal> = {
  plus: (a, b) => fit(a.plus(b)),
  minus: (a, b) => fit(a.minus(b)),
  times: (a, b) => fit(a.times(b)),
  over: (a, b) => fit(divide(a, b)),
  mod,
  negate: (a) => a.negate(),
  abs: (a) => a.abs(),
};

const four = [['+', 'plus', 'Sum'], ['-', 'minus', 'Difference'], ['*', 'times', 'Product'], ['/', 'over',
  'Quotient; of integers without its fraction']] as const;

/** The binary operators of one pair of types; `left` and `right` bring the operands to the type of the arithmetic. */
function binary(types: string, arithmetic: Omit<Arithmetic<any>, 'mod'>, left?: (v: any) => unknown, right?: (v: any) => unknown): Routine[] {
  return four.map(([name, method, doc]) => {
    const compute = arithmetic[method];
    const call = left ? (a: unknown, b: unknown) => compute(left(a), b) : right ? (a: unknown, b: unknown) => compute(a, right(b)) : compute;
    return routine(name, types, call, doc);
  });
}

function unary(type: string, arithmetic: Omit<Arithmetic<any>, 'mod'>): Routine[] {
  return [
    routine('-', `${type} -> ${type}`, arithmetic.negate, 'Negative'),
    routine('+', `${type} -> ${type}`, (a) => a, 'The number itself'),
    routine('@', `${type} -> ${type}`, arithmetic.abs, 'Absolute value'),
  ];
}

const remainder = (type: string, arithmetic: Arithmetic<any>): Routine => routine('%', `${type}, ${type} -> ${type}`, arithmetic.mod,
  'Remainder, with the sign of the dividend');

export const arithmeticOperators: Routine[] = [
  ...binary('int2, int2 -> int2', arithmetic2),
  ...binary('int4, int4 -> int4', arithmetic4),
  ...binary('int2, int4 -> int4', arithmetic4),
  ...binary('int4, int2 -> int4', arithmetic4),
  ...binary('int8, int8 -> int8', arithmetic8),
  ...['int2', 'int4'].flatMap((small) => [
    ...binary(`${small}, int8 -> int8`, arithmetic8, BigInt),
    ...binary(`int8, ${small} -> int8`, arithmetic8, undefined, BigInt),
  ]),
  ...binary('float4, float4 -> float4', arithmeticF4),
  ...binary('float8, float8 -> float8', arithmeticF8),
  ...binary('float4, float8 -> float8', arithmeticF8),
  ...binary('float8, float4 -> float8', arithmeticF8),
  ...binary('numeric, numeric -> numeric', decimals),
  ...unary('int2', arithmetic2),
  ...unary('int4', arithmetic4),
  ...unary('int8', arithmetic8),
  ...unary('float4', arithmeticF4),
  ...unary('float8', arithmeticF8),
  ...unary('numeric', decimals),
  remainder('int2', arithmetic2),
  remainder('int4', arithmetic4),
  remainder('int8', arithmetic8),
  remainder('numeric', decimals),
  routine('^', 'float8, float8 -> float8', power8, 'Power'),
  routine('^', 'numeric, numeric -> numeric', powerOf, 'Power, with a whole exponent'),
];
