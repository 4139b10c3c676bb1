// The tables that a source selects: what they lack to be captured, and what of them is left out.
import { displayIdent, type Relation, selects, tableAddress, type TablePattern } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { type CatalogTable, type ColumnFilter, readTables } from '../catalog.ts';
import { ident, qualified } from '../target/sql-text.ts';
import { TypeCatalog } from '../types.ts';
import type { Findings } from './finding.ts';
import type { SourceServer } from './source-server.ts';

export interface TableQuestions {
  readonly tables: readonly TablePattern[];
  readonly sendsColumn?: ColumnFilter;
  /** Tables without a key that are declared append-only. */
  readonly appendOnly?: readonly TablePattern[];
}

export interface ExaminedTable {
  readonly table: CatalogTable;
  readonly owned: boolean;
}

interface Access extends Record<string, string | null> { oid: string; usage: string; readable: string; owned: string; owner: string; secured: string }

export async function checkTables(connection: PgConnection, findings: Findings, server: SourceServer, asked: TableQuestions): Promise<ExaminedTable[]> {
  const tables = await readTables(connection, asked.tables, new TypeCatalog(), asked.sendsColumn);
  const access = new Map((await readAccess(connection, tables.map((table) => table.relation))).map((row) => [Number(row.oid), row]));
  await checkPatterns(connection, findings, asked.tables, tables);
  if (tables.length > 0) findings.add('ok', 'tables', `${tables.length} ${tables.length === 1 ? 'table is' : 'tables are'} selected`);
  const unreadable = tables.filter((table) => access.get(table.relation.oid)?.readable !== 'true');
  const schemas = [...new Set(tables.filter((table) => access.get(table.relation.oid)?.usage !== 'true').map((table) => table.relation.schema))];
  if (unreadable.length > 0 || schemas.length > 0) {
    const grants = [
      ...schemas.map((schema) => `grant usage on schema ${ident(schema)} to ${server.role};`),
      ...(unreadable.length > 0 ? [`grant select on ${unreadable.map((table) => qualified(table.relation)).join(', ')} to ${server.role};`] : []),
    ];
    findings.add('error', 'select', `${server.role} may not read ${names(unreadable.length > 0 ? unreadable : tables)}`, { sql: grants.join('\n') });
  } else if (tables.length > 0) findings.add('ok', 'select', `${server.role} may read all of them`);
  for (const table of tables) {
    checkIdentity(findings, table, selects(asked.appendOnly ?? [], table.relation));
    checkColumns(findings, table);
    if (access.get(table.relation.oid)?.secured === 'true') {
      findings.add('error', 'row security', `row-level security hides rows of ${tableAddress(table.relation)} from ${server.role}, so a snapshot would lack them`, { sql: `alter role ${server.role} bypassrls;` });
    }
  }
  const roots = tables.filter((table) => table.partitioned);
  if (roots.length > 0) findings.add('note', 'partitions', `${names(roots)} ${roots.length === 1 ? 'is' : 'are'} partitioned; changes come under the root's name`);
  return tables.map((table) => ({ table, owned: access.get(table.relation.oid)?.owned === 'true' }));
}

export const names = (tables: readonly { readonly relation: Relation }[]): string => {
  const all = tables.map((table) => tableAddress(table.relation));
  return all.length > 6 ? `${all.slice(0, 5).join(', ')} and ${all.length - 5} more` : all.join(', ');
};

function readAccess(connection: PgConnection, relations: readonly Relation[]): Promise<Access[]> {
  const wanted = relations.map((relation) => ({ oid: relation.oid, columns: relation.columns.map((column) => column.name) }));
  return connection.rows<Access>(
    `select c.oid::text, has_schema_privilege(c.relnamespace, 'USAGE')::text as usage, pg_has_role(c.relowner, 'USAGE')::text as owned,
       pg_get_userbyid(c.relowner)::text as owner,
       (has_table_privilege(c.oid, 'SELECT') or (select bool_and(has_column_privilege(c.oid, name, 'SELECT')) from json_array_elements_text(w.columns) name))::text as readable,
       case when has_schema_privilege(c.relnamespace, 'USAGE') then row_security_active(c.oid) else false end::text as secured
     from json_to_recordset($1::json) as w(oid int8, columns json) join pg_catalog.pg_class c on c.oid = w.oid::oid`,
    [JSON.stringify(wanted)],
  );
}

/** Patterns that select nothing, and relations of kinds that have no changes to capture. */
async function checkPatterns(connection: PgConnection, findings: Findings, patterns: readonly TablePattern[], tables: readonly CatalogTable[]): Promise<void> {
  const others = (await connection.rows<{ schema: string; name: string; kind: string }>(
    `select n.nspname::text as schema, c.relname::text as name, case when c.relpersistence = 'u' then 'an unlogged table' when c.relpersistence = 't' then 'a temporary table'
       when c.relkind = 'v' then 'a view' when c.relkind = 'm' then 'a materialized view' else 'a foreign table' end as kind
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where (c.relkind in ('v', 'm', 'f') or (c.relkind in ('r', 'p') and c.relpersistence <> 'p')) and n.nspname not in ('pg_catalog', 'information_schema', 'millrace')
     order by 1, 2`,
  )).filter((other) => selects(patterns, other));
  for (const other of others) {
    const exact = patterns.some((pattern) => !pattern.glob && !pattern.exclude && pattern.matches(other));
    findings.add(exact ? 'error' : 'note', 'tables', `${tableAddress(other)} is ${other.kind}: it has no changes in the WAL and is left out`,
      other.kind === 'an unlogged table' ? { sql: `alter table ${qualified(other)} set logged;` } : { detail: exact ? 'take it out of `tables`' : undefined });
  }
  for (const pattern of patterns) {
    if (pattern.exclude || tables.some((table) => pattern.matches(table.relation)) || others.some((other) => pattern.matches(other))) continue;
    findings.add('error', 'tables', `"${pattern.text}" selects no table`, { detail: 'correct the name in `tables`' });
  }
}

function checkIdentity(findings: Findings, { relation, primaryKey }: CatalogTable, appendOnly: boolean): void {
  if (appendOnly || relation.identity === 'full' || relation.key.length > 0) return;
  const address = tableAddress(relation);
  if (relation.identity === 'nothing' || (primaryKey.length > 0 && relation.identity === 'default')) {
    const excluded = relation.identity !== 'nothing';
    findings.add('error', 'identity', excluded ? `columns of the primary key of ${address} are left out` : `${address} has REPLICA IDENTITY NOTHING, so updates and deletes do not say which row`,
      excluded ? { detail: `key columns are needed to find rows: keep ${primaryKey.join(', ')}` } : { sql: `alter table ${qualified(relation)} replica identity ${primaryKey.length > 0 ? 'default' : 'full'};` });
    return;
  }
  findings.add('error', 'identity', `${address} has no primary key and no replica identity, so updates and deletes fail once it is published`,
    { sql: `alter table ${qualified(relation)} replica identity full;`, detail: 'better: give it a primary key; or, if rows are only inserted, name it in `appendOnly`' });
}

function checkColumns(findings: Findings, { relation, leftOut }: CatalogTable): void {
  const generated = leftOut.filter((column) => column.why === 'generated').map((column) => column.name);
  if (generated.length > 0) findings.add('note', 'columns', `${tableAddress(relation)}: generated ${generated.join(', ')} ${generated.length === 1 ? 'is' : 'are'} not sent by this server`);
  const text = relation.columns.filter((column) => !column.type.binary).map((column) => `${displayIdent(column.name)} (${column.typeText})`);
  if (text.length > 0) findings.add('note', 'columns', `${tableAddress(relation)}: ${text.join(', ')} ${text.length === 1 ? 'has' : 'have'} no binary form and ${text.length === 1 ? 'goes' : 'go'} as text`);
}
