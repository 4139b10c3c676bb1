// The indexes that rules ask for, by the columns that tables have at the target.
import { MillraceError } from '../../base/index.ts';
import { nearestName, tableAddress } from '../../data/index.ts';
import { indexName, type ParsedIndex, parseIndex } from '../../expr/index.ts';
import type { TargetIndex } from '../../flow/index.ts';
import type { IndexRule, TableRule } from '../spec.ts';
import type { Plan } from './plan.ts';
import { Problems, type RuleProblem } from './problem.ts';

/** A table under a rule. */
export interface Indexed {
  readonly plan: Plan;
  /** Columns that the target has besides those of the plan. */
  readonly left: readonly string[];
  /** No rows of it have come yet. */
  readonly isNew: boolean;
}

export interface IndexPlans {
  of(plan: Plan): { readonly indexes?: readonly TargetIndex[] };
  readonly problems: readonly RuleProblem[];
  /** What keeps no table from going on. */
  readonly notes: readonly { readonly table: string; readonly what: string }[];
}

/**
 * A rule for many tables makes an index where all its columns are. What fits no table is a problem of one that is new, where a slip of the pen costs
 * nothing yet; one that goes on already would be stopped, and read again, for the sake of an index.
 */
export function planIndexes(tables: readonly Indexed[]): IndexPlans {
  const indexes = new Map<Plan, TargetIndex[]>();
  const problems: RuleProblem[] = [];
  const notes: { table: string; what: string }[] = [];
  const byRule = Map.groupBy(tables.filter(({ plan }) => plan.rule?.indexes), ({ plan }) => plan.rule as TableRule);
  for (const [rule, those] of byRule) {
    for (const index of rule.indexes ?? []) {
      const parsed = parse(index);
      const fitting = parsed instanceof MillraceError ? [] : those.filter((table) => unknownColumn(parsed, table) === undefined);
      for (const { plan } of fitting) indexes.set(plan, [...(indexes.get(plan) ?? []), targetIndex(plan, parsed as ParsedIndex)]);
      const [first] = fitting.length > 0 ? [] : those.toSorted((a, b) => Number(b.isNew) - Number(a.isNew));
      if (!first) continue;
      const error = parsed instanceof MillraceError ? parsed : unknownError(parsed, index, first);
      const table = tableAddress(first.plan.relation);
      const report = new Problems(table, rule.place);
      const message = error.detail === undefined ? error.message : `${error.message}\n${error.detail}`;
      report.add(error.code, message, error.hint);
      if (first.isNew) problems.push(...report.list);
      else notes.push({ table, what: `its index on (${index.on}) is not made: ${error.message}; ${error.hint}` });
    }
  }
  const of = (plan: Plan): { indexes?: TargetIndex[] } => {
    const own = indexes.get(plan);
    return own ? { indexes: own } : {};
  };
  return { of, problems, notes };
}

function parse(index: IndexRule): ParsedIndex | MillraceError {
  try {
    return parseIndex(index);
  } catch (error) {
    if (error instanceof MillraceError) return new MillraceError(error.code, `the index on (${index.on}): ${error.message}`, { hint: error.hint, ...(error.detail === undefined ? {} : { detail: error.detail }) });
    throw error;
  }
}

const columnsOf = ({ plan, left }: Indexed): string[] => [...plan.columns.map(({ column }) => column.name), ...left];

const unknownColumn = (parsed: ParsedIndex, table: Indexed): string | undefined => parsed.columns.find((name) => !columnsOf(table).includes(name));

function unknownError(parsed: ParsedIndex, { on }: IndexRule, table: Indexed): MillraceError {
  const name = unknownColumn(parsed, table) ?? '';
  const near = nearestName(name, columnsOf(table));
  return new MillraceError('COLUMN_UNKNOWN', `the target has no column ${name} for the index on (${on})`, { hint: near === undefined ? 'correct the name' : `did you mean ${near}?` });
}

function targetIndex({ target }: Plan, parsed: ParsedIndex): TargetIndex {
  return { name: indexName(target.name, parsed), ...parsed.text };
}
