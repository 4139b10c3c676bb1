// What `up` would make at a source, as SQL for review: the publication and the slot.
import { quoteLiteral, tableAddress } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import type { CatalogTable } from '../catalog.ts';
import { ident } from '../target/sql-text.ts';
import { ofAnotherProject, type ProjectIds, readMarks, type SourceNames } from './owner.ts';
import { columnList, createPublicationSql, inRecovery, publicationMembers, readMembers, readSlot } from './slot.ts';

/** Statements without a semicolon at the end, with half a sentence why; empty when everything is there. Throws SLOT_OF_ANOTHER_PROJECT. */
export async function planSource(connection: PgConnection, tables: readonly CatalogTable[], names: SourceNames, ids: ProjectIds): Promise<{ sql: string; why: string }[]> {
  const foreign = (await readMarks(connection, names)).find((mark) => !ids.own.has(mark.project));
  if (foreign) throw ofAnotherProject(foreign, ids, connection.where);
  const statements: { sql: string; why: string }[] = [];
  const { slot, publication, managesPublication } = names;
  if (managesPublication && tables.length > 0) {
    const [found] = await connection.rows('select 1 as one from pg_catalog.pg_publication where pubname = $1', [publication]);
    const members = found ? await readMembers(connection, publication) : new Map<string, string>();
    const differs = members.size > tables.length || tables.some((table) => members.get(tableAddress(table.relation)) !== columnList(table));
    if (!found) statements.push({ sql: createPublicationSql(publication, tables, connection.major), why: `publication ${ident(publication)} is not there` });
    else if (differs) statements.push({ sql: `alter publication ${ident(publication)} set table ${publicationMembers(tables)}`, why: `publication ${ident(publication)} holds other tables or columns` });
  }
  if (!(await readSlot(connection, slot))) {
    const failover = connection.major >= 17 && !(await inRecovery(connection)) ? ', failover => true' : '';
    statements.push({ sql: `select pg_create_logical_replication_slot(${quoteLiteral(slot).trim()}, 'pgoutput'${failover})`, why: `slot ${slot} is not there` });
  }
  return statements;
}
