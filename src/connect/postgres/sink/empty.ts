// Emptying tables: by TRUNCATE where that is allowed, else row by row; and a table that others refer to.
import { MillraceError } from '../../../base/index.ts';
import { quoteTable, tableAddress, type TableName } from '../../../data/index.ts';
import type { TableTruncate } from '../../../flow/index.ts';
import { grantHint, loadRanks } from './references.ts';
import type { Session } from './session.ts';

/** Empties tables, in the session's transaction. `more`: of TRUNCATE. */
async function empty(session: Session, user: string, tables: readonly TableName[], more = ''): Promise<void> {
  const [row] = await session.connection.rows<{ may: string }>(
    "select pg_catalog.bool_and(pg_catalog.has_table_privilege(t, 'TRUNCATE'))::text as may from pg_catalog.json_array_elements_text($1::json) t", [JSON.stringify(tables.map(quoteTable))]);
  if (row?.may !== 'false') return session.tell('rows', `truncate ${tables.map(quoteTable).join(', ')}${more}`, tables.map(tableAddress));
  // Those first that refer to others.
  const ranks = await loadRanks(session, user, tables);
  const rankOf = (table: TableName): number => ranks.get(tableAddress(table)) ?? 0;
  for (const table of tables.toSorted((a, b) => rankOf(b) - rankOf(a))) session.tell('rows', `delete from ${quoteTable(table)}`, [tableAddress(table)]);
}

/** What a TRUNCATE of the source does. Its cascade has reached the tables that are named too. */
export const emptyAsSource = (session: Session, user: string, { targets, cascade, restartIdentity }: TableTruncate): Promise<void> =>
  empty(session, user, targets, `${restartIdentity ? ' restart identity' : ''}${cascade ? ' cascade' : ''}`);

const referring = `with recursive r (oid) as (select pg_catalog.to_regclass($1)::oid
    union select f.conrelid from pg_catalog.pg_constraint f join r on f.confrelid = r.oid where f.contype = 'f' and f.conparentid = 0)
  select n.nspname as schema, c.relname as name from r join pg_catalog.pg_class c on c.oid = r.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid <> pg_catalog.to_regclass($1)`;

/** Empties a table that is read again. Those that refer to it are emptied with it when they are to be read again too; else they stay as they are. */
export async function emptyTable(session: Session, consumer: string, user: string, target: TableName): Promise<void> {
  const { connection } = session;
  const others = await connection.rows<{ schema: string; name: string }>(referring, [quoteTable(target)]);
  if (others.length === 0) return empty(session, user, [target]);
  const states = await connection.rows<{ t: string; state: string }>(
    "select target_table as t, case when pg_catalog.bool_and(state = 'copying') then 'copying' else 'done' end as state from millrace.tables where consumer = $1 group by 1", [consumer],
  );
  const copying = new Set(states.filter(({ state }) => state === 'copying').map(({ t }) => t));
  if (others.every((other) => copying.has(tableAddress(other)))) {
    await empty(session, user, [target, ...others]);
  } else if (session.replicaRole) {
    await connection.query(`delete from ${quoteTable(target)}`);
  } else {
    throw new MillraceError('TARGET_MISMATCH', `${tableAddress(target)} cannot be emptied to be read again, since foreign keys of ${others.map(tableAddress).join(', ')} refer to it`, {
      where: connection.where, hint: `read them together: \`millrace resync ${consumer}\`; or ${grantHint(user)}`,
    });
  }
}
