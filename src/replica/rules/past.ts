// Rows in a shape that is over: they go to the table as it is now, column by column by the numbers that columns keep.
import type { Relation } from '../../data/index.ts';
import type { TargetTable } from '../../flow/index.ts';
import type { Plan } from './plan.ts';

/**
 * The plan of the older shape for the target table of today; undefined when its rows cannot be found or told there, since nothing of them, or not
 * their whole key, has a column.
 * @param now The relation and target of today.
 * @param had Columns that the target has been given at any time.
 */
export function planPast(plan: Plan, now: { readonly relation: Relation; readonly target: TargetTable }, had: ReadonlySet<string>): { plan: Plan; target: TargetTable } | undefined {
  const kept: number[] = [];
  const columns = plan.columns.flatMap((one, i) => {
    const { column } = one;
    const today = column.number === undefined ? undefined : now.target.columns.find((other) => other.number === column.number);
    // A column that is gone is there still, under its last name, unless another one has got that or it came and went unseen. The number of one that is gone may be unknown.
    const name = today?.name ?? now.target.gone?.find((other) => other.number === column.number)?.name ?? column.name;
    const named = now.target.columns.find((other) => other.name === name);
    const lost = !today && (named ? column.number !== undefined && named.number !== undefined && named.number !== column.number : !had.has(name));
    if (lost) return [];
    kept.push(i);
    return [{ ...one, column: { ...column, name } }];
  });
  const key = plan.key.map((i) => kept.indexOf(i)).filter((i) => i >= 0);
  if (columns.length === 0 || key.length < plan.key.length) return undefined;
  return { plan: { ...plan, columns, key }, target: { ...plan.target, columns: columns.map((one) => one.column), key, ...(now.target.guarded ? { guarded: true } : {}) } };
}
