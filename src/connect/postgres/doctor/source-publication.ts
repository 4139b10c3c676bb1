// The publication of a source: there and complete, or what is missing to make it.
import { tableAddress } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { columnList, createPublicationSql, publicationMembers, readMembers } from '../source/slot.ts';
import { ident } from '../target/sql-text.ts';
import type { Findings } from './finding.ts';
import type { SourceServer } from './source-server.ts';
import { type ExaminedTable, names } from './source-tables.ts';

/** `managed`: Millrace makes and alters it; otherwise it is only used. */
export async function checkPublication(
  connection: PgConnection, findings: Findings, server: SourceServer, name: string, managed: boolean, examined: readonly ExaminedTable[],
): Promise<void> {
  if (examined.length === 0) return;
  const tables = examined.map(({ table }) => table);
  const create = createPublicationSql(name, tables, connection.major);
  const [found] = await connection.rows<{ owned: string; root: string; partial: string }>(
    `select pg_has_role(pubowner, 'USAGE')::text as owned, pubviaroot::text as root, (not (pubinsert and pubupdate and pubdelete and pubtruncate))::text as partial
     from pg_catalog.pg_publication where pubname = $1`,
    [name],
  );
  if (!found) {
    const foreign = examined.filter(({ owned }) => !owned).map(({ table }) => table);
    if (!managed) findings.add('error', 'publication', `publication ${name} does not exist`, { sql: `${create};` });
    else if (server.recovery) findings.add('error', 'publication', `publication ${name} does not exist, and a standby cannot make it`, { sql: `${create};`, detail: 'to be run on the primary' });
    else if (!server.superuser && foreign.length > 0) {
      findings.add('error', 'publication', `${server.role} cannot make the publication, since it does not own ${names(foreign.map((table) => table))}`,
        { sql: `${create};`, detail: 'an owner of the tables or a superuser runs it, and alters it when tables are added; `millrace up` then only uses it' });
    } else if (!server.mayCreate) {
      findings.add('error', 'publication', `${server.role} may not make a publication in this database`, { sql: `grant create on database ${server.database} to ${server.role};` });
    } else findings.add('ok', 'publication', `publication ${name} is not there yet; \`millrace up\` makes it`);
    return;
  }
  const members = await readMembers(connection, name);
  const roots = found.root === 'true' ? new Set<number>() : await readRoots(connection, name);
  const missing = examined.filter(({ table }) => !roots.has(table.relation.oid) && members.get(tableAddress(table.relation)) !== columnList(table));
  const surplus = managed && members.size > examined.length;
  const set = `alter publication ${ident(name)} set table ${publicationMembers(tables)};`;
  if (missing.length > 0 || surplus) {
    const what = missing.length > 0 ? `does not hold ${names(missing.map(({ table }) => table))} as configured` : 'holds tables that are not configured';
    const foreign = missing.filter(({ owned }) => !owned);
    if (managed && (server.superuser || (found.owned === 'true' && foreign.length === 0))) findings.add('note', 'publication', `publication ${name} ${what}; \`millrace up\` alters it`, { sql: set });
    else findings.add('error', 'publication', `publication ${name} ${what}`, { sql: set });
  } else findings.add('ok', 'publication', `publication ${name} holds every table`);
  if (found.partial === 'true') {
    findings.add('error', 'publication', `publication ${name} leaves out inserts, updates, deletes or truncates`, { sql: `alter publication ${ident(name)} set (publish = 'insert, update, delete, truncate');` });
  }
  if (found.root !== 'true' && examined.some(({ table }) => table.partitioned)) {
    findings.add('error', 'publication', `publication ${name} sends partitions under their own names`, { sql: `alter publication ${ident(name)} set (publish_via_partition_root = true);` });
  }
}

/** Partitioned tables of a publication that lists their partitions instead of them. */
async function readRoots(connection: PgConnection, name: string): Promise<Set<number>> {
  const rows = await connection.rows<{ oid: string }>(
    `select c.oid::text from pg_catalog.pg_publication p join pg_catalog.pg_class c on c.relkind = 'p' and (p.puballtables
       or exists (select from pg_catalog.pg_publication_rel r where r.prpubid = p.oid and r.prrelid = c.oid)
       or exists (select from pg_catalog.pg_publication_namespace n where n.pnpubid = p.oid and n.pnnspid = c.relnamespace)) where p.pubname = $1`,
    [name],
  );
  return new Set(rows.map((row) => Number(row.oid)));
}
