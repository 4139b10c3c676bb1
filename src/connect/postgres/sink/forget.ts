// What a resync and the status need of the tables in the schema `millrace`, without taking over the consumer.
import type { PgConnection } from '../../../wire/index.ts';

/**
 * Lets a consumer read tables again (addresses at the source); all of a source's, and its position, when none is named. A target table that
 * several source tables fill is read again from all of them, since nothing tells whose a row is that is gone at its source. Open dead letters
 * of these tables are superseded: the snapshot brings their rows. Only while the consumer does not run.
 */
export async function forgetLoads(connection: PgConnection, consumer: string, part: string, tables: readonly string[]): Promise<void> {
  const all = tables.length === 0;
  const params = all ? [consumer, part] : [consumer, part, JSON.stringify(tables)];
  const chosen = all ? '' : ' and source_table in (select pg_catalog.json_array_elements_text($3::json))';
  const targets = `target_table in (select target_table from millrace.tables where consumer = $1 and source = $2${chosen})`;
  await connection.query('begin');
  await connection.rows(
    `update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now() where consumer = $1 and state in ('open', 'joined') and ${targets}`, params);
  await connection.rows(`update millrace.tables set state = 'copying', updated_at = pg_catalog.now() where consumer = $1 and ${targets}`, params);
  if (all) await connection.rows('delete from millrace.positions where consumer = $1 and part = $2', params);
  await connection.query('commit');
}
