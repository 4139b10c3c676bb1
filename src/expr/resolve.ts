// Choosing a routine by its argument types, as PostgreSQL does (its documentation, chapter "Type Conversion": Operators, Functions).
import type { PgType } from '../data/index.ts';
import { canCoerce } from './casts.ts';
import type { Routine } from './routine.ts';
import { builtin, categoryOf, type Category, isPreferred, isUnknown, same } from './types.ts';

/** The chosen routine, or why there is none. */
export type Resolution = { readonly found: Routine } | { readonly failed: 'none' | 'ambiguous' };

/** An operator: an operand of unknown type is first taken to be of the other operand's type. */
export function resolveOperator(candidates: readonly Routine[], types: readonly PgType[]): Resolution {
  const [left, right] = types;
  if (left && right && isUnknown(left) !== isUnknown(right)) {
    const known = isUnknown(left) ? right : left;
    const exact = exactly(candidates, [known, known]);
    if (exact) return { found: exact };
  }
  return resolve(candidates, types);
}

export function resolve(candidates: readonly Routine[], types: readonly PgType[]): Resolution {
  const exact = exactly(candidates, types);
  if (exact) return { found: exact };
  const fitting = candidates.filter((one) => arityFits(one, types.length) && types.every((type, i) => fits(type, argType(one, i), types, one)));
  if (fitting.length === 0) return { failed: 'none' };
  const one = select(fitting, types);
  return one ? { found: one } : { failed: 'ambiguous' };
}

/** The declared type of the argument at a place. */
const argType = (one: Routine, at: number): PgType => one.args[Math.min(at, one.args.length - 1)] as PgType;

const arityFits = (one: Routine, count: number): boolean => (one.variadic ? count >= one.args.length : count === one.args.length);

const exactly = (candidates: readonly Routine[], types: readonly PgType[]): Routine | undefined =>
  candidates.find((one) => arityFits(one, types.length) && types.every((type, i) => same(type, argType(one, i))));

function fits(type: PgType, wanted: PgType, types: readonly PgType[], one: Routine): boolean {
  if (wanted.kind !== 'pseudo') return isUnknown(type) || canCoerce(type, wanted, 'implicit');
  if (wanted.name === 'any') return true;
  if (wanted.name === 'anyelement') return elementOf(one, types) !== undefined && (isUnknown(type) || same(type, elementOf(one, types) as PgType));
  if (isUnknown(type)) return types.some((other, i) => !isUnknown(other) && argType(one, i).name === wanted.name);
  if (!isPolymorph(type, wanted.name)) return false;
  return types.every((other, i) => argType(one, i).name !== wanted.name || isUnknown(other) || same(other, type));
}

/** What the call's anyarray argument is an array of. */
function elementOf(one: Routine, types: readonly PgType[]): PgType | undefined {
  return types.find((type, i) => argType(one, i).name === 'anyarray' && type.kind === 'array')?.element;
}

/** The type that an argument is brought to: the declared one, or the one that a pseudo-type stands for in this call. */
export function concreteType(one: Routine, at: number, types: readonly PgType[]): PgType {
  const wanted = argType(one, at);
  const own = types[at] as PgType;
  if (wanted.kind !== 'pseudo') return wanted;
  if (wanted.name === 'any') return isUnknown(own) ? builtin('text') : own;
  if (!isUnknown(own)) return own;
  if (wanted.name === 'anyelement') return elementOf(one, types) ?? own;
  return types.find((type, i) => !isUnknown(type) && argType(one, i).name === wanted.name) ?? own;
}

function isPolymorph(type: PgType, name: string): boolean {
  if (name === 'anyarray') return type.kind === 'array';
  if (name === 'anyenum') return type.kind === 'enum';
  if (name === 'anynonarray') return type.kind !== 'array';
  return true;
}

/** Steps 4 to 6 of the documented rules, in their order. */
function select(fitting: Routine[], types: readonly PgType[]): Routine | undefined {
  const known = types.map((type, i) => ({ type, i })).filter(({ type }) => !isUnknown(type));
  const count = (one: Routine, test: (type: PgType, wanted: PgType) => boolean): number =>
    known.filter(({ type, i }) => test(type, argType(one, i))).length;
  let left = best(fitting, (one) => count(one, same));
  if (left.length === 1) return left[0];
  left = best(left, (one) => count(one, (type, wanted) => same(type, wanted) || (isPreferred(wanted) && categoryOf(wanted) === categoryOf(type))));
  if (left.length === 1) return left[0];
  if (known.length === types.length) return undefined;
  left = byUnknowns(left, types);
  if (left.length === 1) return left[0];
  const [first] = known;
  if (!first || known.some(({ type }) => !same(type, first.type))) return undefined;
  const assumed = left.filter((one) => types.every((_, i) => canCoerce(first.type, argType(one, i), 'implicit')));
  return assumed.length === 1 ? assumed[0] : undefined;
}

function best(candidates: Routine[], score: (one: Routine) => number): Routine[] {
  const top = Math.max(...candidates.map(score));
  return candidates.filter((one) => score(one) === top);
}

/** For each argument of unknown type: strings if any candidate takes them, else the one category that all take. */
function byUnknowns(candidates: Routine[], types: readonly PgType[]): Routine[] {
  const chosen = new Map<number, { category: Category; preferred: boolean }>();
  for (const [i, type] of types.entries()) {
    if (!isUnknown(type)) continue;
    const wanted = candidates.map((one) => argType(one, i));
    const categories = new Set(wanted.map(categoryOf));
    const category = categories.has('S') ? 'S' : categories.size === 1 ? [...categories][0] : undefined;
    if (category === undefined) return candidates;
    chosen.set(i, { category, preferred: wanted.some((one) => categoryOf(one) === category && isPreferred(one)) });
  }
  const left = candidates.filter((one) =>
    [...chosen].every(([i, { category, preferred }]) => categoryOf(argType(one, i)) === category && (!preferred || isPreferred(argType(one, i)))));
  return left.length > 0 ? left : candidates;
}

/** The type that CASE, COALESCE, IN and arrays give to their parts ("UNION, CASE, and Related Constructs"). Undefined when they do not match. */
export function commonType(types: readonly PgType[]): PgType | undefined {
  let best: PgType | undefined;
  for (const type of types) {
    if (isUnknown(type)) continue;
    if (best === undefined) best = type;
    else if (!same(type, best)) {
      if (categoryOf(type) !== categoryOf(best)) return undefined;
      if (!isPreferred(best) && canCoerce(best, type, 'implicit') && !canCoerce(type, best, 'implicit')) best = type;
    }
  }
  return best;
}
