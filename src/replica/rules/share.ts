// Several source tables that fill one target table: allowed when their columns agree.
import { type PgType, tableAddress } from '../../data/index.ts';
import type { TargetTable } from '../../flow/index.ts';
import type { Plan } from './plan.ts';
import { Problems, type RuleProblem } from './problem.ts';

/** A plan whose target columns are in the order of the table that it shares. */
export interface Placed {
  readonly plan: Plan;
  readonly target: TargetTable;
}

/** A plan, and what is known of its target's past. */
export interface PlanWithPast {
  readonly plan: Plan;
  readonly history: Partial<TargetTable>;
}

const targetOf = ({ plan, history }: PlanWithPast): TargetTable => ({
  ...plan.target, ...history, columns: plan.columns.map((one) => one.column), key: plan.key, ...(plan.rule?.guard ? { guarded: true } : {}),
});

/** Gives each plan its target; plans of one target get the same object. A plan that disagrees with an earlier one is left out, with a problem. */
export function share(plans: readonly PlanWithPast[]): { placed: Placed[]; problems: RuleProblem[] } {
  const problems: RuleProblem[] = [];
  const groups = new Map<string, PlanWithPast[]>();
  for (const { plan, history } of plans) {
    const address = tableAddress(plan.target);
    const group = groups.get(address) ?? [];
    groups.set(address, group);
    const first = group[0];
    const fitted = first ? fit(plan, first.plan, address, problems) : plan;
    if (fitted) group.push({ plan: fitted, history });
  }
  const placed = [...groups.values()].flatMap((group) => {
    const target = loosest(group);
    return group.map(({ plan }) => ({ plan, target }));
  });
  return { placed, problems };
}

/** The plan with its columns in the order of `first`. */
function fit(plan: Plan, first: Plan, address: string, problems: RuleProblem[]): Plan | undefined {
  const report = new Problems(tableAddress(plan.relation), plan.rule?.place);
  const other = tableAddress(first.relation);
  const differ = (what: string): undefined => {
    report.add('RULE_INVALID', `it and ${other} both go to ${address}, but ${what}`, 'send it to a table of its own with `to`, or make the columns alike');
    problems.push(...report.list);
  };
  if (plan.relation.oid === first.relation.oid) {
    report.add('RULE_INVALID', `two rules send it to ${address}`, 'keep one of them, or give the other another `to`');
    problems.push(...report.list);
    return undefined;
  }
  const order: number[] = [];
  for (const { column } of first.columns) {
    const at = plan.columns.findIndex((one) => one.column.name === column.name);
    const mine = plan.columns[at]?.column;
    if (!mine) return differ(`only ${other} has a column ${column.name}`);
    if (!sameType(mine.type, column.type) || mine.typmod !== column.typmod) {
      return differ(`the column ${column.name} is ${mine.typeText} here and ${column.typeText} there`);
    }
    order.push(at);
  }
  const extra = plan.columns.find((one) => !first.columns.some(({ column }) => column.name === one.column.name));
  if (extra) return differ(`only this one has a column ${extra.column.name}`);
  const key = plan.key.map((at) => order.indexOf(at));
  if (key.length !== first.key.length || !first.key.every((at) => key.includes(at))) return differ('their keys differ');
  return { ...plan, columns: order.map((at) => plan.columns[at] as Plan['columns'][number]), key: first.key };
}

/** The table that takes the rows of all: NOT NULL only where all say so. */
function loosest(group: readonly PlanWithPast[]): TargetTable {
  const [first, ...others] = group as [PlanWithPast, ...PlanWithPast[]];
  if (others.length === 0) return targetOf(first);
  // Their pasts may differ: such a table does not follow by itself.
  const indexes = [...new Map(group.flatMap((one) => one.history.indexes ?? []).map((index) => [index.name, index])).values()];
  const target = targetOf({ plan: first.plan, history: { ...(indexes.length > 0 ? { indexes } : {}), ...(group.every((one) => one.history.frozen) ? { frozen: true } : {}) } });
  const columns = target.columns.map(({ name, type, typmod, typeText, missing, number }, i) => (
    { name, type, typmod, typeText, notNull: group.every(({ plan }) => plan.columns[i]?.column.notNull), ...(missing === undefined ? {} : { missing }), ...(number === undefined ? {} : { number }) }
  ));
  return { ...target, columns };
}

/** Types by name, since OIDs of user types belong to one server. */
const sameType = (a: PgType, b: PgType): boolean => a.schema === b.schema && a.name === b.name;
