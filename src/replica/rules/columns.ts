// The columns of a target table that declared rules make, and what each is made of.
import { nearestName, type Relation } from '../../data/index.ts';
import type { TableRule } from '../spec.ts';
import { addedColumns, metaColumns } from './add.ts';
import type { PlannedColumn } from './making.ts';
import { maskColumn } from './mask.ts';
import type { Problems } from './problem.ts';

/** The target columns of a table under a rule: the source's in its order, then the added ones, then those of `meta`, `guard` and `_deleted_at`. */
export function planColumns(relation: Relation, rule: TableRule | undefined, named: (name: string) => string, problems: Problems): PlannedColumn[] {
  const planned = [...sourceColumns(relation, rule, named, problems), ...(rule ? [...addedColumns(relation, rule, problems), ...metaColumns(rule)] : [])];
  refuseTwins(planned, relation, problems);
  return planned;
}

function sourceColumns(relation: Relation, rule: TableRule | undefined, named: (name: string) => string, problems: Problems): PlannedColumn[] {
  const planned: PlannedColumn[] = [];
  for (const [field, source] of relation.columns.entries()) {
    if (rule?.drop.includes(source.name)) continue;
    const mask = own(rule?.mask, source.name);
    const { missing, ...plain } = source;
    const column = { ...plain, name: own(rule?.rename, source.name) ?? named(source.name), ...(missing === undefined || mask ? {} : { missing }) };
    const one: PlannedColumn | undefined = mask ? maskColumn(column, field, mask, problems) : { column, making: { kind: 'field', field } };
    if (one) planned.push(one);
  }
  return planned;
}

/** A column's entry in a mapping of a rule. */
export const own = <T>(mapping: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  mapping && Object.hasOwn(mapping, name) ? mapping[name] : undefined;

function refuseTwins(planned: readonly PlannedColumn[], relation: Relation, problems: Problems): void {
  const seen = new Map<string, PlannedColumn>();
  for (const one of planned) {
    const other = seen.get(one.column.name);
    if (other) {
      problems.add('RULE_INVALID', `${origin(other, relation)} and ${origin(one, relation)} would both become the column ${one.column.name}`,
        'rename or drop one of them in the rule of this table');
    }
    seen.set(one.column.name, one);
  }
}

function origin({ making }: PlannedColumn, relation: Relation): string {
  switch (making.kind) {
    case 'field':
    case 'hash':
      return `column ${relation.columns[making.field]?.name}`;
    case 'meta':
      return 'a column of `meta`, `guard` or soft deletes';
    default:
      return 'a column that is added or masked';
  }
}

/** The columns that a rule names, as it spells them. */
const namedColumns = (rule: TableRule): string[] => [...rule.drop, ...Object.keys(rule.rename), ...Object.keys(rule.mask)];

/** Columns that a rule names and none of its tables has. */
export function refuseUnknown(rule: TableRule, relations: readonly Relation[], problems: Problems): void {
  const known = new Set(relations.flatMap((relation) => relation.columns.map((column) => column.name)));
  for (const name of new Set(namedColumns(rule))) {
    if (known.has(name)) continue;
    const near = nearestName(name, known);
    problems.add('COLUMN_UNKNOWN', `there is no column ${name}`, near === undefined ? 'correct the name' : `did you mean ${near}?`);
  }
}
