// What is noted of loads, in their own transactions: the tables that are done, in millrace.tables, and the chunks that are there, in millrace.chunks.
import { formatLsn, parseLsn, tableAddress } from '../../../data/index.ts';
import { type Load, type LoadedChunk, type LoadedTable, shapeOf, type TableStop } from '../../../flow/index.ts';
import { text } from './fence.ts';
import type { Session } from './session.ts';

type Place = Pick<Load, 'part' | 'from' | 'target'>;

/** The parameters $1 to $4 that name a table of a consumer. */
const nameOf = (consumer: string, { part, from, target }: Place): Buffer[] => text(consumer, part, tableAddress(from), tableAddress(target)) as Buffer[];

/** One that has yet to join is `copying`, with a position. */
export const stateOf = ({ joins }: { readonly joins?: boolean }): string => (joins ? 'copying' : 'done');

/** A table was filled as a whole. */
export function noteDone(session: Session, consumer: string, load: Load, rows: number): void {
  forgetChunks(session, consumer, load);
  const sql = `insert into millrace.tables (consumer, source, source_table, target_table, state, snapshot_position, rows, source_oid, shape)
    values ($1, $2, $3, $4, $9, $5, $6::int8, $7::int8, $8::jsonb) on conflict (consumer, source, source_table, target_table) do update
    set state = excluded.state, snapshot_position = excluded.snapshot_position, rows = excluded.rows, source_oid = excluded.source_oid, shape = excluded.shape,
      stopped = null, updated_at = pg_catalog.now()`;
  const params = [...nameOf(consumer, load), ...text(formatLsn(load.position), String(rows), String(load.from.oid ?? 0), JSON.stringify(shapeOf(load.target)), stateOf(load))];
  session.track({ what: 'other', promise: session.execute(sql, params) });
}

export function forgetChunks(session: Session, consumer: string, place: Place): void {
  const sql = 'delete from millrace.chunks where consumer = $1 and source = $2 and source_table = $3 and target_table = $4';
  session.track({ what: 'other', promise: session.execute(sql, nameOf(consumer, place)) });
}

interface ChunkRow {
  readonly key_from: string;
  readonly key_to: string;
  readonly position: string;
  readonly rows: string;
  readonly shape: string;
}

/** The ranges of keys that are loaded; chunks by place mean nothing later and are not among them. */
export async function readChunks({ connection }: Session, consumer: string, part: string, source: string, target: string): Promise<LoadedChunk[]> {
  const rows = await connection.rows<ChunkRow & Record<string, string>>(
    `select key_from, key_to, position, rows::text, shape from millrace.chunks
     where consumer = $1 and source = $2 and source_table = $3 and target_table = $4 and key_from not like 'place %'`, [consumer, part, source, target],
  );
  const bound = (key: string): bigint | undefined => (key === '' ? undefined : BigInt(key));
  return rows.map((row) => ({
    keys: { from: bound(row.key_from), to: bound(row.key_to) }, position: parseLsn(row.position), rows: Number(row.rows), shape: row.shape,
  }));
}

/** Sent before the commit of the chunk's rows. */
export function noteChunk(session: Session, consumer: string, load: Load, { keys, shape }: NonNullable<Load['chunk']>, rows: number): void {
  const [first, last] = typeof keys === 'number' ? [`place ${keys}`, ''] : [String(keys.from ?? ''), String(keys.to ?? '')];
  const sql = 'insert into millrace.chunks (consumer, source, source_table, target_table, key_from, key_to, position, rows, shape) values ($1, $2, $3, $4, $5, $6, $7, $8::int8, $9)';
  session.track({
    what: 'other',
    promise: session.execute(sql, [...nameOf(consumer, load), ...text(first, last, formatLsn(load.position), String(rows), shape)]),
  });
}

/** What is remembered of the tables that were loaded for a source. */
export async function readLoaded({ connection }: Session, consumer: string, part: string): Promise<readonly LoadedTable[]> {
  const rows = await connection.rows<Record<'source_table' | 'target_table' | 'state', string> & Record<'snapshot_position' | 'rows' | 'oid' | 'stopped', string | null>>(
    'select source_table, target_table, state, snapshot_position, rows::text, source_oid::text as oid, stopped::text as stopped from millrace.tables where consumer = $1 and source = $2 order by 1, 2', [consumer, part],
  );
  return rows.map((row) => ({
    source: row.source_table, target: row.target_table, done: row.state === 'done', snapshotPosition: parseLsn(row.snapshot_position ?? '0/0'), rows: Number(row.rows ?? 0),
    oid: Number(row.oid ?? 0), ...(row.stopped === null ? {} : { stopped: JSON.parse(row.stopped) as TableStop }),
  }));
}

/** Forgets the loads of a source's tables that are not among these: nobody follows their changes now, so that they are to be read anew later. */
export async function forgetOthers(session: Session, consumer: string, part: string, current: readonly { readonly source: string; readonly target: string }[]): Promise<void> {
  await session.execute(
    `with forgotten as (
       update millrace.tables t set state = 'copying', snapshot_position = null, updated_at = pg_catalog.now() where consumer = $1 and source = $2 and state = 'done' and not exists (
         select from pg_catalog.json_to_recordset($3::json) as c(source text, target text) where c.source = source_table and c.target = target_table)
       returning consumer, source, source_table, target_table)
     delete from millrace.chunks where (consumer, source, source_table, target_table) in (select consumer, source, source_table, target_table from forgotten)`,
    text(consumer, part, JSON.stringify(current)),
  );
}
