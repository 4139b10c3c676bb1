// What others than the sink need of the tables in the schema `millrace`, without taking over the consumer: resync, verify, the status of a
// stopped project, and whose a slot is.
import { type Lsn, parseLsn } from '../../../data/index.ts';
import type { TableStop } from '../../../flow/index.ts';
import { inTransaction, type PgConnection } from '../../../wire/index.ts';
import { originKey } from './origins.ts';
import { ensureSchema } from './schema.ts';

/** How far a consumer is with a source. */
export interface StoredPosition {
  readonly part: string;
  readonly position: Lsn;
  /** Since it moved, by the server's clock. */
  readonly ageMs: number;
}

/** The positions of a consumer, a source each; undefined where nothing has been written to this database yet. */
export async function readPositions(connection: PgConnection, consumer: string): Promise<readonly StoredPosition[] | undefined> {
  const [schema] = await connection.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.positions') is not null)::text as there");
  if (schema?.there !== 'true') return undefined;
  const rows = await connection.rows<{ part: string; position: string; age: string }>(
    `select part, position, (1000 * extract(epoch from pg_catalog.now() - updated_at))::int8::text as age
     from millrace.positions where consumer = $1 and part <> '' and position is not null order by part`, [consumer],
  );
  return rows.map(({ part, position, age }) => ({ part, position: parseLsn(position), ageMs: Number(age) }));
}

/**
 * Lets a consumer read tables again (addresses at the source); all of a source's, and its position, when none is named. A target table that
 * several source tables fill is read again from all of them, since nothing tells whose a row is that is gone at its source. Open dead letters
 * of these tables are superseded: the snapshot brings their rows. Stops end; the shape that a policy held on to is forgotten. Only while the consumer does not run.
 */
export async function forgetLoads(connection: PgConnection, consumer: string, part: string, tables: readonly string[]): Promise<void> {
  const all = tables.length === 0;
  const params = all ? [consumer, part] : [consumer, part, JSON.stringify(tables)];
  const chosen = all ? '' : ' and source_table in (select pg_catalog.json_array_elements_text($3::json))';
  const targets = `target_table in (select target_table from millrace.tables where consumer = $1 and source = $2${chosen})`;
  await inTransaction(connection, async () => {
    await connection.rows(
      `update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now() where consumer = $1 and state in ('open', 'joined') and ${targets}`, params);
    await connection.rows(`delete from millrace.chunks where consumer = $1 and ${targets}`, params);
    await connection.rows(`update millrace.tables set state = 'copying', snapshot_position = null, stopped = null, shape = case when stopped ->> 'waits' = 'resync' then null else shape end, updated_at = pg_catalog.now() where consumer = $1 and ${targets}`, params);
    if (all) for (const table of ['positions', 'lanes']) await connection.rows(`delete from millrace.${table} where consumer = $1 and part = $2`, params);
  });
}

const projectKey = (consumer: string): string => `project of ${consumer}`;

/** The id of the project that writes as this consumer; undefined where none is recorded. */
export async function readProjectId(connection: PgConnection, consumer: string): Promise<string | undefined> {
  const [schema] = await connection.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.meta') is not null)::text as there");
  if (schema?.there !== 'true') return undefined;
  return (await connection.rows<{ value: string }>('select value from millrace.meta where key = $1', [projectKey(consumer)]))[0]?.value;
}

/** Records it; makes the schema `millrace` where it is missing. */
export async function recordProjectId(connection: PgConnection, consumer: string, id: string): Promise<void> {
  await ensureSchema(connection);
  await connection.rows('insert into millrace.meta as m values ($1, $2) on conflict (key) do update set value = excluded.value where m.value <> excluded.value', [projectKey(consumer), id]);
}

/** Forgets it, when the consumer is over. */
export async function forgetProjectId(connection: PgConnection, consumer: string): Promise<void> {
  await connection.rows('delete from millrace.meta where key = $1 or pg_catalog.starts_with(key, $2)', [projectKey(consumer), originKey(consumer, '')]);
}

export interface Loaded {
  /** The source's name. */
  readonly part: string;
  /** Addresses at the source and at the target. */
  readonly source: string;
  readonly target: string;
  /** Of the snapshot; 0 while it is not read. */
  readonly rows: number;
  /** Whether it has been read. */
  readonly done: boolean;
  /** The OID that the source's table had; 0 unknown. */
  readonly oid: number;
  readonly stopped?: TableStop;
}

/** The tables that a consumer has read, or begun to read; none when the target has never been written to. */
export async function listLoads(connection: PgConnection, consumer: string): Promise<Loaded[]> {
  const [row] = await connection.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.tables') is not null)::text as there");
  if (row?.there !== 'true') return [];
  const rows = await connection.rows<Record<'source' | 'source_table' | 'target_table' | 'rows' | 'state' | 'oid' | 'stopped', string>>(
    `select source, source_table, target_table, coalesce(rows, 0)::text as rows, state, coalesce(source_oid, 0)::text as oid, coalesce(pg_catalog.to_jsonb(t) ->> 'stopped', '') as stopped from millrace.tables t where consumer = $1 order by 1, 2, 3`, [consumer]);
  return rows.map((each) => ({ part: each.source, source: each.source_table, target: each.target_table, rows: Number(each.rows), done: each.state === 'done', oid: Number(each.oid), ...(each.stopped === '' ? {} : { stopped: JSON.parse(each.stopped) as TableStop }) }));
}
