// Takes away what Millrace made outside its folder: slots and publications at the sources, and on request its rows in the targets.
// Replicated tables stay.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { dropSlot, readSlot } from '../connect/index.ts';
import { quoteIdent } from '../data/index.ts';
import { displayTarget, parsePgUrl, type PgConnection, withConnection } from '../wire/index.ts';
import { logFolder, publicationName, slotName } from './names.ts';
import type { Project, SourceSpec } from './project/project.ts';
import { assertNotRunning } from './run-file.ts';

export interface Removal {
  /** `slot millrace_shop`, `publication millrace_shop`, `rows of warehouse in millrace.positions, millrace.tables` */
  readonly what: string;
  /** user@host:port/database */
  readonly where: string;
  run(): Promise<void>;
}

/** What is there to be removed. Throws ALREADY_RUNNING while a process runs the project. Nothing happens before `run` is called. */
export async function planRemoval(project: Project, withTarget: boolean): Promise<Removal[]> {
  assertNotRunning(project.folder);
  const atSources = project.sources.map((source) => removeFromSource(project, source));
  const atTargets = withTarget ? project.replicas.map((replica) => removeFromTarget(replica.name, replica.url)) : [];
  return (await Promise.all([...atSources, ...atTargets])).flat();
}

async function removeFromSource(project: Project, source: SourceSpec): Promise<Removal[]> {
  const [slot, publication] = [slotName(source), publicationName(source)];
  // A slot of a name that the user chose is ours when this folder has captured through it; a publication of such a name never is.
  const ownsSlot = source.slot === undefined || existsSync(join(logFolder(project, source.name), 'identity.json'));
  const found = await withConnection(source.url, async (connection) => ({
    slot: ownsSlot && (await readSlot(connection, slot)) !== undefined,
    publication: source.publication === undefined && (await connection.rows('select 1 as one from pg_catalog.pg_publication where pubname = $1', [publication])).length > 0,
  }));
  const where = displayTarget(parsePgUrl(source.url));
  const removals: Removal[] = [];
  if (found.slot) removals.push({ what: `slot ${slot}`, where, run: () => withConnection(source.url, (connection) => dropSlot(connection, slot)) });
  if (found.publication) {
    const drop = async (connection: PgConnection): Promise<void> => void (await connection.query(`drop publication if exists ${quoteIdent(publication)}`));
    removals.push({ what: `publication ${publication}`, where, run: () => withConnection(source.url, drop) });
  }
  return removals;
}

const ownTables = ['positions', 'tables', 'dead_letters'] as const;

async function removeFromTarget(consumer: string, url: string): Promise<Removal[]> {
  const tables = await withConnection(url, async (connection) => {
    const there: string[] = [];
    for (const table of ownTables) {
      const [exists] = await connection.rows<{ there: string }>('select (pg_catalog.to_regclass($1) is not null)::text as there', [`millrace.${table}`]);
      if (exists?.there !== 'true') continue;
      if ((await connection.rows(`select 1 as one from millrace.${table} where consumer = $1 limit 1`, [consumer])).length > 0) there.push(table);
    }
    return there;
  });
  if (tables.length === 0) return [];
  const remove = async (connection: PgConnection): Promise<void> => {
    await connection.query('begin');
    for (const table of tables) await connection.rows(`delete from millrace.${table} where consumer = $1`, [consumer]);
    await connection.query('commit');
  };
  const what = `rows of ${consumer} in ${tables.map((table) => `millrace.${table}`).join(', ')}`;
  return [{ what, where: displayTarget(parsePgUrl(url)), run: () => withConnection(url, remove) }];
}
