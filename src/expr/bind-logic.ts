// AND, OR, NOT, IS …, BETWEEN, IN, = ANY, IS DISTINCT FROM: three-valued logic.
import type { Binder } from './binder.ts';
import { type Bound, fold } from './bound.ts';
import { bindOperator, type Call, withCollation } from './bind-calls.ts';
import { coerce, toBool } from './coerce.ts';
import { arrayOf, builtin, categoryOf, is, isUnknown, same, typeName } from './types.ts';

const bool = builtin('bool');

const boolBound = (parts: readonly Bound[], run: Bound['run'], sql: string, at: number | undefined): Bound =>
  fold({ type: bool, typmod: -1, run, sql, at, constant: parts.every((part) => part.constant) });

export function and(parts: readonly Bound[], at: number | undefined): Bound {
  const runs = parts.map((part) => part.run);
  return boolBound(parts, (read) => {
    let result: boolean | null = true;
    for (const run of runs) {
      const value = run(read);
      if (value === false) return false;
      if (value === null) result = null;
    }
    return result;
  }, `(${parts.map((part) => part.sql).join(' and ')})`, at);
}

export function or(parts: readonly Bound[], at: number | undefined): Bound {
  const runs = parts.map((part) => part.run);
  return boolBound(parts, (read) => {
    let result: boolean | null = false;
    for (const run of runs) {
      const value = run(read);
      if (value === true) return true;
      if (value === null) result = null;
    }
    return result;
  }, `(${parts.map((part) => part.sql).join(' or ')})`, at);
}

export function not(part: Bound, at: number | undefined): Bound {
  const { run } = part;
  return boolBound([part], (read) => {
    const value = run(read);
    return value === null ? null : value !== true;
  }, `(not ${part.sql})`, at);
}

export function isNull(part: Bound, negated: boolean, at: number | undefined): Bound {
  const { run } = part;
  return boolBound([part], (read) => (run(read) === null) !== negated, `(${part.sql} is ${negated ? 'not ' : ''}null)`, at);
}

/** IS [NOT] TRUE, FALSE, UNKNOWN. */
export function isTruth(binder: Binder, part: Bound, wanted: boolean | null, negated: boolean, at: number | undefined): Bound {
  const word = wanted === null ? 'unknown' : String(wanted);
  const value = toBool(binder, part, `IS ${word.toUpperCase()}`);
  const { run } = value;
  return boolBound([value], (read) => (run(read) === wanted) !== negated, `(${value.sql} is ${negated ? 'not ' : ''}${word})`, at);
}

export function distinct(binder: Binder, operands: readonly [Bound, Bound], negated: boolean, at: number | undefined): Bound {
  const words = negated ? 'is not distinct from' : 'is distinct from';
  const { args, bound, compute } = bindOperator(binder, '=', operands, at, ([left, right]) => `(${left} ${words} ${right})`);
  const [left, right] = args as readonly [Bound, Bound];
  return boolBound(args, (read) => {
    const x = left.run(read);
    const y = right.run(read);
    const differ = x === null || y === null ? x !== y : compute(x, y) !== true;
    return differ !== negated;
  }, bound.sql, at);
}

export function nullif(binder: Binder, operands: readonly Bound[], at: number | undefined): Bound {
  const { args, compute, routine } = bindOperator(binder, '=', operands, at);
  const [left, right] = args as readonly [Bound, Bound];
  const named = (part: Bound): string => (routine.collate ? withCollation(part.sql, routine.collate) : part.sql);
  const sql = `nullif(${named(left)}, ${named(right)})`;
  return fold({
    type: left.type, typmod: left.typmod, sql, at, constant: left.constant && right.constant,
    run: (read) => {
      const x = left.run(read);
      const y = right.run(read);
      return x !== null && y !== null && compute(x, y) === true ? null : x;
    },
  });
}

/** x BETWEEN low AND high; symmetric: in either order. */
export function between(binder: Binder, value: Bound, low: Bound, high: Bound, symmetric: boolean, negated: boolean, at: number | undefined): Bound {
  const within = (from: Bound, to: Bound): Bound =>
    negated
      ? or([bindOperator(binder, '<', [value, from], at).bound, bindOperator(binder, '>', [value, to], at).bound], at)
      : and([bindOperator(binder, '>=', [value, from], at).bound, bindOperator(binder, '<=', [value, to], at).bound], at);
  if (!symmetric) return within(low, high);
  return (negated ? and : or)([within(low, high), within(high, low)], at);
}

/** x IN (…): a set of constants when equality is that of JavaScript, else one comparison after another. */
export function inList(binder: Binder, value: Bound, items: readonly Bound[], negated: boolean, at: number | undefined): Bound {
  const calls = items.map((item) => bindOperator(binder, negated ? '<>' : '=', [value, item], at));
  return constantSet(calls, negated, at) ?? (negated ? and : or)(calls.map((call) => call.bound), at);
}

function constantSet(calls: readonly Call[], negated: boolean, at: number | undefined): Bound | undefined {
  const [first] = calls;
  const left = first?.args[0];
  if (!first || !left || calls.length < 3) return undefined;
  const simple = left.type.kind === 'enum' || is(left.type, 'text', 'int2', 'int4', 'int8', 'uuid', 'bool');
  if (!simple || !calls.every((call) => call.routine === first.routine && call.args[1]?.constant && same(call.args[1].type,
    left.type))) return undefined;
  const values = calls.map((call) => call.args[1]!.run(() => null));
  const members = new Set(values);
  const other = members.has(null) ? null : negated;
  members.delete(null);
  return boolBound([left], (read) => {
    const x = left.run(read);
    return x === null ? null : members.has(x) ? !negated : other;
  }, setSql(calls, negated), at);
}

function setSql(calls: readonly Call[], negated: boolean): string {
  const [{ args: [left], routine }] = calls as unknown as [{ args: [Bound, Bound]; routine: Call['routine'] }];
  const subject = routine.collate ? withCollation(left.sql, routine.collate) : left.sql;
  return `(${subject} ${negated ? 'not ' : ''}in (${calls.map((call) => call.args[1]!.sql).join(', ')}))`;
}

/** x op ANY (array), x op ALL (array). */
export function quantified(binder: Binder, name: string, value: Bound, list: Bound, all: boolean, at: number | undefined): Bound {
  const array = list.literal === undefined ? list : coerce(binder, list, arrayOf(isUnknown(value.type)
    ? builtin('text') : value.type) ?? builtin('text[]'));
  if (array.type.kind !== 'array' || !array.type.element) throw binder.fail(list.at,
    `op ANY/ALL (array) requires array on right side, not ${typeName(array.type)}`);
  const element: Bound = { type: array.type.element, typmod: -1, sql: 'null', constant: false, at: list.at, run: () => null };
  const { args, bound, compute, routine } = bindOperator(binder, name, [value, element], at);
  if (!same(bound.type, bool)) throw binder.fail(at, 'op ANY/ALL (array) requires operator to yield boolean');
  const [left, right] = args as readonly [Bound, Bound];
  const converted = same(right.type, element.type) ? array : coerce(binder, array, arrayOf(right.type) ?? array.type);
  const text = routine.collate && categoryOf(right.type) === 'S' ? routine.collate : undefined;
  const [leftSql, sql] = [left, converted].map((part) => (text ? withCollation(part.sql, text) : part.sql));
  return boolBound([left, array], (read) => {
    const x = left.run(read);
    const values = converted.run(read) as readonly unknown[] | null;
    if (values === null) return null;
    let result: boolean | null = all;
    for (const y of values.flat(10)) {
      const answer = x === null || y === null ? null : compute(x, y);
      if (answer === !all) return !all;
      if (answer === null) result = null;
    }
    return result;
  }, `(${leftSql} ${name} ${all ? 'all' : 'any'} (${sql}))`, at);
}
