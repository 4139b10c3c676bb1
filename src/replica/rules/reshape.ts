// A table's plan beside the shape in which its rows came last: what the policy makes of the difference.
import { displayIdent, tableAddress } from '../../data/index.ts';
import type { TableShape, TargetColumn, TargetTable } from '../../flow/index.ts';
import type { SchemaChanges, TableRule } from '../spec.ts';
import { partitionsOf } from './partitions.ts';
import type { Plan } from './plan.ts';
import { Problems, type RuleProblem } from './problem.ts';

export interface Reshaped {
  readonly plan: Plan;
  /** What the target table gets besides columns and key. */
  readonly history: Pick<TargetTable, 'keyWas' | 'reused' | 'frozen' | 'left' | 'gone' | 'unsent' | 'partitions' | 'attached' | 'detached' | 'withheld'>;
  readonly problems: readonly RuleProblem[];
  /** What the policy leaves out. */
  readonly notes: readonly string[];
}

/** @param shape Undefined: no rows have come yet, so that any shape will do. */
export function reshape(plan: Plan, shape: TableShape | undefined, policy: SchemaChanges): Reshaped {
  const withheld = withheldBy(plan.rule, plan);
  const unsent = plan.relation.unsent ?? [];
  const partitions = partitionsOf(plan.relation, shape);
  if (!shape) return { plan, history: { withheld, unsent, ...partitions }, problems: [], notes: [] };
  const problems = new Problems(tableAddress(plan.relation), plan.rule?.place);
  refuseEscape(plan, shape, problems);
  if (policy === 'freeze') return { ...freeze(plan, shape, problems), history: { frozen: true, withheld, unsent, ...partitions, gone: goneFrom(plan, shape), keyWas: shape.key }, problems: problems.list };
  const columns = plan.columns.map((one) => ({ ...one, column: withPast(one.column, shape) }));
  const reused = plan.columns.flatMap(({ column }) => (takesNameOf(column, shape) ? [column.name] : []));
  if (policy === 'fail') {
    const what = differences(columns.map((one) => one.column), plan.key.map((i) => plan.columns[i]?.column.name ?? ''), shape, reused);
    if (what.length > 0) problems.add('SCHEMA_CHANGED', `its shape has changed: ${what.join(', ')}`, 'read the table again in its new shape with `millrace resync`');
  }
  const left = leftBehind(columns.map((one) => one.column), shape);
  return { plan: { ...plan, columns }, history: { withheld, unsent, ...partitions, keyWas: shape.key, reused, left, gone: goneFrom(plan, shape) }, problems: problems.list, notes: [] };
}

/** Columns of the target that none of the source's is written to any more. */
function leftBehind(columns: readonly TargetColumn[], shape: TableShape): string[] {
  const names = new Set([...(shape.left ?? []), ...shape.columns.map((past) => past.name)]);
  // Where the new name of a column is there already, it takes that one, and what has its earlier name stays.
  const isTaken = (column: TargetColumn, name: string): boolean => column.name === name || (column.was?.name === name && !names.has(column.name));
  return [...names].filter((name) => !columns.some((column) => isTaken(column, name))).toSorted();
}

/** Columns of the source that are no more, and the names that they had last at the target. */
function goneFrom(plan: Plan, shape: TableShape): { number: number; name: string }[] {
  const last = new Map((shape.gone ?? []).map(({ number, name }) => [number, name]));
  for (const { number, name } of shape.columns) if (number !== undefined) last.set(number, name);
  for (const { number } of plan.relation.columns) if (number !== undefined) last.delete(number);
  return [...last].map(([number, name]) => ({ number, name })).toSorted((a, b) => a.number - b.number);
}

const pastOf = (column: TargetColumn, shape: TableShape): TableShape['columns'][number] | undefined =>
  shape.columns.find((one) => (column.number === undefined || one.number === undefined ? one.name === column.name : one.number === column.number));

function withPast(column: TargetColumn, shape: TableShape): TargetColumn {
  const past = pastOf(column, shape);
  if (past) return { ...column, was: { name: past.name, typeText: past.typeText, notNull: past.notNull } };
  if (!shape.remade && !wasLeftOut(column, shape)) return column;
  const { missing: _, ...rest } = column;
  return { ...rest, filled: true };
}

/** Whether the column was there when rows came last, and its values were not: neither sent nor, by a rule, passed on. No number is given twice. */
const wasLeftOut = ({ number }: TargetColumn, { gone, unsent, withheld }: TableShape): boolean =>
  number !== undefined && (unsent?.includes(number) === true || [...(gone ?? []), ...(withheld ?? [])].some((one) => one.number === number));

/** Whether another column of the source had this name, so that its values may be there. */
const takesNameOf = (column: TargetColumn, shape: TableShape): boolean =>
  column.number !== undefined && (shape.left?.includes(column.name) === true && pastOf(column, shape)?.name !== column.name || shape.columns.some((one) => one.name === column.name && one.number !== undefined && one.number !== column.number));

/** Columns keep their names of then; those that were not there are left out. What a rule adds is no change of the source. */
function freeze(plan: Plan, shape: TableShape, problems: Problems): Pick<Reshaped, 'plan' | 'notes'> {
  const notes: string[] = [];
  const kept: number[] = [];
  const columns = plan.columns.flatMap((one, i) => {
    const { column } = one;
    const past = pastOf(column, shape);
    if (column.number !== undefined && !past) {
      notes.push(`column ${displayIdent(column.name)} is new and left out`);
      return [];
    }
    kept.push(i);
    if (!past) return [one];
    if (past.name !== column.name) notes.push(`column ${displayIdent(past.name)} keeps its name, it is called ${displayIdent(column.name)} at the source`);
    return [{ ...one, column: { ...column, name: past.name, was: { name: past.name, typeText: past.typeText, notNull: past.notNull } } }];
  });
  for (const past of shape.columns) {
    if (past.number !== undefined && !columns.some((one) => one.column.name === past.name)) notes.push(`column ${displayIdent(past.name)} is gone at the source; it is NULL in new rows`);
  }
  const lost = plan.key.find((i) => !kept.includes(i));
  if (lost !== undefined) {
    problems.add('SCHEMA_CHANGED', `its key has the new column ${displayIdent(plan.columns[lost]?.column.name ?? '')} now, which \`schemaChanges: freeze\` leaves out`,
      'take the new shape with `millrace resync`');
  }
  return { plan: { ...plan, columns, key: plan.key.map((i) => kept.indexOf(i)) }, notes };
}

function differences(columns: readonly TargetColumn[], key: readonly string[], shape: TableShape, reused: readonly string[]): string[] {
  const name = displayIdent;
  const gone = shape.columns.filter((past) => past.number !== undefined && !columns.some((column) => column.was?.name === past.name));
  const keyWas = shape.key.map((past) => columns.find((column) => column.was?.name === past)?.name ?? past);
  return [
    ...columns.flatMap((column) => (column.was || column.number === undefined ? [] : [`column ${name(column.name)} was added`])),
    ...columns.flatMap(({ name: now, was }) => (was && was.name !== now ? [`column ${name(was.name)} was renamed to ${name(now)}`] : [])),
    ...columns.flatMap(({ name: now, typeText, was }) => (was && was.typeText !== typeText ? [`column ${name(now)} is ${typeText} instead of ${was.typeText}`] : [])),
    ...gone.filter((past) => !reused.includes(past.name)).map((past) => `column ${name(past.name)} was dropped`),
    ...(key.length === keyWas.length && key.every((column) => keyWas.includes(column)) ? [] : [`the key is (${key.join(', ')}) instead of (${keyWas.join(', ')})`]),
  ];
}

/** The columns that must not leave as they are, by number and name. */
function withheldBy(rule: TableRule | undefined, { relation }: Plan): { number: number; name: string }[] {
  const names = new Set([...(rule?.drop ?? []), ...Object.keys(rule?.mask ?? {})]);
  return relation.columns.flatMap(({ name, number }) => (number !== undefined && names.has(name) ? [{ number, name }] : []));
}

/** A column that was dropped or masked must not come through under a new name that the rule does not know. */
function refuseEscape({ relation, rule }: Plan, shape: TableShape, problems: Problems): void {
  for (const { number, name } of shape.withheld ?? []) {
    const now = relation.columns.find((column) => column.number === number);
    if (!now || now.name === name || rule?.drop.includes(now.name) || Object.hasOwn(rule?.mask ?? {}, now.name)) continue;
    problems.add('SCHEMA_CHANGED', `column ${displayIdent(name)}, which a rule drops or masks, is called ${displayIdent(now.name)} now`,
      `name ${displayIdent(now.name)} in the rule, then read the table again with \`millrace resync\``);
  }
}
