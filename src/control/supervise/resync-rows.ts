// Single rows of a running replica are read again: which ones that are, and the report.
import { textSettings } from '../../connect/index.ts';
import { tableAddress } from '../../data/index.ts';
import { atSource, atTarget, mendKeys, type Replica, type RowKey } from '../../replica/index.ts';
import { type PgConnection, withConnection } from '../../wire/index.ts';
import type { Project, SourceSpec } from '../project/project.ts';
import type { ReplicaSpec } from '../../replica/index.ts';
import type { RowsReport, Running, WhichRows } from '../status.ts';
import { verifyReplica } from '../verify.ts';

type Counted = RowsReport['tables'][number];

/** So many differing rows of a table are mended at a time. */
const repairKeysMax = 100_000;
const repairRoundsMax = 10;

/** See Running.resyncRows. `wanted`: source → tables, none standing for all. */
export async function resyncRows(
  project: Project, replica: Replica, running: Running, wanted: ReadonlyMap<string, readonly string[]>, which: WhichRows, signal: AbortSignal,
): Promise<RowsReport> {
  const spec = project.replicas.find((one) => one.name === replica.name) as ReplicaSpec;
  const tables = which === 'repair' ? await repair(project, spec, replica, running, wanted, signal) : await mendWhere(project, spec, replica, wanted, which.where);
  return { tables: tables.filter(({ rows }) => rows > 0), shared: [...new Set(tables.map(({ target }) => target))].filter((target) => replica.isShared(target)) };
}

async function repair(
  project: Project, spec: ReplicaSpec, replica: Replica, running: Running, wanted: ReadonlyMap<string, readonly string[]>, signal: AbortSignal,
): Promise<Counted[]> {
  const counted: Counted[] = [];
  let left = wanted;
  // A row whose key has changed between the comparison and its turn is found by the next one, which also proves that the others are right.
  for (let round = 0; left.size > 0 && round < repairRoundsMax; round++) {
    const tables = await repairOnce(project, spec, replica, running, left, signal);
    counted.push(...tables.map(({ source: _, ...each }) => each));
    left = new Map([...Map.groupBy(tables.filter(({ target }) => !replica.isShared(target)), ({ source }) => source)].map(([source, own]) => [source, own.map(({ table }) => table)]));
  }
  return [...Map.groupBy(counted, ({ table, target }) => `${table} ${target}`).values()].map((same) => ({ ...(same[0] as Counted), rows: same.reduce((sum, { rows }) => sum + rows, 0) }));
}

async function repairOnce(
  project: Project, spec: ReplicaSpec, replica: Replica, running: Running, wanted: ReadonlyMap<string, readonly string[]>, signal: AbortSignal,
): Promise<(Counted & { source: string })[]> {
  const found: { source: string; table: string; target: string; keys: readonly RowKey[] }[] = [];
  const holder = { hold: running.hold.bind(running), release: async (name: string) => running.release(name) };
  await verifyReplica(project, spec, holder, signal, {
    keysMax: repairKeysMax,
    chooses: (source, table) => wanted.has(source) && (wanted.get(source)?.length === 0 || wanted.get(source)?.includes(table) === true),
    differs: (source, { relation, target }, keys) => found.push({ source, table: tableAddress(relation), target: tableAddress(target), keys }),
  });
  const counted: (Counted & { source: string })[] = [];
  const errors: unknown[] = [];
  for (const { source, table, target, keys } of found) {
    // One that cannot be mended does not keep the others from it.
    await replica.mend(source, table, target, inPages(keys)).then((rows) => counted.push({ source, table, target, rows }), (error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
  return counted;
}

const pageRows = 2000;

async function* inPages(keys: readonly RowKey[]): AsyncGenerator<readonly RowKey[]> {
  for (let at = 0; at < keys.length; at += pageRows) yield keys.slice(at, at + pageRows);
}

async function mendWhere(project: Project, spec: ReplicaSpec, replica: Replica, wanted: ReadonlyMap<string, readonly string[]>, where: string): Promise<Counted[]> {
  const counted: Counted[] = [];
  for (const [source, addresses] of wanted) {
    const { url } = project.sources.find((one) => one.name === source) as SourceSpec;
    const routes = replica.part(source)?.routes;
    for (const relation of routes?.relations.filter((one) => addresses.includes(tableAddress(one))) ?? []) {
      for (const route of routes?.for(relation) ?? []) {
        const [table, target] = [tableAddress(relation), tableAddress(route.target)];
        const rows = await withConnection(url, (from) => withConnection(spec.url, async (to) => {
          for (const connection of [from, to]) await fix(connection);
          const pages = mendKeys(await atSource(from, route, where), await atTarget(to, route, where), replica.isShared(target));
          return replica.mend(source, table, target, pages);
        }));
        counted.push({ table, target, rows });
      }
    }
  }
  return counted;
}

/** Values are written in one way; names in a condition are looked up as usual; and a condition only reads. */
async function fix(connection: PgConnection): Promise<void> {
  const { search_path: _, ...values } = textSettings;
  await connection.set({ ...values, default_transaction_read_only: 'on' });
  // There a setting comes when its transaction has begun.
  if (connection.pooled) await connection.set({ transaction_read_only: 'on' });
}
