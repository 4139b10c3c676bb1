// CASE, COALESCE, GREATEST and LEAST, ARRAY[…] and subscripts.
import type { PgType } from '../data/index.ts';
import type { Binder } from './binder.ts';
import { type Bound, fold } from './bound.ts';
import { bindOperator, withCollation } from './bind-calls.ts';
import { coerce, settled, toBool } from './coerce.ts';
import { comparatorOf } from './compare.ts';
import { commonType } from './resolve.ts';
import { arrayOf, builtin, categoryOf, is, typeName, typeText } from './types.ts';

/** All parts at their common type. */
function unify(binder: Binder, parts: readonly Bound[], what: string): { type: PgType; typmod: number; parts: readonly Bound[] } {
  const type = commonType(parts.map((part) => part.type));
  if (!type && parts.some((part) => part.literal === undefined)) {
    const names = [...new Set(parts.filter((part) => part.literal === undefined).map((part) => typeName(part.type)))];
    throw binder.fail(parts.at(-1)?.at, `${what} types ${names.join(' and ')} cannot be matched`, 'cast the parts to one type');
  }
  const common = type ?? builtin('text');
  const unified = parts.map((part) => coerce(binder, part, common));
  const [first] = unified;
  const typmod = first && unified.every((part) => part.typmod === first.typmod) ? first.typmod : -1;
  return { type: common, typmod, parts: unified };
}

export interface When {
  readonly condition: Bound;
  readonly result: Bound;
}

/** CASE WHEN condition THEN result … ELSE otherwise END. */
export function searchedCase(binder: Binder, whens: readonly When[], otherwise: Bound, at: number | undefined): Bound {
  const conditions = whens.map((when) => toBool(binder, when.condition, 'CASE/WHEN'));
  const { type, typmod, parts } = unify(binder, [otherwise, ...whens.map((when) => when.result)], 'CASE');
  const [last, ...results] = parts as [Bound, ...Bound[]];
  const tests = conditions.map((condition) => condition.run);
  const runs = results.map((result) => result.run);
  return fold({
    type, typmod, at,
    sql: `(case ${conditions.map((condition, i) => `when ${condition.sql} then ${results[i]!.sql}`).join(' ')} else ${last.sql} end)`,
    constant: [...conditions, ...parts].every((part) => part.constant),
    run: (read) => {
      for (let i = 0; i < tests.length; i++) if (tests[i]!(read) === true) return runs[i]!(read);
      return last.run(read);
    },
  });
}

/** CASE value WHEN candidate THEN …: the value is compared with each candidate. */
export function simpleCase(binder: Binder, value: Bound, candidates: readonly { candidate: Bound; result: Bound; at: number | undefined }[],
  otherwise: Bound, at: number | undefined): Bound {
  const subject = settled(binder, value);
  const whens = candidates.map(({ candidate, result, at: place }) => ({ condition: bindOperator(binder, '=', [subject, candidate], place).bound,
    result }));
  return searchedCase(binder, whens, otherwise, at);
}

export function coalesce(binder: Binder, given: readonly Bound[], at: number | undefined): Bound {
  const { type, typmod, parts } = unify(binder, given, 'COALESCE');
  const runs = parts.map((part) => part.run);
  return fold({
    type, typmod, at,
    sql: `coalesce(${parts.map((part) => part.sql).join(', ')})`,
    constant: parts.every((part) => part.constant),
    run: (read) => {
      for (const run of runs) {
        const value = run(read);
        if (value !== null) return value;
      }
      return null;
    },
  });
}

/** The greatest or least of the parts that are not NULL. */
export function extreme(binder: Binder, given: readonly Bound[], greatest: boolean, at: number | undefined): Bound {
  const name = greatest ? 'greatest' : 'least';
  const { type, typmod, parts } = unify(binder, given, name.toUpperCase());
  const compare = comparatorOf(type);
  if (!compare) throw binder.fail(at, `could not identify a comparison function for type ${typeName(type)}`);
  const runs = parts.map((part) => part.run);
  const sql = parts.map((part) => (categoryOf(type) === 'S' ? withCollation(part.sql, 'C') : part.sql));
  return fold({
    type, typmod, at,
    sql: `${name}(${sql.join(', ')})`,
    constant: parts.every((part) => part.constant),
    run: (read) => {
      let best: unknown = null;
      for (const run of runs) {
        const value = run(read);
        if (value === null) continue;
        if (best === null || (greatest ? compare(value, best) > 0 : compare(value, best) < 0)) best = value;
      }
      return best;
    },
  });
}

/** ARRAY[…]. `wanted` is the element type that a cast around it asks for. */
export function arrayOfParts(binder: Binder, given: readonly Bound[], wanted: PgType | undefined, at: number | undefined): Bound {
  const nested = given.some((part) => part.type.kind === 'array');
  if (given.length === 0 && !wanted) throw binder.fail(at, 'cannot determine type of empty array', "write the type, as in array[]::text[]");
  const { type, parts } = wanted
    ? { type: wanted, parts: given.map((part) => coerce(binder, part, nested ? (arrayOf(wanted) ?? wanted) : wanted, -1, 'explicit')) }
    : unify(binder, given, 'ARRAY');
  const array = type.kind === 'array' ? type : arrayOf(type);
  if (!array) throw binder.fail(at, `arrays of ${typeName(type)} are not supported`);
  if (nested) throw binder.fail(at, 'an array of arrays cannot be built in an expression', "write it as a literal, '{{1,2},{3,4}}'");
  const runs = parts.map((part) => part.run);
  return fold({
    type: array, typmod: -1, at,
    sql: `array[${parts.map((part) => part.sql).join(', ')}]::${typeText(array)}`,
    constant: parts.every((part) => part.constant),
    run: (read) => runs.map((run) => run(read)),
  });
}

/** array[index], from 1; NULL outside of it and in an array of more dimensions. */
export function subscript(binder: Binder, list: Bound, index: Bound, at: number | undefined): Bound {
  if (list.type.kind !== 'array' || !list.type.element) {
    const hint = is(list.type, 'json', 'jsonb') ? 'write -> or ->>' : undefined;
    throw binder.fail(list.at ?? at, `cannot subscript type ${typeName(list.type)}`, hint);
  }
  const place = coerce(binder, index, builtin('int4'));
  return fold({
    type: list.type.element, typmod: list.typmod, at,
    sql: `(${list.sql})[${place.sql}]`,
    constant: list.constant && place.constant,
    run: (read) => {
      const values = list.run(read) as readonly unknown[] | null;
      const n = values === null ? null : (place.run(read) as number | null);
      const value = values === null || n === null ? undefined : values[n - 1];
      return value === undefined || Array.isArray(value) ? null : value;
    },
  });
}
