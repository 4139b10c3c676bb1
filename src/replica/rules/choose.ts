// Which rules a table falls under, and what its target is called.
import { nearestName, selects, snakeCase, tableAddress, type TableName, type TablePattern } from '../../data/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import type { RuleProblem } from './problem.ts';

/** Whether the replica takes this table of the source. */
export function takes(spec: ReplicaSpec, source: string, table: TableName): boolean {
  return spec.from.some((from) => from.source === source && selects(from.tables, table));
}

/**
 * The rules for a table. Exact names come before globs; several exact entries route the table to several targets. Of the globs that match,
 * the one with the most literal characters counts (the first of equals), together with its repetitions. Undefined: no rule, the table goes as it is.
 */
export function rulesFor(spec: ReplicaSpec, source: string, table: TableName): readonly (TableRule | undefined)[] {
  const matching = spec.rules.filter((rule) => rule.source === source && rule.tables.matches(table));
  const exact = matching.filter((rule) => !rule.tables.glob);
  if (exact.length > 0) return exact;
  const [best] = matching.toSorted((a, b) => literals(b.tables) - literals(a.tables));
  return best ? matching.filter((rule) => rule.tables.text === best.tables.text) : [undefined];
}

const literals = (pattern: TablePattern): number => pattern.text.replaceAll('*', '').length;

/** A name made from the source's, as `names` asks. */
export const namer = (spec: ReplicaSpec): ((name: string) => string) => (spec.names === 'snake_case' ? snakeCase : (name) => name);

/** The target of a table; `*` stands for the source's own part, written as `names` asks. */
export function targetName(spec: ReplicaSpec, rule: TableRule | undefined, table: TableName): TableName {
  const named = namer(spec);
  const part = (to: string | undefined, own: string): string => (to ?? '*').replaceAll('*', () => named(own));
  return { schema: part(rule?.to?.schema, table.schema), name: part(rule?.to?.name, table.name) };
}

/**
 * Rules, and tables of `from`, that name no table of the source: a slip of the pen, which would let rows pass as they are, unmasked, say.
 * `tables`: all that the source selects.
 */
export function unmatched(spec: ReplicaSpec, source: string, tables: readonly TableName[]): RuleProblem[] {
  const problem = (pattern: TablePattern, among: readonly TableName[], message: string, place: string | undefined): RuleProblem => {
    const near = pattern.glob ? undefined : nearestName(pattern.text, among.map(tableAddress));
    const hint = near === undefined ? 'correct the name; `millrace plan` lists the tables' : `did you mean "${source}.${near}"?`;
    return { code: 'TABLE_UNKNOWN', table: `${source}.${pattern.text}`, message, hint, ...(place === undefined ? {} : { place }) };
  };
  const missing = (pattern: TablePattern, among: readonly TableName[]): boolean => !pattern.exclude && !among.some((table) => pattern.matches(table));
  const taken = tables.filter((table) => takes(spec, source, table));
  return [
    ...spec.from.filter((from) => from.source === source).flatMap((from) => from.tables)
      .filter((pattern) => pattern.text !== '*.*' && missing(pattern, tables))
      .map((pattern) => problem(pattern, tables, `the source has no such table, which replica "${spec.name}" is to take`, undefined)),
    ...spec.rules.filter((rule) => rule.source === source && missing(rule.tables, taken))
      .map((rule) => problem(rule.tables, taken, `replica "${spec.name}" takes no such table, for which it has a rule`, rule.place)),
  ];
}
