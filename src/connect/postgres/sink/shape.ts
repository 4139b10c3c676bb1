// What the target's own catalog says about a table, as far as the choice of write path and casts depends on it.
import { MillraceError } from '../../../base/index.ts';
import { quoteTable, tableAddress, type TableName } from '../../../data/index.ts';
import { TablesRefused } from '../../../flow/index.ts';
import type { PgConnection } from '../../../wire/index.ts';

export interface ShapeColumn {
  readonly name: string;
  readonly typeOid: number;
  /** The OID beneath all domains. */
  readonly baseOid: number;
  readonly typeSchema: string;
  readonly typeName: string;
  /** As SQL writes it, without a modifier, so that an assignment checks lengths instead of an explicit cast cutting them. */
  readonly typeText: string;
  readonly generated: boolean;
  readonly identity: 'always' | 'by default' | 'none';
  /** Whether values can be sent as one array: it has an array type and is none itself. */
  readonly arrayable: boolean;
  /** Whether values that are `=` are the same in every way: numeric 1.5 = 1.50, 0 = -0 and the like are not, texts may be
   * equal under their collation, and some types have no `=`. */
  readonly comparable: boolean;
}

export interface Shape {
  readonly columns: ReadonlyMap<string, ShapeColumn>;
  /** Unique indexes over plain columns and all rows. `immediate` is false for deferrable constraints. */
  readonly uniques: readonly { readonly columns: readonly string[]; readonly immediate: boolean }[];
  /** Unique indexes and exclusion constraints of any kind, also those of single partitions. */
  readonly constraints: number;
  /** Foreign keys from or to it, or triggers that fire for an ordinary session. */
  readonly dependent: boolean;
  /** Rows of other tables go or change with its own: foreign keys to it that do something. */
  readonly cascades: boolean;
  readonly partitioned: boolean;
  readonly indexes: number;
  /** Triggers that fire whatever the session's replication role is. */
  readonly fires: boolean;
}

// There is no index that finds the foreign keys to a table, and every table's row would be looked at for each one; their triggers are found.
const sql = `
select w.i::text as i, json_build_object(
  'partitioned', c.relkind = 'p',
  'indexes', (select count(*) from pg_catalog.pg_index i where i.indrelid = c.oid),
  'constraints', (select count(*) from pg_catalog.pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisexclusion))
    + case when c.relkind = 'p' then (select count(*) from pg_catalog.pg_partition_tree(c.oid) p join pg_catalog.pg_index i on i.indrelid = p.relid
      where p.level > 0 and (i.indisunique or i.indisexclusion) and not exists (select from pg_catalog.pg_inherits h where h.inhrelid = i.indexrelid)) else 0 end,
  'fires', exists (select from pg_catalog.pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled in ('A', 'R')),
  'dependent', exists (select from pg_catalog.pg_constraint x where x.contype = 'f' and x.conrelid = c.oid)
    or exists (select from pg_catalog.pg_trigger g join pg_catalog.pg_constraint x on x.oid = g.tgconstraint where g.tgrelid = c.oid and x.contype = 'f')
    or exists (select from pg_catalog.pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled in ('O', 'A')),
  'cascades', exists (select from pg_catalog.pg_trigger g join pg_catalog.pg_constraint x on x.oid = g.tgconstraint
    where g.tgrelid = c.oid and x.contype = 'f' and x.confrelid = c.oid and (x.confdeltype not in ('a', 'r') or x.confupdtype not in ('a', 'r'))),
  'columns', (select json_agg(json_build_object('name', a.attname, 'typeOid', t.oid::int8,
      'baseOid', (with recursive d as (select t.oid, t.typbasetype union all
         select b.oid, b.typbasetype from d join pg_catalog.pg_type b on b.oid = d.typbasetype) select oid::int8 from d where typbasetype = 0),
      'typeSchema', n.nspname, 'typeName', t.typname, 'typeText', pg_catalog.format_type(t.oid, -1), 'generated', a.attgenerated <> '',
      'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' else 'none' end,
      'arrayable', t.typarray <> 0 and t.typcategory <> 'A', 'comparable', (t.typtype = 'e'
         or n.nspname = 'pg_catalog' and t.typname in ('bool', 'int2', 'int4', 'int8', 'oid', 'text', 'varchar', 'bytea', 'uuid', 'date', 'time', 'timestamp', 'timestamptz'))
         and coalesce((select l.collisdeterministic from pg_catalog.pg_collation l where l.oid = a.attcollation), true)) order by a.attnum)
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'uniques', coalesce((select json_agg(json_build_object('immediate', i.indimmediate, 'columns',
      (select json_agg(a.attname order by k.n) from unnest(i.indkey::int2[]) with ordinality k(attnum, n)
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where k.n <= i.indnkeyatts)))
    from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null), '[]')
)::text as shape
from json_array_elements_text($1::json) with ordinality w(name, i) join pg_catalog.pg_class c on c.oid = pg_catalog.to_regclass(w.name) and c.relkind in ('r', 'p')`;

/**
 * Reads the shapes of tables, in their order; refuses those (TARGET_MISMATCH) that are not there. Needs an empty search_path, so that type names come
 * out qualified.
 */
export async function readTargetShapes(connection: PgConnection, tables: readonly TableName[]): Promise<Shape[]> {
  if (tables.length === 0) return [];
  const rows = await connection.rows<{ i: string; shape: string }>(sql, [JSON.stringify(tables.map(quoteTable))]);
  const found = new Map(rows.map(({ i, shape }) => [Number(i) - 1, JSON.parse(shape) as Omit<Shape, 'columns'> & { columns: ShapeColumn[] | null }]));
  const missing = tables.filter((_, i) => !found.has(i)).map(tableAddress);
  if (missing.length > 0) {
    throw new TablesRefused('target', missing, new MillraceError('TARGET_MISMATCH', `table ${missing.join(', ')} does not exist in the target`, { where: connection.where }));
  }
  return tables.map((_, i) => {
    const { columns, ...shape } = found.get(i) as Omit<Shape, 'columns'> & { columns: ShapeColumn[] | null };
    return { ...shape, columns: new Map((columns ?? []).map((column) => [column.name, column])) };
  });
}
