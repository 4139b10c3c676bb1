// Binding an expression to the columns it reads. The kinds of syntax nodes and what they mean.
import type { A_Const, A_Expr, BoolExpr, CaseExpr, FuncCall, TypeCast } from 'libpg-query';
import { Decimal, type PgType } from '../data/index.ts';
import { bindFunction, bindOperator } from './bind-calls.ts';
import { arrayOfParts, coalesce, extreme, searchedCase, simpleCase, subscript } from './bind-choice.ts';
import { and, between, distinct, inList, isNull, isTruth, not, nullif, or, quantified } from './bind-logic.ts';
import { bindType, stringOf } from './bind-types.ts';
import type { Binder } from './binder.ts';
import { type Bound, constantBound } from './bound.ts';
import { coerce, toBool } from './coerce.ts';
import type { Node } from './grammar.ts';
import { builtin, same } from './types.ts';

/** One node of the tree as a bound expression. */
export function bindNode(binder: Binder, node: Node): Bound {
  const [kind, value] = Object.entries(node)[0] as [string, unknown];
  const bind = nodes[kind];
  if (!bind) throw binder.fail(locationOf(binder, value), refusals[kind] ?? `this kind of expression is not supported (${kind})`);
  return bind(binder, value);
}

const refusals: Readonly<Record<string, string>> = {
  SubLink: 'a subquery cannot be used here: an expression sees one row',
  ParamRef: 'parameters cannot be used here',
  SQLValueFunction: 'the current time and user are not immutable, so they cannot be used here',
  RowExpr: 'rows cannot be built here: compare the values one by one',
  CollateClause: 'COLLATE is not supported: text is ordered by code points (collation "C")',
  GroupingFunc: 'GROUPING cannot be used here',
};

const locationOf = (binder: Binder, value: unknown): number | undefined => binder.at((value as { location?: number } | undefined)?.location);

const nodes: Readonly<Record<string, (binder: Binder, node: any) => Bound>> = {
  A_Const: bindConstant,
  A_Expr: bindExpr,
  BoolExpr: bindBool,
  CaseExpr: bindCase,
  FuncCall: bindCall,
  TypeCast: bindCast,
  ColumnRef(binder, node: { fields?: Node[]; location?: number }) {
    const at = binder.at(node.location);
    if ((node.fields ?? []).some((field) => !('String' in field))) throw binder.fail(at, '* cannot be used here: an expression is one value');
    return binder.column((node.fields ?? []).map(stringOf), at);
  },
  NullTest: (binder, node: { arg?: Node; nulltesttype?: string; location?: number }) =>
    isNull(binder.bind(node.arg), node.nulltesttype === 'IS_NOT_NULL', binder.at(node.location)),
  BooleanTest(binder, node: { arg?: Node; booltesttype?: string; location?: number }) {
    const [, negation, word] = /^IS_(NOT_)?(\w+)$/.exec(node.booltesttype ?? '') ?? [];
    return isTruth(binder, binder.bind(node.arg), word === 'UNKNOWN' ? null : word === 'TRUE', negation !== undefined, binder.at(node.location));
  },
  CoalesceExpr: (binder, node: { args?: Node[]; location?: number }) => coalesce(binder, bindAll(binder, node.args), binder.at(node.location)),
  MinMaxExpr: (binder, node: { args?: Node[]; op?: string; location?: number }) =>
    extreme(binder, bindAll(binder, node.args), node.op === 'IS_GREATEST', binder.at(node.location)),
  A_ArrayExpr: (binder, node: { elements?: Node[]; location?: number }) => arrayOfParts(binder, bindAll(binder, node.elements), undefined,
    binder.at(node.location)),
  A_Indirection(binder, node: { arg?: Node; indirection?: Node[] }) {
    const value = binder.bind(node.arg);
    const [step] = node.indirection ?? [];
    if (node.indirection?.length !== 1 || !step || !('A_Indices' in step) || step.A_Indices.is_slice) throw binder.fail(value.at,
      'only one subscript, as in tags[1], is supported');
    return subscript(binder, value, binder.bind(step.A_Indices.uidx), value.at);
  },
};

const bindAll = (binder: Binder, list: readonly Node[] | undefined): Bound[] => (list ?? []).map((node) => binder.bind(node));

function bindConstant(binder: Binder, node: A_Const): Bound {
  const at = binder.at(node.location);
  const unknown = builtin('unknown');
  if (node.isnull) return { ...constantBound(unknown, -1, null, 'null', at), literal: null };
  if ('sval' in node && node.sval) return { ...constantBound(unknown, -1, null, '', at), literal: node.sval.sval ?? '' };
  if ('ival' in node && node.ival) return integer(BigInt(node.ival.ival ?? 0), at);
  if ('boolval' in node && node.boolval) return constantBound(builtin('bool'), -1, node.boolval.boolval ?? false,
    String(node.boolval.boolval ?? false), at);
  if ('fval' in node && node.fval) return number(binder, (node.fval.fval ?? '0').replaceAll('_', ''), at);
  throw binder.fail(at, 'bit strings are not supported');
}

/** A number with a point, an exponent or many digits: an integer if it is one that int8 holds, else numeric. */
function number(binder: Binder, text: string, at: number | undefined): Bound {
  const negative = text.startsWith('-');
  const magnitude = negative ? text.slice(1) : text;
  if (/^(\d+|0x[\da-f]+|0o[0-7]+|0b[01]+)$/i.test(magnitude)) {
    const value = negative ? -BigInt(magnitude) : BigInt(magnitude);
    if (BigInt.asIntN(64, value) === value) return integer(value, at);
    return decimal(new Decimal(value), at);
  }
  try {
    return decimal(Decimal.parse(text), at);
  } catch {
    throw binder.fail(at, 'value overflows numeric format');
  }
}

const decimal = (value: Decimal, at: number | undefined): Bound => constantBound(builtin('numeric'), -1, value, `'${value.toString()}'::numeric`, at);

function integer(value: bigint, at: number | undefined): Bound {
  if (BigInt.asIntN(32, value) === value) return constantBound(builtin('int4'), -1, Number(value), value < 0n ? `(${value})` : String(value), at);
  return constantBound(builtin('int8'), -1, value, `'${value}'::bigint`, at);
}

function bindExpr(binder: Binder, node: A_Expr): Bound {
  const at = binder.at(node.location);
  const name = (node.name ?? []).map(stringOf).at(-1) ?? '';
  const items = node.rexpr && 'List' in node.rexpr ? bindAll(binder, node.rexpr.List.items) : undefined;
  const left = (): Bound => binder.bind(node.lexpr);
  const both = (): [Bound, Bound] => [left(), binder.bind(node.rexpr)];
  switch (node.kind) {
    case 'AEXPR_OP':
      return bindOperator(binder, name, node.lexpr ? both() : [binder.bind(node.rexpr)], at).bound;
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
      return bindOperator(binder, name, both(), at).bound;
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
      return distinct(binder, both(), node.kind === 'AEXPR_NOT_DISTINCT', at);
    case 'AEXPR_NULLIF':
      return nullif(binder, both(), at);
    case 'AEXPR_IN':
      return inList(binder, left(), items ?? [], name === '<>', at);
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
      return quantified(binder, name, ...both(), node.kind === 'AEXPR_OP_ALL', at);
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const [low, high] = items as [Bound, Bound];
      return between(binder, left(), low, high, node.kind.endsWith('SYM'), node.kind.startsWith('AEXPR_NOT'), at);
    }
    default:
      throw binder.fail(at, `${name === '~' ? 'SIMILAR TO' : (node.kind ?? 'this operator')} is not supported`,
        'use LIKE or a regular expression (~)');
  }
}

function bindBool(binder: Binder, node: BoolExpr): Bound {
  const at = binder.at(node.location);
  const word = (node.boolop ?? '').replace('_EXPR', '');
  const parts = bindAll(binder, node.args).map((part) => toBool(binder, part, word));
  return word === 'NOT' ? not(parts[0] as Bound, at) : (word === 'AND' ? and : or)(parts, at);
}

function bindCase(binder: Binder, node: CaseExpr): Bound {
  const at = binder.at(node.location);
  const whens = (node.args ?? []).map((arg) => {
    if (!('CaseWhen' in arg)) throw binder.fail(at, 'this CASE is not supported');
    return { condition: binder.bind(arg.CaseWhen.expr), result: binder.bind(arg.CaseWhen.result), at: binder.at(arg.CaseWhen.location) };
  });
  const otherwise = node.defresult ? binder.bind(node.defresult) : { ...constantBound(builtin('unknown'), -1, null, 'null', at), literal: null };
  if (!node.arg) return searchedCase(binder, whens, otherwise, at);
  return simpleCase(binder, binder.bind(node.arg), whens.map(({ condition, result, at: place }) => ({ candidate: condition, result, at: place })),
    otherwise, at);
}

function bindCall(binder: Binder, node: FuncCall): Bound {
  const at = binder.at(node.location);
  const path = (node.funcname ?? []).map(stringOf);
  const name = path.at(-1) as string;
  const odd = node.agg_star || node.agg_distinct || node.agg_filter || node.agg_order || node.over || node.agg_within_group;
  if (odd) throw binder.fail(at, 'aggregates and window functions cannot be used here: an expression sees one row');
  if (path.length > 1 && path[0] !== 'pg_catalog') throw binder.fail(at,
    `function ${path.join('.')} is not supported: only PostgreSQL's own functions are`);
  if (node.func_variadic) throw binder.fail(at, 'VARIADIC is not supported', 'write the arguments one by one');
  if ((node.args ?? []).some((arg) => 'NamedArgExpr' in arg)) throw binder.fail(at, 'named arguments are not supported',
    'write the arguments in their order');
  return bindFunction(binder, name, bindAll(binder, node.args), at).bound;
}

function bindCast(binder: Binder, node: TypeCast): Bound {
  const { type, typmod } = bindType(binder, node.typeName ?? {});
  const value = castOperand(binder, node.arg, type);
  return coerce(binder, value, type, typmod, 'explicit');
}

/** `array[]::text[]`: the cast gives the elements their type. */
function castOperand(binder: Binder, node: Node | undefined, type: PgType): Bound {
  if (!node || !('A_ArrayExpr' in node) || type.kind !== 'array' || !type.element) return binder.bind(node);
  const array = arrayOfParts(binder, bindAll(binder, node.A_ArrayExpr.elements), type.element, binder.at(node.A_ArrayExpr.location));
  return same(array.type, type) ? array : binder.bind(node);
}
