// Operators and function calls: resolution, coercion of the arguments, and the call.
import { nearestName, quoteIdent } from '../data/index.ts';
import type { Binder } from './binder.ts';
import { type Bound, constantBound, fold, isNullConstant, looseRun, strictRun } from './bound.ts';
import { coerce } from './coerce.ts';
import { EvaluationError } from './errors.ts';
import { functions } from './functions/index.ts';
import { operators } from './operators/index.ts';
import { concreteType, type Resolution, resolve, resolveOperator } from './resolve.ts';
import type { Routine } from './routine.ts';
import { builtin, categoryOf, is, typeName } from './types.ts';

export interface Call {
  readonly bound: Bound;
  /** The arguments at the types that the routine takes. */
  readonly args: readonly Bound[];
  readonly routine: Routine;
  /** The routine on the values of the arguments, none of them NULL (unless a constant one is built in: like `pattern`). */
  readonly compute: (...values: any[]) => unknown;
}

/** Makes the SQL of a call from that of its arguments. */
type SqlOf = (args: readonly string[]) => string;

/** An operator with one operand or two. */
export function bindOperator(binder: Binder, name: string, operands: readonly Bound[], at: number | undefined, sqlOf: SqlOf = infix(name)): Call {
  const given = operands.map((operand) => unjson(binder, operand));
  const types = given.map((operand) => operand.type);
  const all = operators.get(name === '!=' ? '<>' : name) ?? [];
  const resolution = resolveOperator(all.filter((one) => one.args.length === operands.length), types);
  if ('found' in resolution) return makeCall(binder, resolution.found, given, sqlOf, at);
  const shown = types.length === 1 ? `${name} ${typeName(types[0]!)}` : `${typeName(types[0]!)} ${name} ${typeName(types[1]!)}`;
  throw binder.fail(at, `operator ${resolution.failed === 'none' ? 'does not exist' : 'is not unique'}: ${shown}`, operatorHint(name,
    all.length > 0));
}

const operatorHint = (name: string, known: boolean): string =>
  known
    ? 'write casts so that both sides have types that the operator takes'
    : `the operators are ${[...operators.keys()].filter((key) => key !== name).join(' ')}`;

export function bindFunction(binder: Binder, name: string, given: readonly Bound[], at: number | undefined): Call {
  const args = given.map((arg) => unjson(binder, arg));
  const candidates = functions.get(name);
  if (!candidates) throw unknownFunction(binder, name, at);
  const types = args.map((arg) => arg.type);
  const resolution: Resolution = resolve(candidates, types);
  if ('found' in resolution) return makeCall(binder, resolution.found, args, (sql) => `pg_catalog.${quoteIdent(name)}(${sql.join(', ')})`, at);
  const signatures = candidates.map((one) => `${name}(${one.args.map(typeName).join(', ')}${one.variadic ? ', …' : ''})`);
  const problem = resolution.failed === 'none' ? 'does not exist' : 'is not unique';
  throw binder.fail(at, `function ${name}(${types.map(typeName).join(', ')}) ${problem}`,
    `there is ${[...new Set(signatures)].join(', ')}: write casts that fit`);
}

const changing = new Set(['now', 'random', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp', 'timeofday', 'gen_random_uuid',
  'uuidv4', 'uuidv7', 'nextval', 'currval', 'current_setting', 'txid_current', 'pg_backend_pid', 'version', 'age']);

function unknownFunction(binder: Binder, name: string, at: number | undefined): Error {
  if (changing.has(name)) return binder.fail(at, `function ${name} is not immutable`, 'use a function whose result depends on its arguments only');
  const near = nearestName(name, functions.keys());
  return binder.fail(at, `function ${name} does not exist`, near === undefined
    ? 'the functions are listed in docs/reference/expressions.md' : `did you mean ${near}?`);
}

/** json is computed as jsonb. */
const unjson = (binder: Binder, bound: Bound): Bound => (is(bound.type, 'json') ? coerce(binder, bound, builtin('jsonb')) : bound);

function makeCall(binder: Binder, routine: Routine, given: readonly Bound[], sqlOf: SqlOf, at: number | undefined): Call {
  const types = given.map((arg) => arg.type);
  const args = given.map((arg, i) => coerce(binder, arg, concreteType(routine, i, types)));
  const { call, rest } = preparedCall(binder, routine, args);
  const sql = outward(routine, sqlOf(collated(routine, args)));
  // PostgreSQL simplifies so before it runs anything: the other arguments are not computed, so they cannot fail.
  if (routine.strict && args.some(isNullConstant)) return { bound: constantBound(routine.result, -1, null, sql, at), args, routine, compute: call };
  const ordered = routine.commuted ? rest.toReversed() : rest;
  const bound = fold({
    type: routine.result,
    typmod: -1,
    run: (routine.strict ? strictRun : looseRun)(ordered, call),
    sql,
    constant: args.every((arg) => arg.constant),
    at,
  });
  return { bound, args, routine, compute: call };
}

/** The function to call, and the arguments it still takes: a constant unit or pattern is built in. */
function preparedCall(binder: Binder, routine: Routine, args: readonly Bound[]): { call: Routine['call']; rest: readonly Bound[] } {
  if (routine.specialise) return { call: routine.specialise(args.map((arg) => arg.type)), rest: args };
  const constant = routine.prepare && args[routine.prepare.at];
  if (!routine.prepare || !constant) return { call: routine.call, rest: args };
  if (!constant.constant) return { call: remembering(routine.prepare), rest: args };
  try {
    const value = constant.run(() => null);
    if (value === null) return { call: routine.call, rest: args };
    const { at } = routine.prepare;
    return { call: routine.prepare.make(value), rest: args.filter((_, i) => i !== at) };
  } catch (error) {
    if (error instanceof EvaluationError) throw binder.fail(constant.at, error.message);
    throw error;
  }
}

/** A pattern that comes from a column is prepared again only when it changes. */
function remembering({ at, make }: NonNullable<Routine['prepare']>): Routine['call'] {
  let last: unknown;
  let call: Routine['call'] | undefined;
  return (...values: any[]) => {
    if (call === undefined || values[at] !== last) {
      call = make(values[at]);
      last = values[at];
    }
    values.splice(at, 1);
    return call(...values);
  };
}

/** The SQL of the arguments, with the collation in which PostgreSQL agrees. */
function collated(routine: Routine, args: readonly Bound[]): string[] {
  const sql = args.map((arg) => arg.sql);
  if (routine.collate === undefined) return sql;
  return sql.map((text, i) => (categoryOf((args[i] as Bound).type) === 'S' ? withCollation(text, routine.collate as 'C') : text));
}

/** A collation that was named goes on with the result; two different ones in one call would be an error. So all results go on with "C". */
const outward = (routine: Routine, sql: string): string => (routine.collate === 'icu' && categoryOf(routine.result) === 'S' ? withCollation(sql,
  'C') : sql);

/** The operand with a collation named, unless it is named already. */
export function withCollation(sql: string, collate: 'C' | 'icu'): string {
  const named = ` collate ${collate === 'C' ? '"C"' : '"und-x-icu"'})`;
  return sql.endsWith(named) ? sql : `(${sql}${named}`;
}

const infix = (name: string): SqlOf => ([left, right]) => (right === undefined ? `(${name} ${left})` : `(${left} ${name} ${right})`);

