// The key of a target table.
import { type Relation, quoteTable, nearestName } from '../../data/index.ts';
import type { TableRule } from '../spec.ts';
import type { PlannedColumn } from './columns.ts';
import type { Problems } from './problem.ts';

/** The mend for everything that needs the whole old row. */
export const fullIdentity = (relation: Relation): string => `alter table ${quoteTable(relation)} replica identity full`;

/** Indexes of the target's key columns: those that the rule names, else those made of the source's key. */
export function planKey(relation: Relation, rule: TableRule | undefined, planned: readonly PlannedColumn[], problems: Problems): number[] {
  if (rule?.appendOnly) return [];
  if (rule?.key) return namedKey(relation, rule.key, planned, problems);
  if (relation.key.length === 0) {
    if (relation.identity !== 'full') {
      problems.add('RULE_INVALID', 'it has no primary key and no replica identity, so updates and deletes cannot be carried over',
        `at the source: ${fullIdentity(relation)}\nor, if it only grows: appendOnly: true`);
    }
    return [];
  }
  const key: number[] = [];
  for (const field of relation.key) {
    const at = planned.findIndex((one) => one.making.kind === 'field' && one.making.field === field);
    if (at >= 0) key.push(at);
    else {
      problems.add('RULE_INVALID', `the key column ${relation.columns[field]?.name} is not at the target, so rows cannot be found there`,
        'keep the column, or name other key columns of the target with `key`');
    }
  }
  return key;
}

function namedKey(relation: Relation, names: readonly string[], planned: readonly PlannedColumn[], problems: Problems): number[] {
  const key: number[] = [];
  for (const name of names) {
    const at = planned.findIndex((one) => one.column.name === name);
    const one = planned[at];
    if (!one) {
      const near = nearestName(name, planned.map((other) => other.column.name));
      problems.add('COLUMN_UNKNOWN', `the target has no column ${name} for its key`, near === undefined ? 'correct the name' : `did you mean ${near}?`);
    } else if (relation.identity !== 'full' && !relation.key.includes(one.making.field)) {
      problems.add('RULE_INVALID', `${name} is made of a column outside the source's key, whose old value an update or delete does not carry`,
        `use key columns of the source, or at the source: ${fullIdentity(relation)}`);
    } else key.push(at);
  }
  return key;
}
