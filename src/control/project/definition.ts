// A project made by code, and the transforms that YAML names, brought into the form that resolve.ts reads.
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { definitionSite, entrySite, isTableEntry, type TableEntry } from './api.ts';
import { hasLiteralPassword } from './diagnostic.ts';
import { reportIssues, subject } from './problems.ts';
import { type Path, Report } from './report.ts';
import type { CodeRule } from './resolve.ts';
import { codeRuleSchema, type ProjectConfig } from './schema.ts';
import { importDefault, ScriptPlaces } from './script.ts';
import { type Env, interpolate } from './variables.ts';

export interface ReadDefinition {
  /** What projectSchema validates: variables filled in, `table(…)` taken out. */
  readonly value: unknown;
  readonly report: Report;
  /** By replica. */
  readonly rules: Map<string, CodeRule[]>;
}

/** Reads what `defineProject` returned. `file` names it in messages. */
export function readDefinition(definition: unknown, file: string, env: Env, folder: string): ReadDefinition {
  const places = new ScriptPlaces(file, folder);
  const report = new Report(places);
  const rules = new Map<string, CodeRule[]>();
  if (!isMapping(definition)) {
    report.error([], 'its default export is not a project', { hint: 'write export default defineProject({ … })' });
    return { value: undefined, report, rules };
  }
  places.set([], definitionSite(definition));
  const replicas = isMapping(definition['replicas']) ? definition['replicas'] : {};
  const plain: Record<string, unknown> = { ...replicas };
  for (const [name, replica] of Object.entries(replicas)) {
    if (!isMapping(replica) || !Array.isArray(replica['tables'])) continue;
    const { tables, ...rest } = replica;
    plain[name] = rest;
    rules.set(name, readEntries(tables as unknown[], ['replicas', name, 'tables'], places, report, env, folder));
  }
  const value = fillIn({ millrace: 1, ...definition, ...('replicas' in definition ? { replicas: isMapping(definition['replicas']) ? plain : definition['replicas'] } : {}) },
    [], report, env, folder);
  return { value, report, rules };
}

/** The rules in the files that `transform` names, by replica. */
export async function readTransforms(replicas: ProjectConfig['replicas'], report: Report, env: Env, folder: string): Promise<Map<string, CodeRule[]>> {
  const rules = new Map<string, CodeRule[]>();
  for (const [name, { transform }] of Object.entries(replicas)) {
    const at = ['replicas', name, 'transform'];
    if (transform === undefined || report.isUnknown(at)) continue;
    const path = resolve(folder, transform);
    if (!existsSync(path)) {
      report.error(at, `there is no file ${transform}`, { hint: 'the path is relative to the project\'s folder' });
      continue;
    }
    const file = relative(folder, path);
    const list = await importDefault(path, folder);
    if (!Array.isArray(list)) {
      report.error(at, `the default export of ${transform} is not a list of table(…)`, { hint: "write export default [table('source.schema.table', { … })]" });
      continue;
    }
    const places = new ScriptPlaces(file, folder);
    const own = new Report(places, report);
    rules.set(name, readEntries(list, [transform], places, own, env, folder));
  }
  return rules;
}

function readEntries(list: readonly unknown[], path: Path, places: ScriptPlaces, report: Report, env: Env, folder: string): CodeRule[] {
  return list.flatMap((entry, i) => {
    const at = [...path, i];
    if (!isTableEntry(entry)) {
      report.error(at, `${subject(at)} was not made by table(…)`);
      return [];
    }
    places.set(at, entrySite(entry));
    return readEntry(entry, at, report, env, folder);
  });
}

function readEntry(entry: TableEntry, path: Path, report: Report, env: Env, folder: string): CodeRule[] {
  const parsed = codeRuleSchema.safeParse(fillIn(entry.options, path, report, env, folder), { reportInput: true });
  if (parsed.success && typeof entry.from === 'string') return [{ from: entry.from, rule: parsed.data, path, report }];
  if (typeof entry.from !== 'string') report.error(path, 'table(…) begins with the address of a table');
  if (!parsed.success) reportIssues(codeRuleSchema, parsed.error.issues, report, path);
  return [];
}

const isMapping = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A copy with the variables in its texts filled in; functions stay. */
function fillIn(value: unknown, path: Path, report: Report, env: Env, folder: string): unknown {
  if (typeof value === 'string') {
    const { text, problems } = interpolate(value, env, folder);
    if (hasLiteralPassword(value)) report.warning(path, `a password stands in ${subject(path)}`, { hint: "write env('NAME') and put the value into .env or the environment" });
    for (const problem of problems) report.error(path, problem.message, { code: 'CONFIG_VARIABLE', hint: problem.hint });
    if (problems.length > 0) report.markUnknown(path);
    if (value.includes('$')) report.noteTemplate(path, value);
    return text;
  }
  if (Array.isArray(value)) return value.map((each, i) => fillIn(each, [...path, i], report, env, folder));
  if (!isMapping(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined).map(([key, each]) => [key, fillIn(each, [...path, key], report, env, folder)]));
}
