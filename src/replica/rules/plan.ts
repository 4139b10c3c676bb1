// One relation under one rule: the plan of its target table, before tables that share a target are brought together.
import { type Relation, tableAddress, type TableName } from '../../data/index.ts';
import type { TargetColumn } from '../../flow/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import { metaColumns } from './add.ts';
import { namer, targetName } from './choose.ts';
import { planColumns } from './columns.ts';
import { fullIdentity } from './identity.ts';
import { planKey } from './key.ts';
import type { PlannedColumn } from './making.ts';
import { Problems, type RuleProblem } from './problem.ts';
import { probe, returnedColumns, sampleRows, type Seen } from './probe.ts';
import { selectByFunction, selectBySql, type Selects } from './select.ts';
import { bindSql } from './sql-expression.ts';
import { warnOfToast } from './toast.ts';

export interface Plan {
  readonly relation: Relation;
  readonly rule: TableRule | undefined;
  readonly target: TableName;
  readonly columns: readonly PlannedColumn[];
  readonly key: readonly number[];
  readonly where: Selects | undefined;
  /** The condition in SQL, when it is one: PostgreSQL evaluates it to the same over the source table. */
  readonly whereSql: string | undefined;
  readonly named: (name: string) => string;
  readonly problems: readonly RuleProblem[];
  readonly warnings: readonly RuleProblem[];
}

/** `seen`: the columns that the rule's transform returned so far; those of made-up rows are added. */
export function planTable(
  spec: ReplicaSpec, rule: TableRule | undefined, relation: Relation, seen: Seen, existing: (table: TableName) => readonly TargetColumn[] | undefined,
): Plan {
  const problems = new Problems(tableAddress(relation), rule?.place);
  const named = namer(spec);
  const target = targetName(spec, rule, relation);
  const columns = rule?.row ? rowColumns(relation, rule, seen, named, existing(target), problems) : planColumns(relation, rule, named, problems);
  const key = planKey(relation, rule, columns, problems);
  const { where, whereSql, reads } = planWhere(relation, rule, problems);
  const warnings = new Problems(tableAddress(relation), rule?.place);
  warnOfToast(relation, reads, columns, warnings);
  return { relation, rule, target, columns, key, where, whereSql, named, problems: problems.list, warnings: warnings.list };
}

function rowColumns(
  relation: Relation, rule: TableRule, seen: Seen, named: (name: string) => string, existing: readonly TargetColumn[] | undefined, problems: Problems,
): PlannedColumn[] {
  if (Object.keys(rule.rename).length > 0 || Object.keys(rule.add).length > 0) {
    problems.add('RULE_INVALID', '`row` makes the whole target row, so `rename` and `add` have nothing to work on', 'rename and add columns in the function');
  }
  if (rule.row) probe(relation, rule, rule.row, sampleRows(relation), seen);
  if (seen.size === 0) problems.add('TRANSFORM_FAILED', 'the transform returned no row for a made-up one, so its columns are not known', 'let it cope with any row of the table');
  return [...returnedColumns(relation, rule, seen, named, existing), ...metaColumns(rule)];
}

interface Where {
  readonly where: Selects | undefined;
  readonly whereSql: string | undefined;
  /** The fields that it may read; undefined: there is no condition. */
  readonly reads: readonly number[] | undefined;
}

function planWhere(relation: Relation, rule: TableRule | undefined, problems: Problems): Where {
  if (rule?.where === undefined) {
    if (rule?.row && rule.deletes === 'soft' && relation.identity !== 'full') refuseSoft(relation, problems, '`row`');
    return { where: undefined, whereSql: undefined, reads: undefined };
  }
  if (typeof rule.where === 'function') {
    if (rule.deletes === 'soft' && relation.identity !== 'full') refuseSoft(relation, problems, '`where`');
    return { where: selectByFunction(rule.where, relation), whereSql: undefined, reads: relation.columns.map((_, field) => field) };
  }
  const condition = bindSql('condition', rule.where, relation, problems, rule);
  if (!condition) return { where: undefined, whereSql: undefined, reads: undefined };
  if (rule.deletes === 'soft' && relation.identity !== 'full') refuseSoft(relation, problems, '`where`');
  return { where: selectBySql(condition, relation), whereSql: condition.sql, reads: condition.columns };
}

/** A soft delete updates a row; only the old row tells whether it was at the target at all. */
function refuseSoft(relation: Relation, problems: Problems, what: string): void {
  problems.add('RULE_INVALID', `${what} with \`deletes: soft\` needs the whole old row, to know whether the deleted row was at the target`, `at the source: ${fullIdentity(relation)}`);
}
