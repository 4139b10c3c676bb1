// Takes away what Millrace made outside its folder: slots and publications at the sources, and on request its rows in the targets.
// Replicated tables stay.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dropSlot, forgetProjectId, readMarks, readProjectId, readSlot } from '../connect/index.ts';
import { quoteIdent } from '../data/index.ts';
import { displayTarget, inTransaction, parsePgUrl, type PgAddress, type PgConnection, withConnection } from '../wire/index.ts';
import { logFolder, namesAtSource } from './names.ts';
import { knownIds } from './ownership.ts';
import type { Project, SourceSpec } from './project/project.ts';
import { assertNotRunning } from './run-file.ts';

export interface Removal {
  /** `slot millrace_shop`, `publication millrace_shop`, `rows of warehouse in millrace.positions, millrace.tables` */
  readonly what: string;
  /** user@host:port/database */
  readonly where: string;
  /** Absent: it stays, since it belongs to another project. */
  run?(): Promise<void>;
}

/** What is there to be removed. Throws ALREADY_RUNNING while a process runs the project. Nothing happens before `run` is called. */
export async function planRemoval(project: Project, withTarget: boolean): Promise<Removal[]> {
  assertNotRunning(project.folder);
  const atSources = project.sources.map((source) => removeFromSource(project, source));
  const atTargets = withTarget ? project.replicas.map((replica) => removeFromTarget(replica.name, replica.url)) : [];
  return (await Promise.all([...atSources, ...atTargets])).flat();
}

async function removeFromSource(project: Project, source: SourceSpec): Promise<Removal[]> {
  const names = namesAtSource(source);
  const { slot, publication } = names;
  const where = displayTarget(parsePgUrl(source.url));
  const [found, marks] = await withConnection(source.url, async (connection) => [
    {
      slot: (await readSlot(connection, slot)) !== undefined,
      publication: source.publication === undefined && (await connection.rows('select 1 as one from pg_catalog.pg_publication where pubname = $1', [publication])).length > 0,
    },
    await readMarks(connection, names),
  ] as const);
  const { own } = marks.length > 0 ? await knownIds(project) : { own: new Set<string>() };
  const foreign = (isIt: (mark: (typeof marks)[number]) => boolean): boolean => marks.some((mark) => isIt(mark) && !own.has(mark.project));
  // Nothing may say whose a slot is, where the publication is somebody else's: one of a name that the user chose is ours when this folder has
  // captured through it.
  const ownsSlot = source.slot === undefined || marks.some((mark) => mark.slot === slot) || existsSync(join(logFolder(project, source.name), 'identity.json'));
  const removals: Removal[] = [];
  const add = (what: string, stays: boolean, work: (connection: PgConnection) => Promise<unknown>): void =>
    void removals.push({ what, where, ...(stays ? {} : { run: () => withConnection(source.url, async (connection) => void (await work(connection))) }) });
  if (found.slot && ownsSlot) add(`slot ${slot}`, foreign((mark) => mark.slot === slot), (connection) => dropSlot(connection, slot));
  if (found.publication) {
    add(`publication ${publication}`, foreign((mark) => mark.publication === publication), (connection) => connection.query(`drop publication if exists ${quoteIdent(publication)}`));
  }
  return removals;
}

const ownTables = ['positions', 'tables', 'chunks', 'lanes', 'dead_letters'] as const;

async function removeFromTarget(consumer: string, url: PgAddress): Promise<Removal[]> {
  const tables = await withConnection(url, async (connection) => {
    const there: string[] = (await readProjectId(connection, consumer)) === undefined ? [] : ['meta'];
    for (const table of ownTables) {
      const [exists] = await connection.rows<{ there: string }>('select (pg_catalog.to_regclass($1) is not null)::text as there', [`millrace.${table}`]);
      if (exists?.there !== 'true') continue;
      if ((await connection.rows(`select 1 as one from millrace.${table} where consumer = $1 limit 1`, [consumer])).length > 0) there.push(table);
    }
    return there;
  });
  if (tables.length === 0) return [];
  const remove = (connection: PgConnection): Promise<void> => inTransaction(connection, async () => {
    if (tables.includes('meta')) await forgetProjectId(connection, consumer);
    for (const table of ownTables) if (tables.includes(table)) await connection.rows(`delete from millrace.${table} where consumer = $1`, [consumer]);
  });
  const what = `rows of ${consumer} in ${tables.map((table) => `millrace.${table}`).join(', ')}`;
  return [{ what, where: displayTarget(parsePgUrl(url)), run: () => withConnection(url, remove) }];
}
