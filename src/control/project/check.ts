// `millrace check`: the project against the tables in millrace.schema.json, without touching a database.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MillraceError } from '../../base/index.ts';
import type { CatalogTable } from '../../connect/index.ts';
import { nearestName, parseTablePattern, quoteTable, selects, tableAddress, type TableName, type TablePattern } from '../../data/index.ts';
import type { ReplicaSpec, TableRule } from '../../replica/index.ts';
import { type Diagnostic, ProjectError, sortDiagnostics } from './diagnostic.ts';
import { SCHEMA_FILE } from './files.ts';
import { type LoadOptions, readProject } from './load.ts';
import { columnMatches, type Project, type SourceSpec } from './project.ts';
import type { Path, Report } from './report.ts';
import { readSchemaFile, type SourceSchema } from './schema-file.ts';
import { mayBeStoredApart } from './generate-types.ts';
import { sitePlace } from './script.ts';

export interface Checked {
  /** Errors and warnings, in the order of their places. */
  readonly diagnostics: readonly Diagnostic[];
  /** Absent when the file could not be understood. */
  readonly project?: Project;
  /** Whether tables and columns could be checked: for every source, the schema file has it. */
  readonly withSchema: boolean;
}

/** Reads and checks the project of a folder. Throws only CONFIG_NOT_FOUND and what makes the schema file unreadable. */
export async function checkProject(folder: string, options: LoadOptions = {}): Promise<Checked> {
  let read;
  try {
    read = await readProject(folder, options);
  } catch (error) {
    if (error instanceof ProjectError) return { diagnostics: error.diagnostics, withSchema: false };
    throw error;
  }
  const { project, report } = read;
  let withSchema = false;
  if (project) {
    const path = join(resolve(folder), SCHEMA_FILE);
    const schema = existsSync(path) ? readSchemaFile(readFileSync(path, 'utf8')) : new Map<string, SourceSchema>();
    withSchema = project.sources.every((source) => schema.has(source.name));
    if (!withSchema) {
      const missing = project.sources.filter((source) => !schema.has(source.name)).map((source) => `"${source.name}"`);
      report.warning(['sources'], `tables and columns of ${missing.join(', ')} are not checked: ${SCHEMA_FILE} does not have them`, { at: 'key', hint: 'write it with `millrace types`' });
    }
    for (const source of project.sources) {
      const known = schema.get(source.name);
      if (known) checkSource(source, known, report);
    }
    for (const replica of project.replicas) await checkReplica(replica, schema, report, project.folder);
  }
  return { diagnostics: sortDiagnostics(report.diagnostics), ...(project ? { project } : {}), withSchema };
}

const everyTable = (schema: SourceSchema): TableName[] => [...schema.tables.map((table) => table.relation), ...schema.others];

function checkSource(source: SourceSpec, schema: SourceSchema, report: Report): void {
  const tables = everyTable(schema);
  const path = ['sources', source.name];
  source.tables.forEach((pattern, i) => mustMatch(pattern, pattern.text, tables, [...path, 'tables', i], report, 'value'));
  source.appendOnly.forEach((pattern, i) => mustMatch(pattern, pattern.text, tables, [...path, 'appendOnly', i], report, 'value'));
  for (const table of schema.others) {
    if (selects(source.tables, table)) {
      report.warning([...path, 'tables'], `${tableAddress(table)} is selected, but ${SCHEMA_FILE} does not describe it`, { at: 'key', hint: 'run `millrace types`' });
    }
  }
  for (const { tables: pattern, columns } of source.columns) {
    const at = [...path, 'columns', pattern.text];
    mustMatch(pattern, pattern.text, tables, at, report, 'key');
    const names = schema.tables.filter((table) => pattern.matches(table.relation))
      .flatMap((table) => [...table.relation.columns.map((column) => column.name), ...table.leftOut.map((column) => column.name)]);
    if (names.length === 0) continue;
    columns.forEach((text, i) => {
      const column = text.replace(/^!/, '');
      if (names.some((name) => columnMatches(column, name))) return;
      const near = nearestName(column, names);
      report.error([...at, i], `${pattern.text} has no column ${column}`, { code: 'COLUMN_UNKNOWN', hint: near === undefined ? undefined : `did you mean "${near}"?` });
    });
  }
}

/** Whether a pattern matches a table; if not, an error with the nearest name. */
function mustMatch(pattern: TablePattern, shown: string, tables: readonly TableName[], path: Path, report: Report, at: 'key' | 'value'): boolean {
  const inclusion = pattern.exclude ? parseTablePattern(pattern.text.slice(1)) : pattern;
  if (!inclusion || tables.some((table) => inclusion.matches(table))) return true;
  const near = inclusion.glob ? undefined : nearestName(inclusion.text, tables.map(tableAddress));
  report.error(path, inclusion.glob ? `${shown} matches no table` : `there is no table ${shown}`, {
    code: 'TABLE_UNKNOWN', at, hint: near === undefined ? `the tables stand in ${SCHEMA_FILE}; \`millrace types\` writes it anew` : `did you mean "${near}"?`,
  });
  return false;
}

async function checkReplica(replica: ReplicaSpec, schema: ReadonlyMap<string, SourceSchema>, report: Report, folder: string): Promise<void> {
  const place = (text: string | undefined): Partial<Diagnostic> & { file: string } => {
    const [, file, line, column] = /^(.*?):(\d+):(\d+)$/.exec(text ?? '') ?? [];
    return file === undefined ? report.placeAt(['replicas', replica.name, 'from']) : sitePlace({ file: join(folder, file), line: Number(line), column: Number(column) }, folder);
  };
  const fail = (code: Diagnostic['code'], message: string, hint: string | undefined, at: string | undefined): void =>
    report.add({ severity: 'error', code, message, ...place(at), ...(hint === undefined ? {} : { hint }) });
  for (const { source, tables: patterns } of replica.from) {
    const known = schema.get(source);
    if (!known) continue;
    const selected = known.tables.map((table) => table.relation);
    const path = ['replicas', replica.name, 'from'];
    for (const pattern of patterns) {
      if (pattern.text !== '*.*') mustMatch(pattern, `${source}.${pattern.text}`, selected, path, report, 'value');
    }
    const taken = selected.filter((table) => selects(patterns, table));
    if (taken.length === 0) continue;
    const rules = replica.rules.filter((rule) => rule.source === source);
    for (const rule of rules) {
      if (taken.some((table) => rule.tables.matches(table))) continue;
      const shown = `${source}.${rule.tables.text}`;
      const near = rule.tables.glob ? undefined : nearestName(rule.tables.text, taken.map(tableAddress));
      const elsewhere = everyTable(known).some((table) => rule.tables.matches(table));
      fail('TABLE_UNKNOWN', elsewhere ? `the replica does not take ${shown}` : rule.tables.glob ? `${shown} matches no table` : `there is no table ${shown}`,
        elsewhere ? 'add it to `from`, or to the tables of the source' : near === undefined ? undefined : `did you mean "${source}.${near}"?`, rule.place);
    }
    const { compileRoutes } = await import('../../replica/index.ts');
    const { problems } = await compileRoutes(replica, source, taken);
    // Rules for unknown tables were named above, where tables are known that the source does not select.
    for (const problem of problems) if (problem.code !== 'TABLE_UNKNOWN') fail(problem.code, `${problem.table}: ${problem.message}`, problem.hint, problem.place);
    if (problems.length === 0) await checkConditions(rules, known.tables.filter((table) => taken.includes(table.relation)), fail);
  }
}

/** A SQL condition may not ask a column that an update can leave out: its row could neither be kept nor deleted. */
async function checkConditions(
  rules: readonly TableRule[], tables: readonly CatalogTable[], fail: (code: Diagnostic['code'], message: string, hint: string, at: string | undefined) => void,
): Promise<void> {
  const conditions = rules.filter((rule) => typeof rule.where === 'string');
  if (conditions.length === 0) return;
  const { bindCondition, loadGrammar } = await import('../../expr/index.ts');
  await loadGrammar();
  for (const rule of conditions) {
    for (const { relation, toastable } of tables) {
      if (!rule.tables.matches(relation) || relation.identity === 'full') continue;
      let asked: readonly number[];
      try {
        asked = bindCondition(rule.where as string, relation.columns).columns;
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        fail(error.code, `${tableAddress(relation)}: ${error.message}`, error.hint, rule.place);
        continue;
      }
      const column = asked.map((index) => relation.columns[index]).find((each) => each && toastable.includes(each.name) && mayBeStoredApart(each));
      if (column) fail('RULE_INVALID', `${tableAddress(relation)}: the condition asks ${column.name}, which an update leaves out when it is long and unchanged`,
        `at the source: alter table ${quoteTable(relation)} replica identity full`, rule.place);
    }
  }
}
