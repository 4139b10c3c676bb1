// = <> < <= > >= for each pair of types that PostgreSQL compares.
import { CalendarDate, type PgType, type Timestamp } from '../../data/index.ts';
import { type Compare, compareFloats, comparatorOf } from '../compare.ts';
import { jsonEquals } from '../json.ts';
import { routine, type Routine, type RoutineOptions } from '../routine.ts';
import { builtin } from '../types.ts';

const tests: readonly (readonly [name: string, test: (order: number) => boolean, doc: string])[] = [
  ['=', (order) => order === 0, 'Equal'],
  ['<>', (order) => order !== 0, 'Not equal'],
  ['<', (order) => order < 0, 'Less'],
  ['<=', (order) => order <= 0, 'Less or equal'],
  ['>', (order) => order > 0, 'Greater'],
  ['>=', (order) => order >= 0, 'Greater or equal'],
];

function six(left: string, right: string, compare: Compare, options: RoutineOptions = {}): Routine[] {
  return tests.map(([name, test, doc]) => routine(name, `${left}, ${right} -> bool`, (a, b) => test(compare(a, b)), doc, options));
}

/** Operators whose operands have a pseudo-type: their types are known when the expression is bound. */
function polymorphic(type: 'anyenum' | 'anyarray'): Routine[] {
  return tests.map(([name, test, doc]) => {
    const specialise = ([left]: readonly PgType[]): Routine['call'] => {
      const compare = comparatorOf(left as PgType);
      if (compare) return (a, b) => test(compare(a, b));
      throw new Error(`no order for ${(left as PgType).name}`);
    };
    return routine(name, `${type}, ${type} -> bool`, () => null, doc, { specialise });
  });
}

const ints = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const own = (type: string): Compare => comparatorOf(builtin(type)) as Compare;

/** A date and a moment: the date's midnight. */
const midnight = (date: CalendarDate): bigint => (date.isFinite ? BigInt(date.days) * 86_400_000_000n : date.days > 0 ? 1n << 64n : -(1n << 64n));
const dateFirst: Compare = (a: CalendarDate, b: Timestamp) => ints(midnight(a), b.epochUs);
const dateLast: Compare = (a: Timestamp, b: CalendarDate) => ints(a.epochUs, midnight(b));

const integers = ['int2', 'int4', 'int8'];

export const comparisonOperators: Routine[] = [
  ...integers.flatMap((left) => integers.flatMap((right) => six(left, right, ints))),
  ...['float4', 'float8'].flatMap((left) => ['float4', 'float8'].flatMap((right) => six(left, right, compareFloats))),
  ...['bool', 'numeric', 'date', 'time', 'timestamp', 'timestamptz', 'interval', 'uuid', 'bytea', 'oid'].flatMap((type) => six(type, type,
    own(type))),
  ...['text', 'bpchar'].flatMap((type) => six(type, type, own(type), { collate: 'C' })),
  ...six('timestamp', 'timestamptz', own('timestamp')),
  ...six('timestamptz', 'timestamp', own('timestamp')),
  ...['timestamp', 'timestamptz'].flatMap((moment) => [...six('date', moment, dateFirst), ...six(moment, 'date', dateLast)]),
  routine('=', 'jsonb, jsonb -> bool', jsonEquals, 'Equal'),
  routine('<>', 'jsonb, jsonb -> bool', (a, b) => !jsonEquals(a, b), 'Not equal'),
  ...polymorphic('anyenum'),
  ...polymorphic('anyarray'),
];

