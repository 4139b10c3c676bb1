// The doctor's rounds: every source and every target of a project.
import { diagnoseSource, diagnoseTarget, type Finding } from '../connect/index.ts';
import { displayTarget, parsePgUrl } from '../wire/index.ts';
import type { ReplicaSpec } from '../replica/index.ts';
import { compileReplica, readProjectTables, wantedTables } from './plan.ts';
import { namesAtSource } from './names.ts';
import { knownIds } from './ownership.ts';
import { appendOnlyTables, columnFilter, type Project, type SourceSpec } from './project/project.ts';

export interface Diagnosis {
  readonly kind: 'source' | 'replica';
  readonly name: string;
  /** user@host:port/database */
  readonly where: string;
  readonly findings: readonly Finding[];
}

/** Looks at all systems at once. A target is compared with what would be written as far as the sources can be read. */
export async function diagnoseProject(project: Project): Promise<Diagnosis[]> {
  const sources = project.sources.map(async (source): Promise<Diagnosis> => ({ kind: 'source', name: source.name, ...(await examineSource(project, source)) }));
  const replicas = project.replicas.map(async (spec): Promise<Diagnosis> => ({ kind: 'replica', name: spec.name, ...(await examineTarget(project, spec)) }));
  return Promise.all([...sources, ...replicas]);
}

async function examineSource(project: Project, source: SourceSpec): Promise<Pick<Diagnosis, 'where' | 'findings'>> {
  const options = parsePgUrl(source.url);
  const findings = await diagnoseSource(options, {
    tables: source.tables, sendsColumn: columnFilter(source), appendOnly: appendOnlyTables(project, source),
    ...namesAtSource(source), ids: await knownIds(project),
  });
  return { where: displayTarget(options), findings };
}

async function examineTarget(project: Project, spec: ReplicaSpec): Promise<Pick<Diagnosis, 'where' | 'findings'>> {
  const options = parsePgUrl(spec.url);
  const needed = new Set(spec.from.map((from) => from.source));
  // What is wrong with a source is said where the source is examined.
  const tables = await readProjectTables({ ...project, sources: project.sources.filter((source) => needed.has(source.name)) }).catch(() => undefined);
  const routes = tables ? await compileReplica(spec, tables) : [];
  const ruled = routes.flatMap((one) => one.problems).map(({ table, message, hint }): Finding => ({ level: 'error', check: 'rules', message: `${table}: ${message}`, detail: hint }));
  return { where: displayTarget(options), findings: [...(await diagnoseTarget(options, wantedTables(routes), spec.parallel)), ...ruled] };
}
