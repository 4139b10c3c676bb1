// Foreign keys among the tables of a target, for loads: in which order tables are filled, and what to do about a row whose parent is not there.
import { MillraceError } from '../../../base/index.ts';
import { quoteIdent, quoteTable, tableAddress, type TableName } from '../../../data/index.ts';
import type { PgError } from '../../../wire/index.ts';
import type { Session } from './session.ts';

const edges = `select cn.nspname as child_schema, c.relname as child_name, pn.nspname as parent_schema, p.relname as parent_name
  from pg_catalog.pg_constraint f
  join pg_catalog.pg_class c on c.oid = f.conrelid join pg_catalog.pg_namespace cn on cn.oid = c.relnamespace
  join pg_catalog.pg_class p on p.oid = f.confrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
  where f.contype = 'f' and f.conparentid = 0 and f.conrelid <> f.confrelid`;

/**
 * Table → number, for filling tables with smaller numbers first: a table's is greater than those of all that it refers to. Empty where
 * foreign keys are off. Throws TARGET_MISMATCH when tables refer to each other in a circle.
 */
export async function loadRanks(session: Session, user: string, tables: readonly TableName[]): Promise<ReadonlyMap<string, number>> {
  const ranks = new Map<string, number>();
  if (session.replicaRole) return ranks;
  const wanted = new Set(tables.map(tableAddress));
  const parents = new Map<string, string[]>();
  for (const row of await session.connection.rows<Record<`${'child' | 'parent'}_${'schema' | 'name'}`, string>>(edges)) {
    const child = tableAddress({ schema: row.child_schema, name: row.child_name });
    const parent = tableAddress({ schema: row.parent_schema, name: row.parent_name });
    if (wanted.has(child) && wanted.has(parent)) parents.set(child, [...(parents.get(child) ?? []), parent]);
  }
  const rank = (table: string, path: readonly string[]): number => {
    const known = ranks.get(table);
    if (known !== undefined) return known;
    if (path.includes(table)) {
      const circle = [...path.slice(path.indexOf(table)), table];
      throw new MillraceError('TARGET_MISMATCH', `foreign keys of the target lead in a circle (${circle.join(' → ')}), so that none of these tables can be filled first`, {
        where: session.connection.where, hint: `${grantHint(user)}, which lets Millrace fill them in any order; or drop one of these foreign keys: the source keeps it`,
      });
    }
    const found = 1 + Math.max(-1, ...(parents.get(table) ?? []).map((parent) => rank(parent, [...path, table])));
    ranks.set(table, found);
    return found;
  };
  for (const table of wanted) rank(table, []);
  return ranks;
}

/** Lets a table's own deferrable foreign keys wait for the end of its load. */
export async function deferReferences({ connection, replicaRole }: Session, target: TableName): Promise<void> {
  if (replicaRole) return;
  const keys = await connection.rows<{ schema: string; name: string }>(
    `select n.nspname as schema, f.conname as name from pg_catalog.pg_constraint f join pg_catalog.pg_namespace n on n.oid = f.connamespace
     where f.contype = 'f' and f.condeferrable and f.conrelid = pg_catalog.to_regclass($1)`, [quoteTable(target)],
  );
  if (keys.length > 0) await connection.query(`set constraints ${keys.map(({ schema, name }) => `${quoteIdent(schema)}.${quoteIdent(name)}`).join(', ')} deferred`);
}

/** A load met a row whose parent is not there: no fault of the row. */
export function unreferenced(session: Session, user: string, target: TableName, error: PgError): MillraceError {
  return new MillraceError('TARGET_MISMATCH', `rows of ${tableAddress(target)} refer to rows that are not at the target (yet): ${error.message}`, {
    where: session.connection.where, cause: error, ...(error.detail ? { detail: error.detail } : {}),
    hint: `${grantHint(user)}, which switches foreign keys off for Millrace; or, if the table refers to itself, make that foreign key deferrable; or drop it: the source keeps it`,
  });
}

export const grantHint = (user: string): string => `grant set on parameter session_replication_role to ${quoteIdent(user)}`;
