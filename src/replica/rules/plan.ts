// One relation under one rule: the plan of its target table, before tables that share a target are brought together.
import { type Relation, tableAddress, type TableName } from '../../data/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import { namer, targetName } from './choose.ts';
import { type PlannedColumn, planColumns } from './columns.ts';
import { planKey } from './key.ts';
import { Problems, type RuleProblem } from './problem.ts';

export interface Plan {
  readonly relation: Relation;
  readonly rule: TableRule | undefined;
  readonly target: TableName;
  readonly columns: readonly PlannedColumn[];
  readonly key: readonly number[];
  readonly problems: readonly RuleProblem[];
}

export function planTable(spec: ReplicaSpec, rule: TableRule | undefined, relation: Relation): Plan {
  const problems = new Problems(tableAddress(relation), rule?.place);
  const columns = planColumns(relation, rule, namer(spec), problems);
  const key = planKey(relation, rule, columns, problems);
  return { relation, rule, target: targetName(spec, rule, relation), columns, key, problems: problems.list };
}
