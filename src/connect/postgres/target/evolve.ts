// What a table that was loaded needs when the source's has another shape than its rows had last: renamed columns, other types, another key.
import { displayIdent, tableAddress } from '../../../data/index.ts';
import type { TargetColumn, TargetTable } from '../../../flow/index.ts';
import type { ActualColumn, ActualTable } from './actual-table.ts';
import { holds, keepsValues } from './retype.ts';
import { ident, qualified } from './sql-text.ts';

/** The target's column that a wanted one is under its earlier name, when it can only be that. */
export function renamedFrom(wanted: TargetColumn, table: TargetTable, actual: ActualTable): ActualColumn | undefined {
  const { was } = wanted;
  if (!was || was.name === wanted.name || table.frozen || table.columns.some((column) => column.name === was.name)) return undefined;
  return actual.columns.find((column) => column.name === was.name);
}

export interface Retyped {
  /** What is said about it; `alter`: the statement's end, behind `alter column NAME`. */
  readonly say: string;
  readonly alter?: string;
  /** Rows that are there may have other values than at the source. */
  readonly readAgain: boolean;
}

/**
 * What to do when the type of a column has changed at the source; 'refused' when values might be lost; undefined when it has not changed.
 * @param empty Nothing was ever written to the table.
 */
export function retype(wanted: TargetColumn, there: ActualColumn, frozen: boolean, empty: boolean): Retyped | 'refused' | undefined {
  const was = wanted.was?.typeText;
  const to = wanted.typeText;
  if (was === to || there.typeText === to) return undefined;
  const name = displayIdent(wanted.name);
  if (empty && !frozen) return { say: `column ${name} is ${to} now, it was ${there.typeText}`, alter: `type ${to} using ${ident(wanted.name)}::text::${to}`, readAgain: false };
  if (was === undefined) return undefined;
  const readAgain = !keepsValues(was, to);
  if (!frozen && holds(to, there.typeText) && !(to === 'text' && there.typeText !== was)) {
    return { say: `column ${name} is ${to} now, it was ${there.typeText}`, alter: `type ${to}${readAgain ? ` using ${ident(wanted.name)}::${to}` : ''}`, readAgain };
  }
  if (holds(there.typeText, to)) return { say: `column ${name} is ${to} at the source now; the target keeps ${there.typeText}, which holds all its values`, readAgain };
  return 'refused';
}

/** The statement that lets the primary key follow, if it is the one that the replica had; with columns whose NOT NULL came from it. */
export function rekey(table: TargetTable, actual: ActualTable): { sql: string; why: string } | undefined {
  const { keyWas } = table;
  const primary = actual.primaryKey;
  if (!keyWas || !primary || table.frozen || actual.foreignKeys || !sameSet(primary.columns, keyWas)) return undefined;
  // In today's names.
  const before = keyWas.map((name) => table.columns.find((column) => column.was?.name === name)?.name ?? name);
  const key = table.key.map((i) => table.columns[i]?.name ?? '');
  if (sameSet(before, key)) return undefined;
  const nullable = before.filter((name) => !key.includes(name) && !table.columns.some((column) => column.name === name && column.notNull));
  const steps = [
    `drop constraint ${ident(primary.name)}`,
    ...(key.length > 0 ? [`add primary key (${key.map(ident).join(', ')})`] : []),
    ...nullable.map((name) => `alter column ${ident(name)} drop not null`),
  ];
  return { sql: `alter table ${qualified(table)} ${steps.join(', ')}`, why: `the key of ${tableAddress(table)} is ${key.length === 0 ? 'none' : `(${key.join(', ')})`} now, it was (${before.join(', ')})` };
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((name) => b.includes(name));
