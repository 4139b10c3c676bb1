// A bound expression: its type, its SQL, and the closure that computes it.
import type { PgType } from '../data/index.ts';

/** Gives the value of a column of the scope, by its index. */
export type Read = (column: number) => unknown;

export interface Bound {
  readonly type: PgType;
  readonly typmod: number;
  /** Computes the value. NULL is null. */
  readonly run: (read: Read) => unknown;
  /** Text that PostgreSQL evaluates to the same value. It can stand as an operand: it is in parentheses where it must be. */
  readonly sql: string;
  /** Reads no column. */
  readonly constant: boolean;
  /** An untyped literal: its text, or null for NULL. Its type is `unknown` until its context decides. */
  readonly literal?: string | null;
  /** Where it begins in the text. */
  readonly at: number | undefined;
}

/** A value that is the same for every row. */
export const constantBound = (type: PgType, typmod: number, value: unknown, sql: string, at: number | undefined): Bound => ({
  type, typmod, sql, at, constant: true, run: () => value,
});

export function isNullConstant(bound: Bound): boolean {
  if (!bound.constant) return false;
  try {
    return bound.run(() => null) === null;
  } catch {
    return false;
  }
}

/**
 * Computes a constant once. A failing one stays as it is and fails for each row that reaches it, as an untaken CASE branch must not.
 */
export function fold(bound: Bound): Bound {
  if (!bound.constant) return bound;
  try {
    const value = bound.run(() => null);
    return { ...bound, run: () => value };
  } catch {
    return bound;
  }
}

/** A call that answers NULL when an argument is NULL. Arguments are computed from left to right. */
export function strictRun(args: readonly Bound[], call: (...values: any[]) => unknown): Bound['run'] {
  const [a, b, c] = args.map((arg) => arg.run);
  switch (args.length) {
    case 0:
      return () => call();
    case 1:
      return (read) => {
        const x = (a as Bound['run'])(read);
        return x === null ? null : call(x);
      };
    case 2:
      return (read) => {
        const x = (a as Bound['run'])(read);
        const y = (b as Bound['run'])(read);
        return x === null || y === null ? null : call(x, y);
      };
    case 3:
      return (read) => {
        const x = (a as Bound['run'])(read);
        const y = (b as Bound['run'])(read);
        const z = (c as Bound['run'])(read);
        return x === null || y === null || z === null ? null : call(x, y, z);
      };
    default: {
      const runs = args.map((arg) => arg.run);
      return (read) => {
        const values = runs.map((run) => run(read));
        return values.includes(null) ? null : call(...values);
      };
    }
  }
}

/** A call that gets NULLs too. */
export function looseRun(args: readonly Bound[], call: (...values: any[]) => unknown): Bound['run'] {
  const runs = args.map((arg) => arg.run);
  return (read) => call(...runs.map((run) => run(read)));
}
