// A part of a consumer goes on with another server that holds the same rows (an upgrade that took the slot, a dump that was restored): what
// positions, table numbers and column numbers of the old server say is replaced in one transaction.
import { MillraceError } from '../../../base/index.ts';
import { formatLsn, parseLsn, type Position, quoteTable, type SourceIdentity, type TableName } from '../../../data/index.ts';
import { guardColumns, type TableShape } from '../../../flow/index.ts';
import { inTransaction, type PgConnection } from '../../../wire/index.ts';

/** What the target remembers of a source. */
export interface PartRecord {
  readonly position: Position;
  readonly identity: SourceIdentity;
  /** The tables that are loaded. */
  readonly tables: readonly { readonly source: string; readonly target: string; readonly rows: number; readonly shape: TableShape | undefined }[];
}

/** Undefined where the consumer has nothing of this source. */
export async function readPart(connection: PgConnection, consumer: string, part: string): Promise<PartRecord | undefined> {
  const [schema] = await connection.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.positions') is not null)::text as there");
  if (schema?.there !== 'true') return undefined;
  const [row] = await connection.rows<Record<'position' | 'system' | 'timeline', string>>(
    "select position, system_id as system, timeline::text as timeline from millrace.positions where consumer = $1 and part = $2 and part <> '' and position is not null", [consumer, part]);
  if (!row) return undefined;
  const tables = await connection.rows<Record<'source_table' | 'target_table' | 'rows', string> & { shape: string | null }>(
    "select source_table, target_table, coalesce(rows, 0)::text as rows, shape::text as shape from millrace.tables where consumer = $1 and source = $2 and state = 'done' order by 1, 2", [consumer, part]);
  return {
    position: parseLsn(row.position), identity: { systemId: row.system, timeline: Number(row.timeline) },
    tables: tables.map((one) => ({ source: one.source_table, target: one.target_table, rows: Number(one.rows), shape: one.shape === null ? undefined : (JSON.parse(one.shape) as TableShape) })),
  };
}

/** A table that goes on, with the numbers that it and its columns have at the new server. */
export interface AdoptedTable {
  readonly source: string;
  readonly target: string;
  readonly oid: number;
  readonly shape: TableShape | undefined;
  /** The target's table, where rows have a guard. */
  readonly guarded?: TableName;
}

/**
 * Moves a part to a position of another server. Tables that are not named, and those that were not loaded to their end, are read again. Raises
 * the fence, so that no process that still has the old positions writes any more. Throws TARGET_BUSY when the part moved meanwhile.
 */
export async function adoptPart(
  connection: PgConnection, consumer: string, part: string, was: PartRecord, now: { readonly position: Position; readonly identity: SourceIdentity }, tables: readonly AdoptedTable[],
): Promise<void> {
  const mine = [consumer, part, JSON.stringify(tables.map(({ source, target, oid, shape }) => ({ source, target, oid, shape: shape ?? null })))];
  const named = 'pg_catalog.json_to_recordset($3::json) as a(source text, target text, oid int8, shape jsonb)';
  const isNamed = `exists (select from ${named} where a.source = t.source_table and a.target = t.target_table)`;
  await inTransaction(connection, async () => {
    await connection.rows('update millrace.positions set fence = fence + 1 where consumer = $1', [consumer]);
    const moved = await connection.rows(
      `update millrace.positions set position = $3, system_id = $4, timeline = $5::int4, epoch = epoch + 1, updated_at = pg_catalog.now()
       where consumer = $1 and part = $2 and position = $6 and system_id = $7 returning 1 as one`,
      [consumer, part, formatLsn(now.position), now.identity.systemId, String(now.identity.timeline), formatLsn(was.position), was.identity.systemId]);
    if (moved.length !== 1) throw new MillraceError('TARGET_BUSY', `another process has moved the position of "${consumer}" meanwhile`, { where: connection.where });
    const begun = await connection.rows(
      `select 1 as one from millrace.lanes l join millrace.positions p using (consumer, part) where consumer = $1 and part = $2 and l.epoch = p.epoch`, [consumer, part]);
    if (begun.length > 0) {
      throw new MillraceError('NOT_ADOPTABLE', `some sessions of "${consumer}" have committed a part of an epoch that the others have not`, {
        where: connection.where, hint: 'let the old server come up once more, and run `millrace up --until caught-up`; or `millrace resync SOURCE` reads the tables again',
      });
    }
    await connection.rows('delete from millrace.chunks where consumer = $1 and source = $2', [consumer, part]);
    await connection.rows(
      `update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now() where consumer = $1 and state in ('open', 'joined')
       and target_table in (select target_table from millrace.tables t where consumer = $1 and source = $2 and state = 'done' and not ${isNamed})`, mine);
    await connection.rows(
      `update millrace.tables t set state = 'copying', snapshot_position = null, updated_at = pg_catalog.now() where consumer = $1 and source = $2 and not ${isNamed}`, mine);
    await connection.rows(
      `update millrace.tables t set snapshot_position = $4, source_oid = a.oid, shape = a.shape, updated_at = pg_catalog.now()
       from ${named} where consumer = $1 and t.source = $2 and t.source_table = a.source and t.target_table = a.target and state = 'done'`, [...mine, formatLsn(now.position)]);
    if (now.position < was.position) for (const { guarded } of tables) if (guarded) await forgetStamps(connection, guarded, part, now.position);
  });
}

/** The guards of rows whose last change has a position of the old server that the new one has yet to reach: its changes would look older. */
async function forgetStamps(connection: PgConnection, table: TableName, part: string, position: Position): Promise<void> {
  const { source, lsn } = guardColumns;
  await connection.query('savepoint role; set local session_replication_role = replica').catch(() => connection.query('rollback to savepoint role'));
  await connection.rows(`update ${quoteTable(table)} set ${lsn} = '0/0' where ${source} = $1 and ${lsn} >= $2::pg_lsn and ${lsn} < 'FFFFFFFF/FFFFFFFF'`, [part, formatLsn(position)]);
}
