// What `up` would do: the way of every table with its guarantee, and what it would make at sources and targets. Reads, changes nothing.
import { type CatalogTable, listLoads, type Loaded, millraceSchemaSql, planSource, planTarget, type ProjectIds, selectTables, type TargetPlan, TypeCatalog, type DdlStatement, type Selection } from '../connect/index.ts';
import { displayTarget, parsePgUrl, type PgConnection, withConnection } from '../wire/index.ts';
import { tableAddress } from '../data/index.ts';
import type { TargetTable } from '../flow/index.ts';
import { compileForTarget, compileRoutes, type ReplicaSpec, type Route, type Routes, type TableNews, tableNews } from '../replica/index.ts';
import { namesAtSource } from './names.ts';
import { knownIds } from './ownership.ts';
import { columnFilter, type Project, type SourceSpec } from './project/project.ts';

export interface PlannedTable {
  /** source.schema.table */
  readonly from: string;
  /** schema.table at the target. */
  readonly to: string;
  /** `bytes`: fields are copied as they come. `computed`: some are made by rules. `transform`: a function makes the row. */
  readonly path: 'bytes' | 'computed' | 'transform';
  /** What the rules do, one phrase each: `drop ssn`, `mask email (hash)`. */
  readonly rules: readonly string[];
}

export interface PlanProblem {
  readonly level: 'error' | 'warning';
  readonly table: string;
  readonly message: string;
  readonly hint: string;
}

export interface SourcePlan {
  /** user@host:port/database */
  readonly where: string;
  readonly tables: readonly string[];
  readonly guarantee: string;
  readonly sql: readonly { readonly sql: string; readonly why: string }[];
}

export interface ReplicaPlan {
  readonly where: string;
  readonly from: readonly string[];
  readonly guarantee: string;
  readonly tables: readonly PlannedTable[];
  /** For an owner or superuser to run. */
  readonly grants: readonly { readonly sql: string; readonly why: string }[];
  readonly ddl: readonly Pick<DdlStatement, 'sql' | 'why'>[];
  readonly problems: readonly PlanProblem[];
}

export interface ProjectPlan {
  readonly sources: Readonly<Record<string, SourcePlan>>;
  readonly replicas: Readonly<Record<string, ReplicaPlan>>;
}

/** From a source into its log: capture acknowledges only what cannot be lost. */
const captured = 'every commit, whole and in order; the source keeps it until every replica has it, or up to limits.walKept';
/** From a log to a transactional sink; guarantee A of the concepts page. */
const exactlyOnce = 'exactly once: rows and position commit in one transaction';

/** The same from several sessions. */
const sharedOut = (sessions: number): string => `exactly once, by ${sessions} sessions: each commits its rows with a note of them; a transaction of the source may be seen in parts`;

/** What a source asks of its catalog. */
const selectionOf = (source: SourceSpec): Selection => ({ source: source.name, tables: source.tables, sendsColumn: columnFilter(source), place: source.place });

/** The tables that each source selects, as its catalog has them now. Throws when a source cannot be read, or a pattern matches nothing. */
export async function readProjectTables(project: Project): Promise<Map<string, CatalogTable[]>> {
  const read = async (source: SourceSpec): Promise<readonly [string, CatalogTable[]]> =>
    [source.name, await withConnection(source.url, (connection) => selectTables(connection, selectionOf(source), new TypeCatalog()))];
  return new Map(await Promise.all(project.sources.map(read)));
}

/** The routes of a replica, one object a source. */
export function compileReplica(spec: ReplicaSpec, tables: ReadonlyMap<string, readonly CatalogTable[]>): Promise<Routes[]> {
  const sources = [...new Set(spec.from.map((from) => from.source))];
  return Promise.all(sources.map((source) => compileRoutes(spec, source, (tables.get(source) ?? []).map((table) => table.relation))));
}

/** The tables that a replica would write. */
export const wantedTables = (routes: readonly Routes[]): TargetTable[] => routes.flatMap((one) => one.targets);

/** Plans the whole project. Throws when a database cannot be reached. */
export async function planProject(project: Project): Promise<ProjectPlan> {
  const tables = await readProjectTables(project);
  const ids = await knownIds(project);
  const sources = project.sources.map(async (source) => [source.name, await planOneSource(source, ids, tables.get(source.name) ?? [])] as const);
  const replicas = project.replicas.map(async (spec) => [spec.name, await planReplica(spec, tables)] as const);
  return { sources: Object.fromEntries(await Promise.all(sources)), replicas: Object.fromEntries(await Promise.all(replicas)) };
}

async function planOneSource(source: SourceSpec, ids: ProjectIds, tables: readonly CatalogTable[]): Promise<SourcePlan> {
  const sql = await withConnection(source.url, (connection) => planSource(connection, tables, namesAtSource(source), ids));
  return { where: displayTarget(parsePgUrl(source.url)), tables: tables.map((table) => tableAddress(table.relation)), guarantee: captured, sql };
}

async function planReplica(spec: ReplicaSpec, tables: ReadonlyMap<string, readonly CatalogTable[]>): Promise<ReplicaPlan> {
  const sources = [...new Set(spec.from.map((from) => from.source))];
  const { routes, target, own, loads } = await withConnection(spec.url, async (connection) => {
    const compiled = await Promise.all(sources.map((source) => compileForTarget(spec, source, (tables.get(source) ?? []).map((table) => table.relation), connection)));
    const loads = (await listLoads(connection, spec.name)).filter((load) => sources.includes(load.part));
    for (const load of loads) if (load.stopped?.waits === 'resync') compiled[sources.indexOf(load.part)]?.stop(load.source);
    return { routes: compiled, target: await planTarget(connection, wantedTables(compiled), spec.parallel), own: await planOwnSchema(connection), loads };
  });
  const planned = routes.flatMap((one, i) => (tables.get(sources[i] as string) ?? []).flatMap((table) => one.for(table.relation).map((route) => plannedTable(sources[i] as string, route))));
  const news = routes.flatMap((one, i) => {
    const own = loads.filter((load) => load.part === sources[i]);
    // The first snapshot is no news.
    return own.some((load) => load.done) ? tableNews(own, one.relations, new Set(one.relations.filter((relation) => one.for(relation).length > 0).map(tableAddress))) : [];
  });
  const ruled = routes.flatMap((one) => one.problems).map(({ table, message, hint }): PlanProblem => ({ level: 'error', table, message: `${table}: ${message}`, hint }));
  return {
    where: displayTarget(parsePgUrl(spec.url)),
    from: sources,
    guarantee: spec.parallel > 1 ? sharedOut(spec.parallel) : exactlyOnce,
    tables: planned,
    grants: [...own.grants.filter((grant) => !target.grants.some((other) => other.sql === grant.sql)), ...target.grants],
    ddl: [...own.ddl, ...[...target.ddl, ...target.indexes].map(({ sql, why }) => ({ sql, why }))],
    problems: [...loads.flatMap(stoppedProblem), ...ruled, ...target.problems.map(({ level, table, message, hint }) => ({ level, table, message, hint })), ...pendingNotes(routes, target, news)],
  };
}

const stoppedProblem = ({ source, stopped }: Loaded): PlanProblem[] => (
  stopped ? [{ level: 'error', table: source, message: `${source} is stopped: ${stopped.reason}`, hint: stopped.next ?? `millrace resync` }] : []
);

/** What becomes of tables without a statement. */
function pendingNotes(routes: readonly Routes[], target: TargetPlan, news: readonly TableNews[]): PlanProblem[] {
  const note = (table: string, message: string): PlanProblem => ({ level: 'warning', table, message, hint: 'nothing, if that is wanted' });
  return [
    ...[...news, ...target.notes].map(({ table, what }) => note(table, `${table}: ${what}`)),
    ...target.readAgain.map((table) => note(table, `${table} is read again from its source when that comes`)),
    ...routes.flatMap((one) => one.notes).map(({ table, what }) => note(table, `${table}: ${what}`)),
  ];
}

/** The schema in which Millrace keeps positions and dead letters. */
async function planOwnSchema(connection: PgConnection): Promise<Pick<ReplicaPlan, 'grants' | 'ddl'>> {
  const [row] = await connection.rows<{ there: string; may_create: string; grant: string }>(
    `select (pg_catalog.to_regclass('millrace.positions') is not null)::text as there, has_database_privilege(current_database(), 'CREATE')::text as may_create,
       format('grant create on database %I to %I', current_database(), current_user) as grant`,
  );
  if (!row || row.there === 'true') return { grants: [], ddl: [] };
  return {
    grants: row.may_create === 'true' ? [] : [{ sql: row.grant, why: 'schemas are to be made' }],
    ddl: [{ sql: millraceSchemaSql().replace(/;$/, ''), why: 'positions, states of tables and dead letters are kept here' }],
  };
}

function plannedTable(source: string, route: Route): PlannedTable {
  const { rule, relation, target, columns } = route;
  const copied = columns.every(({ making }) => making.kind === 'field' || making.kind === 'constant');
  const path = rule?.row ? 'transform' : copied && rule?.where === undefined ? 'bytes' : 'computed';
  return { from: `${source}.${tableAddress(relation)}`, to: tableAddress(target), path, rules: describeRule(route) };
}

function describeRule({ rule, target }: Route): string[] {
  if (!rule) return [];
  return [
    ...(rule.row ? ['row by a function'] : []),
    ...(rule.where === undefined ? [] : [typeof rule.where === 'string' ? `where ${rule.where}` : 'where by a function']),
    ...rule.drop.map((column) => `drop ${column}`),
    ...Object.entries(rule.rename).map(([from, to]) => `rename ${from} to ${to}`),
    ...Object.entries(rule.mask).map(([column, mask]) => `mask ${column} (${mask.kind})`),
    ...Object.entries(rule.add).map(([column, added]) => `add ${column} = ${added.kind === 'sql' ? added.sql : JSON.stringify(added.value)}`),
    ...(rule.key ? [`key ${target.key.map((i) => target.columns[i]?.name).join(', ')}`] : []),
    ...(target.indexes ?? []).map(({ on, unique }) => `${unique ? 'unique ' : ''}index (${on})`),
    ...(rule.deletes === 'hard' ? [] : [`deletes: ${rule.deletes}`]),
    ...(rule.meta ? ['meta columns'] : []),
    ...(rule.guard ? ['guard'] : []),
    ...(rule.appendOnly ? ['append only'] : []),
  ];
}
