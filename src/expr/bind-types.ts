// Type names in expressions: `numeric(10,2)`, `text[]`, and the enum types of the scope's columns.
import type { TypeName } from 'libpg-query';
import { baseType, type PgType } from '../data/index.ts';
import type { Binder } from './binder.ts';
import type { Node } from './grammar.ts';
import { arrayOf, findType, is, typeName } from './types.ts';

export function bindType(binder: Binder, name: TypeName): { type: PgType; typmod: number } {
  const at = binder.at(name.location);
  const path = (name.names ?? []).map(stringOf);
  const element = lookUp(binder, path);
  if (!element || element.kind === 'pseudo') {
    throw binder.fail(at, `type "${path.join('.')}" is not supported`, 'the types are listed in docs/reference/expressions.md');
  }
  const typmod = modifierOf(binder, element, (name.typmods ?? []).map(integerOf), at);
  if (!name.arrayBounds || name.arrayBounds.length === 0) return { type: element, typmod };
  const array = arrayOf(element);
  if (!array) throw binder.fail(at, `arrays of ${typeName(element)} are not supported`);
  return { type: array, typmod };
}

function lookUp(binder: Binder, path: readonly string[]): PgType | undefined {
  const name = path.at(-1) as string;
  const schema = path.length > 1 ? path[0] : undefined;
  if (schema === undefined || schema === 'pg_catalog') {
    const found = findType(name);
    if (found) return found;
  }
  return binder.scope.map((column) => baseType(column.type)).find((type) => type.kind === 'enum' && type.name === name && (schema === undefined
    || schema === type.schema));
}

export const stringOf = (node: Node): string => ('String' in node ? (node.String.sval ?? '') : '');
const integerOf = (node: Node): number | undefined => ('A_Const' in node && 'ival' in node.A_Const ? (node.A_Const.ival?.ival ?? 0) : undefined);

function modifierOf(binder: Binder, type: PgType, given: readonly (number | undefined)[], at: number | undefined): number {
  if (given.length === 0) return -1;
  const [first, second = 0] = given;
  const wrong = (): Error => binder.fail(at, `invalid type modifier for ${typeName(type)}`);
  if (first === undefined || given.includes(undefined)) throw wrong();
  if (is(type, 'numeric')) {
    if (given.length > 2 || first < 1 || first > 1000 || Math.abs(second) > 1000) throw wrong();
    return ((first << 16) | (second & 0x7ff)) + 4;
  }
  if (given.length > 1) throw wrong();
  if (is(type, 'varchar', 'bpchar')) {
    if (first < 1 || first > 10_485_760) throw wrong();
    return first + 4;
  }
  if (is(type, 'time', 'timestamp', 'timestamptz') && first >= 0 && first <= 6) return first;
  throw wrong();
}

