// Routines: the operators and functions, as rows of tables that the families fill and resolution reads.
import type { PgType } from '../data/index.ts';
import { builtin } from './types.ts';

export interface Routine {
  readonly name: string;
  readonly args: readonly PgType[];
  /** May be a pseudo-type: then the argument in the same pseudo-type decides. */
  readonly result: PgType;
  /** Computes the result from values that are not NULL (strict, the usual case) or from any. */
  readonly call: (...values: any[]) => unknown;
  /** Whether a NULL argument makes the result NULL without a call. */
  readonly strict: boolean;
  /** PostgreSQL turns the arguments round (date: 1 + date is date + 1), so they are computed, and given to `call`, in reverse. */
  readonly commuted?: boolean;
  /** The last argument may be repeated, and be of any type. */
  readonly variadic: boolean;
  /** For user functions: one sentence of the reference. */
  readonly doc: string;
  /** A collation that the SQL must name for PostgreSQL to agree: C (order), icu (case), or none. */
  readonly collate?: 'C' | 'icu';
  /**
   * An argument that is usually a constant (a unit, a pattern): given once, it makes the function of the others. A bad constant is then
   * found when the expression is bound.
   */
  readonly prepare?: { readonly at: number; readonly make: (constant: any) => (...others: any[]) => unknown };
  /** The call needs the argument types, since they are not fixed: it is made when the expression is bound. */
  readonly specialise?: (types: readonly PgType[]) => (...values: any[]) => unknown;
}

export type RoutineOptions = Partial<Pick<Routine, 'strict' | 'variadic' | 'commuted' | 'collate' | 'prepare' | 'specialise'>>;
export type RoutineTable = Map<string, Routine[]>;

/** Types are written as in `text, int4 -> text`. */
export function routine(name: string, signature: string, call: Routine['call'], doc: string, options: RoutineOptions = {}): Routine {
  const [left, right] = signature.split('->').map((part) => part.trim());
  if (left === undefined || right === undefined) throw new Error(`signature ${signature}`);
  const args = left === '' ? [] : left.split(',').map((part) => builtin(part.trim()));
  return { name, args, result: builtin(right), call, doc, strict: true, variadic: false, ...options };
}

/** A routine one of whose arguments is usually a constant; see Routine.prepare. */
export function prepared(name: string, signature: string, at: number, make: (constant: any) => (...others: any[]) => unknown, doc: string,
  options: RoutineOptions = {}): Routine {
  const call = (...values: any[]): unknown => make(values[at])(...values.filter((_, i) => i !== at));
  return routine(name, signature, call, doc, { ...options, prepare: { at, make } });
}

export function tableOf(...families: readonly Routine[][]): RoutineTable {
  const table: RoutineTable = new Map();
  for (const family of families) {
    for (const one of family) {
      const list = table.get(one.name);
      if (list) list.push(one);
      else table.set(one.name, [one]);
    }
  }
  return table;
}
