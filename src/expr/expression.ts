// What other rooms use: an expression or a condition, bound to the columns it reads.
import type { PgType } from '../data/index.ts';
import { bindNode } from './bind.ts';
import { Binder, type ScopeColumn } from './binder.ts';
import type { Bound, Read } from './bound.ts';
import { settled, toBool } from './coerce.ts';
import type { Source } from './diagnostic.ts';
import { parseExpression } from './grammar.ts';
import { typeText } from './types.ts';

export interface BindOptions {
  /** Where the expression was written (file:line:column), for errors. */
  readonly where?: string;
  /** How `sql` names a column of the scope. Default: its quoted name, with its qualifier. */
  readonly columnSql?: (column: number) => string;
}

export interface BoundExpression {
  /** The type of the result, beneath domains. */
  readonly type: PgType;
  readonly typmod: number;
  /** The type as SQL writes it: `numeric(10,2)`. */
  readonly typeText: string;
  /** The scope's columns that it reads, as indexes, in ascending order. */
  readonly columns: readonly number[];
  /**
   * Text that PostgreSQL (TimeZone UTC) evaluates to the same value: columns quoted, casts and collations written out.
   */
  readonly sql: string;
  /**
   * The value for a row, whose columns `read` gives (values as in data/values; NULL is null). Throws EvaluationError where PostgreSQL
   * would fail, and UnchangedValueError when it needs a value that the source did not send.
   */
  evaluate(read: Read): unknown;
}

export interface BoundCondition extends BoundExpression {
  /** Whether the row is selected: the value is true. NULL does not select. */
  matches(read: Read): boolean;
}

/** Binds an expression. Await loadGrammar() first. Throws EXPRESSION_INVALID, with the line and a caret. */
export function bindExpression(sql: string, scope: readonly ScopeColumn[], options: BindOptions = {}): BoundExpression {
  const { binder, bound } = bind(sql, scope, options);
  return finish(binder, settled(binder, bound));
}

/** Binds an expression whose result must be boolean. */
export function bindCondition(sql: string, scope: readonly ScopeColumn[], options: BindOptions = {}): BoundCondition {
  const { binder, bound } = bind(sql, scope, options);
  const condition = toBool(binder, bound, 'WHERE');
  return { ...finish(binder, condition), matches: (read) => condition.run(read) === true };
}

function bind(sql: string, scope: readonly ScopeColumn[], options: BindOptions): { binder: Binder; bound: Bound } {
  const source: Source = { sql, ...(options.where === undefined ? {} : { where: options.where }) };
  const binder = new Binder(source, scope, bindNode, options.columnSql);
  return { binder, bound: binder.bind(parseExpression(source)) };
}

function finish(binder: Binder, bound: Bound): BoundExpression {
  return {
    type: bound.type,
    typmod: bound.typmod,
    typeText: typeText(bound.type, bound.typmod),
    columns: [...binder.columns].sort((a, b) => a - b),
    sql: bound.sql,
    evaluate: bound.run,
  };
}
