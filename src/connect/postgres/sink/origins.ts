// How what Millrace writes to a database is told from what others write there: see data/origin.ts.
import { databaseId } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { text } from './fence.ts';
import type { Session } from './session.ts';

/** What origins call a database; undefined where nobody can follow its changes, so that nothing has to be marked. */
export async function followedDatabase(connection: PgConnection): Promise<string | undefined> {
  const [row] = await connection.rows<{ level: string; system: string; database: string }>(
    `select pg_catalog.current_setting('wal_level') as level, system_identifier::text as system,
       (select oid::text from pg_catalog.pg_database where datname = pg_catalog.current_database()) as database from pg_catalog.pg_control_system()`,
  ).catch(() => []);
  return row?.level === 'logical' ? databaseId({ systemId: row.system, timeline: 0, database: row.database }) : undefined;
}

/** Where the source of a consumer's part is noted in millrace.meta, for who replays a letter without the source. */
export const originKey = (consumer: string, part: string): string => `origin of ${consumer} ${part}`;

export function noteOrigin(session: Session, consumer: string, part: string, source: string): void {
  const sql = 'insert into millrace.meta as m values ($1, $2) on conflict (key) do update set value = excluded.value where m.value <> excluded.value';
  session.track({ what: 'other', promise: session.execute(sql, text(originKey(consumer, part), source)) });
}

/** Where a dead letter's change came from, as far as it is noted. */
export async function originOfLetter(connection: PgConnection, consumer: string, id: string): Promise<string | undefined> {
  const rows = await connection.rows<{ value: string }>(
    `select distinct m.value from millrace.dead_letters l join millrace.tables t using (consumer, source_table, target_table)
       join millrace.meta m on m.key = 'origin of ' || consumer || ' ' || t.source where consumer = $1 and l.id::text = $2`, [consumer, id]);
  return rows.length === 0 ? undefined : rows.map(({ value }) => value).join(' ');
}
