// SQL expressions of rules, bound to a source table's columns.
import { MillraceError } from '../../base/index.ts';
import type { PgType, Relation } from '../../data/index.ts';
import { type BoundExpression, bindCondition, bindExpression, EvaluationError, loadGrammar } from '../../expr/index.ts';
import type { TableRule } from '../spec.ts';
import type { Problems } from './problem.ts';

export interface SqlExpression {
  readonly type: PgType;
  readonly typmod: number;
  /** The type as SQL writes it. */
  readonly typeText: string;
  /** Text that PostgreSQL evaluates to the same value over the source table. */
  readonly sql: string;
  /** The fields of the source row that it reads. */
  readonly columns: readonly number[];
  /** NULL is null. */
  run(read: (field: number) => unknown): unknown;
}

/** Await it once before rules with SQL are compiled. */
export { loadGrammar };

/** Binds an expression, or a condition (boolean), of a rule; undefined with a problem when it is not valid. */
export function bindSql(kind: 'expression' | 'condition', sql: string, relation: Relation, problems: Problems, rule?: TableRule): SqlExpression | undefined {
  try {
    const bound = kind === 'condition' ? bindCondition(sql, relation.columns) : bindExpression(sql, relation.columns);
    const { type, typmod, typeText, columns } = bound;
    const secret = columns.some((field) => withholds(rule, relation.columns[field]?.name ?? ''));
    return { type, typmod, typeText, columns, sql: bound.sql, run: (read) => evaluate(bound, read, secret) };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    problems.add(error.code, error.detail === undefined ? error.message : `${error.message}\n${error.detail}`, error.hint);
    return undefined;
  }
}

/** Whether a rule keeps the clear values of a column from the target. */
export const withholds = (rule: TableRule | undefined, column: string): boolean =>
  rule !== undefined && (rule.drop.includes(column) || Object.hasOwn(rule.mask, column));

/** The row is bad when PostgreSQL would have failed on it. The message of a failure may quote a value: not if that is `secret`. */
function evaluate(bound: BoundExpression, read: (field: number) => unknown, secret: boolean): unknown {
  try {
    return bound.evaluate(read);
  } catch (error) {
    if (error instanceof EvaluationError && secret) throw new MillraceError('TRANSFORM_FAILED', `${bound.sql}: failed with SQLSTATE ${error.sqlState}`);
    if (error instanceof EvaluationError) throw new MillraceError('TRANSFORM_FAILED', `${bound.sql}: ${error.message}`, { cause: error });
    throw error;
  }
}
