// Bringing a bound expression to a type: literals take it, other values are cast.
import { type PgType, quoteLiteral } from '../data/index.ts';
import type { Binder } from './binder.ts';
import { type Bound, constantBound, fold, isNullConstant, strictRun } from './bound.ts';
import { type CastContext, conversion } from './casts.ts';
import { EvaluationError } from './errors.ts';
import { modifier } from './modifiers.ts';
import { parserOf } from './text-io.ts';
import { builtin, is, isUnknown, same, typeName, typeText } from './types.ts';

/** The expression as a value of the type. Throws EXPRESSION_INVALID when there is no such cast or a literal is no value of it. */
export function coerce(binder: Binder, bound: Bound, type: PgType, typmod = -1, context: CastContext = 'implicit'): Bound {
  if (bound.literal !== undefined) return coerceLiteral(binder, bound, type, typmod);
  if (is(bound.type, 'json') && !is(type, 'json', 'jsonb')) return coerce(binder, coerce(binder, bound, builtin('jsonb')), type, typmod, context);
  const convert = conversion(bound.type, type, context);
  if (!convert) {
    throw binder.fail(bound.at, `cannot cast type ${typeName(bound.type)} to ${typeName(type)}`, isUnknown(type)
      ? undefined : 'write a cast to another type in between, or change the expression');
  }
  const modify = modifier(type, typmod);
  if (same(bound.type, type) && !modify) return bound;
  if (isNullConstant(bound)) return constantBound(type, typmod, null, `${bound.sql}::${typeText(type, typmod)}`, bound.at);
  const call = (value: unknown): unknown => {
    const converted = convert(value);
    return modify && converted !== null ? modify(converted) : converted;
  };
  return fold({
    type, typmod,
    run: strictRun([bound], modify ? call : convert),
    sql: `${bound.sql}::${typeText(type, typmod)}`,
    constant: bound.constant,
    at: bound.at,
  });
}

function coerceLiteral(binder: Binder, bound: Bound, type: PgType, typmod: number): Bound {
  const literal = bound.literal as string | null;
  const name = typeText(type, typmod);
  if (literal === null) return constantBound(type, typmod, null, `null::${name}`, bound.at);
  const parse = parserOf(type);
  if (!parse) throw binder.fail(bound.at, `literals of type ${typeName(type)} are not supported`);
  try {
    const value = parse(literal);
    const modify = modifier(type, typmod);
    return constantBound(type, typmod, modify ? modify(value) : value, `${quoteLiteral(literal)}::${name}`.trimStart(), bound.at);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const hint = type.kind === 'enum' ? `the values are ${(type.labels ?? []).map((label) => `'${label}'`).join(', ')}` : undefined;
    throw binder.fail(bound.at, error.message, hint);
  }
}

/** A literal whose context does not decide becomes text. */
export const settled = (binder: Binder, bound: Bound): Bound => (bound.literal === undefined ? bound : coerce(binder, bound, builtin('text')));

/** A condition: boolean, or an error that names what it is an argument of. */
export function toBool(binder: Binder, bound: Bound, what: string): Bound {
  const bool = builtin('bool');
  if (bound.literal === undefined && !same(bound.type, bool)) {
    throw binder.fail(bound.at, `argument of ${what} must be type boolean, not type ${typeName(bound.type)}`);
  }
  return coerce(binder, bound, bool);
}
