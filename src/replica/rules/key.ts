// The key of a target table.
import { nearestName, type Relation } from '../../data/index.ts';
import type { TableRule } from '../spec.ts';
import { own } from './columns.ts';
import { fullIdentity } from './identity.ts';
import type { Making, PlannedColumn } from './making.ts';
import type { Problems } from './problem.ts';

/** Indexes of the target's key columns: those that the rule names, else those made of the source's key. */
export function planKey(relation: Relation, rule: TableRule | undefined, planned: readonly PlannedColumn[], problems: Problems): number[] {
  const key = keyOf(relation, rule, planned, problems);
  if (rule?.guard && key.length === 0) problems.add('RULE_INVALID', '`guard` compares rows with the same key, and the target table has none', 'name key columns with `key`, or take `guard` away');
  return key;
}

function keyOf(relation: Relation, rule: TableRule | undefined, planned: readonly PlannedColumn[], problems: Problems): number[] {
  if (rule?.appendOnly) return [];
  if (rule?.key) return namedKey(relation, rule.key, planned, problems);
  if (relation.key.length === 0) {
    if (relation.appendOnly) return [];
    if (relation.identity !== 'full') {
      problems.add('RULE_INVALID', 'it has no primary key and no replica identity, so updates and deletes cannot be carried over',
        `at the source: ${fullIdentity(relation)}\nor, if it only grows: appendOnly: true`);
    } else if (planned.some(({ making }) => making.kind === 'meta')) {
      problems.add('RULE_INVALID', 'it has no key, so its rows are found by their values, which `meta` columns and soft deletes change',
        'name the columns that identify a row with `key`, or leave out `meta` and `deletes: soft`');
    }
    return [];
  }
  return relation.key.flatMap((field) => {
    const at = planned.findIndex(({ making }) => (making.kind === 'field' || making.kind === 'hash' || making.kind === 'returned') && making.field === field);
    if (at >= 0) return [at];
    const name = relation.columns[field]?.name ?? '';
    if (own(rule?.mask, name)) problems.add('RULE_INVALID', `the key column ${name} has the same value in all rows under its mask`, 'use the mask hash, which keeps keys apart');
    else {
      problems.add('RULE_INVALID', `the key column ${name} is not at the target, so rows cannot be found there`,
        'keep the column, or name other key columns of the target with `key`');
    }
    return [];
  });
}

function namedKey(relation: Relation, names: readonly string[], planned: readonly PlannedColumn[], problems: Problems): number[] {
  const key: number[] = [];
  for (const name of names) {
    const at = planned.findIndex((one) => one.column.name === name);
    const one = planned[at];
    if (!one) {
      const near = nearestName(name, planned.map((other) => other.column.name));
      problems.add('COLUMN_UNKNOWN', `the target has no column ${name} for its key`, near === undefined ? 'correct the name' : `did you mean ${near}?`);
    } else if (one.making.kind === 'meta' && one.making.what !== 'source') {
      problems.add('RULE_INVALID', `${name} cannot be part of a key: it changes with every change of the row`, 'use columns that identify a row');
    } else if (relation.identity !== 'full' && !isKnownBefore(relation, one.making)) {
      problems.add('RULE_INVALID', `${name} is made of a column outside the source's key, whose old value an update or delete does not carry`,
        `use key columns of the source, or at the source: ${fullIdentity(relation)}`);
    } else key.push(at);
  }
  return key;
}

/** Whether an update or delete under the default identity tells the old value: the source's key columns, and what is the same in all rows. */
function isKnownBefore(relation: Relation, making: Making): boolean {
  switch (making.kind) {
    case 'field':
    case 'hash':
      return relation.key.includes(making.field);
    case 'returned':
      return making.field !== undefined && relation.key.includes(making.field);
    case 'sql':
      return making.expression.columns.every((field) => relation.key.includes(field));
    case 'constant':
    case 'meta':
      return true;
  }
}
