// The columns of a target table, and what each is made of.
import { nearestName, type Relation } from '../../data/index.ts';
import type { TargetColumn } from '../../flow/index.ts';
import type { TableRule } from '../spec.ts';
import type { Problems } from './problem.ts';

/** What a target column is made of. */
export type Making =
  /** The bytes of a field of the source row. */
  | { readonly kind: 'field'; readonly field: number };

export interface PlannedColumn {
  readonly column: TargetColumn;
  readonly making: Making;
}

/** The target columns of a table under a rule, in the source's order. */
export function planColumns(relation: Relation, rule: TableRule | undefined, named: (name: string) => string, problems: Problems): PlannedColumn[] {
  const planned: PlannedColumn[] = [];
  for (const [field, column] of relation.columns.entries()) {
    if (rule?.drop.includes(column.name)) continue;
    const name = renamed(rule, column.name) ?? named(column.name);
    planned.push({ column: { ...column, name }, making: { kind: 'field', field } });
  }
  refuseTwins(planned, relation, problems);
  return planned;
}

const renamed = (rule: TableRule | undefined, column: string): string | undefined =>
  rule && Object.hasOwn(rule.rename, column) ? rule.rename[column] : undefined;

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

function origin(planned: PlannedColumn, relation: Relation): string {
  return `column ${relation.columns[planned.making.field]?.name}`;
}

/** The columns that a rule names, as it spells them. */
export const namedColumns = (rule: TableRule): string[] => [...rule.drop, ...Object.keys(rule.rename), ...Object.keys(rule.mask)];

/** Columns that a rule names and none of its tables has. */
export function refuseUnknown(rule: TableRule, relations: readonly Relation[], problems: Problems): void {
  const known = new Set(relations.flatMap((relation) => relation.columns.map((column) => column.name)));
  for (const name of new Set(namedColumns(rule))) {
    if (known.has(name)) continue;
    const near = nearestName(name, known);
    problems.add('COLUMN_UNKNOWN', `there is no column ${name}`, near === undefined ? 'correct the name' : `did you mean ${near}?`);
  }
}
