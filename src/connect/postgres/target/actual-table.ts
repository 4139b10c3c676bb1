// A table of the target as its catalog has it: everything that decides how rows can be written to it.
import type { TableName } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';

export interface ActualColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** As SQL writes it with an empty search_path. */
  readonly typeText: string;
  readonly notNull: boolean;
  readonly generated: 'no' | 'stored' | 'virtual';
  readonly identity: 'no' | 'always' | 'byDefault';
  /** A DEFAULT of its own (identity and generated columns do not count). */
  readonly hasDefault: boolean;
}

/** A primary key, a UNIQUE constraint, a unique index or an exclusion constraint. */
export interface ActualConstraint {
  readonly name: string;
  readonly kind: 'primary' | 'unique' | 'exclusion';
  /** In the index's order. Empty when it is on expressions. */
  readonly columns: readonly string[];
  readonly deferrable: boolean;
  /** Whether ON CONFLICT (columns) can use it: on plain columns, for all rows, not deferrable, valid. */
  readonly arbiter: boolean;
}

export interface ActualTable extends TableName {
  readonly oid: number;
  /** pg_class.relkind: r table, p partitioned, v view, m materialized view, f foreign table. */
  readonly relkind: string;
  readonly partitioned: boolean;
  readonly columns: readonly ActualColumn[];
  readonly primaryKey: ActualConstraint | undefined;
  /** All others: UNIQUE constraints, unique indexes, exclusion constraints. */
  readonly uniques: readonly ActualConstraint[];
  /** Enabled triggers made by users. `always`: some fire under session_replication_role = replica too. */
  readonly triggers: boolean;
  readonly triggersAlways: boolean;
  /** Foreign keys of this table or to this table. */
  readonly foreignKeys: boolean;
  /** Row-level security applies to this user. */
  readonly rowSecurity: boolean;
  /** Itself or partitions of it, as SQL names them: a crash of the server empties them. */
  readonly unlogged: readonly string[];
  readonly owned: boolean;
  readonly privileges: { readonly select: boolean; readonly insert: boolean; readonly update: boolean; readonly delete: boolean; readonly truncate: boolean };
}

// What is looked for in all of a catalog is looked for once, not for each table.
const sql = `
with bound as materialized (select conrelid as oid from pg_catalog.pg_constraint where contype = 'f' union select confrelid from pg_catalog.pg_constraint where contype = 'f')
select coalesce(json_agg(json_build_object(
  'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'relkind', c.relkind, 'partitioned', c.relkind = 'p',
  'columns', (select coalesce(json_agg(json_build_object('name', a.attname, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod,
      'typeText', pg_catalog.format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
      'generated', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' else 'no' end,
      'identity', case a.attidentity when 'a' then 'always' when 'd' then 'byDefault' else 'no' end,
      'hasDefault', a.atthasdef and a.attgenerated = '') order by a.attnum), '[]')
    from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'constraints', (select coalesce(json_agg(json_build_object('name', i.relname,
      'kind', case when x.indisprimary then 'primary' when x.indisexclusion then 'exclusion' else 'unique' end,
      'columns', case when 0 = any(x.indkey::int2[]) then '[]'::json else (select coalesce(json_agg(a.attname order by k.i), '[]')
        from unnest(x.indkey::int2[]) with ordinality k(attnum, i), pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum = k.attnum and k.i <= x.indnkeyatts) end,
      'deferrable', not x.indimmediate or exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x') and k.condeferrable),
      'arbiter', x.indisunique and x.indimmediate and x.indisvalid and x.indpred is null and not 0 = any(x.indkey::int2[])
        and not exists (select from pg_catalog.pg_constraint k where k.conindid = x.indexrelid and k.contype = 'x'))
      order by x.indisprimary desc, i.relname), '[]')
    from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
    where x.indrelid = c.oid and (x.indisunique or x.indisexclusion)),
  'triggers', exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled <> 'D'),
  'triggersAlways', exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('A', 'R')),
  'foreignKeys', c.oid in (select oid from bound),
  'rowSecurity', pg_catalog.row_security_active(c.oid),
  'unlogged', case when c.relkind <> 'p' then case when c.relpersistence = 'u' then json_build_array(c.oid::regclass::text) else '[]' end
    else (select coalesce(json_agg(x.oid::regclass::text order by x.oid), '[]')
      from pg_catalog.pg_partition_tree(c.oid) p join pg_catalog.pg_class x on x.oid = p.relid where x.relpersistence = 'u') end,
  'owned', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
  'privileges', json_build_object(
    'select', pg_catalog.has_table_privilege(c.oid, 'SELECT'), 'insert', pg_catalog.has_table_privilege(c.oid, 'INSERT'),
    'update', pg_catalog.has_table_privilege(c.oid, 'UPDATE'), 'delete', pg_catalog.has_table_privilege(c.oid, 'DELETE'),
    'truncate', pg_catalog.has_table_privilege(c.oid, 'TRUNCATE')))), '[]')::text as tables
from json_to_recordset($1::json) as w(schema text, name text)
  join pg_catalog.pg_namespace n on n.nspname = w.schema
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p', 'v', 'm', 'f')`;

type Row = Omit<ActualTable, 'primaryKey' | 'uniques'> & { constraints: ActualConstraint[] };

/** The tables of the list that exist at the target. Sets the session's search_path to empty, so that type names come out qualified. */
export async function readTargetTables(connection: PgConnection, tables: readonly TableName[]): Promise<ActualTable[]> {
  await connection.set({ search_path: '' });
  const wanted = JSON.stringify(tables.map(({ schema, name }) => ({ schema, name })));
  const [answer] = await connection.rows<{ tables: string }>(sql, [wanted]);
  return (JSON.parse(answer?.tables ?? '[]') as Row[]).map(({ constraints, ...table }) => ({
    ...table,
    primaryKey: constraints.find((constraint) => constraint.kind === 'primary'),
    uniques: constraints.filter((constraint) => constraint.kind !== 'primary'),
  }));
}

/** The table (or view, foreign table: see relkind) of that name; undefined when there is none. */
export async function readTargetTable(connection: PgConnection, table: TableName): Promise<ActualTable | undefined> {
  return (await readTargetTables(connection, [table]))[0];
}

/** The key or unique constraint on exactly these columns, in any order, that ON CONFLICT can use. */
export function arbiterFor(table: ActualTable, columns: readonly string[]): ActualConstraint | undefined {
  const fits = (constraint: ActualConstraint): boolean =>
    constraint.arbiter && constraint.columns.length === columns.length && columns.every((column) => constraint.columns.includes(column));
  return [...(table.primaryKey ? [table.primaryKey] : []), ...table.uniques].find(fits);
}
