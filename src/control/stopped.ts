// The status of a project that no process runs: what the targets and the sources know of it.
import { asMillraceError } from '../base/index.ts';
import { countLetters, listLoads, type Loaded, readPositions, walEndSql } from '../connect/index.ts';
import { formatLsn, parseLsn } from '../data/index.ts';
import { type PgAddress, type PgConnection, withConnection } from '../wire/index.ts';
import type { ReplicaSpec } from '../replica/index.ts';
import { readFailures } from './failures.ts';
import { slotName } from './names.ts';
import type { Project, SourceSpec } from './project/project.ts';
import { onlyCopyNote, readMemory } from './source-memory.ts';
import type { ProjectStatus, ReplicaStatus, SourceStatus, TableStatus } from './status.ts';

const next = 'millrace up';
const idleWalBytes = 8192;

interface SourceEnd {
  readonly status: SourceStatus;
  /** Where the source's log ends; undefined when it cannot be asked. */
  readonly end: bigint | undefined;
}

/** Asks every database once. Those that cannot be reached are `stopped` too, with the reason. */
export async function stoppedStatus(project: Project): Promise<ProjectStatus> {
  const ends = new Map(await Promise.all(project.sources.map(async (source) => [source.name, await stoppedSource(project, source)] as const)));
  const replicas = await Promise.all(project.replicas.map(async (replica) => [replica.name, await stoppedReplica(replica, ends)] as const));
  // What ended the last run counts more than that nothing runs.
  const failures = readFailures(project.folder);
  const failed = <T extends object>(status: T, failure: object | undefined): T => (failure ? { ...status, state: 'failed', ...failure } : status);
  const loads = replicas.flatMap(([, replica]) => replica.loads);
  return {
    sources: Object.fromEntries([...ends].map(([name, { status }]) => [name, failed({ ...status, tables: tablesOf(name, loads) }, failures.sources[name])])),
    replicas: Object.fromEntries(replicas.map(([name, { status }]) => [name, failed(status, failures.replicas[name])])),
  };
}

/** The tables that replicas have read from a source. Their changes were counted by a process that is gone. */
function tablesOf(source: string, loads: readonly Loaded[]): Record<string, TableStatus> {
  const tables: Record<string, TableStatus> = {};
  for (const { part, source: table, rows } of loads) {
    if (part === source) tables[table] = { state: 'stopped', snapshotRows: Math.max(rows, tables[table]?.snapshotRows ?? 0), changes: 0 };
  }
  return tables;
}

async function stoppedSource(project: Project, source: SourceSpec): Promise<SourceEnd> {
  const bare = { state: 'stopped', next, position: null, lagBytes: 0, lagMs: 0, tables: {} } as const;
  const asked = await ask(source.url, async (connection) => {
    const [end] = await connection.rows<{ lsn: string }>(`select (${walEndSql()})::text as lsn`);
    const [slot] = await connection.rows<{ lsn: string | null }>(
      'select confirmed_flush_lsn::text as lsn from pg_catalog.pg_replication_slots where slot_name = $1 and database = pg_catalog.current_database()', [slotName(source)],
    );
    return { end: parseLsn(end?.lsn ?? '0/0'), position: slot?.lsn ?? null };
  });
  if ('problem' in asked) return { status: { ...bare, reason: asked.problem }, end: undefined };
  const { end, position } = asked;
  const onlyCopy = readMemory(project, source.name)?.onlyCopy ? `; ${onlyCopyNote}` : '';
  const reason = position === null ? 'it has not run yet' : `no process runs this project${onlyCopy}`;
  return { status: { ...bare, reason, position, lagBytes: position === null ? 0 : Math.max(0, Number(end - parseLsn(position))) }, end };
}

async function stoppedReplica(
  replica: ReplicaSpec, sources: ReadonlyMap<string, SourceEnd>,
): Promise<{ status: ReplicaStatus; loads: readonly Loaded[] }> {
  const bare = { state: 'stopped', next, position: null, lagBytes: 0, lagMs: 0, rows: 0, deadLetters: 0, tables: {} } as const;
  const asked = await ask(replica.url, async (connection) => {
    const positions = await readPositions(connection, replica.name);
    if (!positions) return { positions: [], letters: 0, loads: [] };
    return { positions, letters: await countLetters(connection, replica.name), loads: await listLoads(connection, replica.name) };
  });
  if ('problem' in asked) return { status: { ...bare, reason: asked.problem }, loads: [] };
  const { positions, letters, loads } = asked;
  if (positions.length === 0) return { status: { ...bare, reason: 'it has not run yet' }, loads };
  let lagBytes = 0;
  let lagMs = 0;
  for (const { part, position, ageMs } of positions) {
    const end = sources.get(part)?.end;
    if (end === undefined || end <= position) continue;
    const bytes = Number(end - position);
    lagBytes = Math.max(lagBytes, bytes);
    // An idle server writes a little WAL by itself: it says nothing about changes.
    if (bytes > idleWalBytes) lagMs = Math.max(lagMs, ageMs);
  }
  const position = positions.map((each) => formatLsn(each.position)).join(', ');
  return { status: { ...bare, reason: 'no process runs this project', position, lagBytes, lagMs, deadLetters: letters, tables: stoppedTables(replica, loads) }, loads };
}

/** Tables that will not go on by themselves. */
function stoppedTables(replica: ReplicaSpec, loads: readonly Loaded[]): ReplicaStatus['tables'] {
  const several = new Set(replica.from.map((from) => from.source)).size > 1;
  return Object.fromEntries(loads.flatMap(({ part, source, stopped }) => (stopped ? [[several ? `${part}.${source}` : source, {
    state: 'failed' as const, reason: stopped.reason, ...(stopped.next === undefined ? {} : { next: stopped.next }), events: [], indexes: [],
  }]] : [])));
}

async function ask<T extends object>(url: PgAddress, question: (connection: PgConnection) => Promise<T>): Promise<T | { readonly problem: string }> {
  try {
    return await withConnection(url, question);
  } catch (error) {
    return { problem: asMillraceError(error).message };
  }
}
