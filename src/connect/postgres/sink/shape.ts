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

const sql = `
select json_build_object(
  'partitioned', c.relkind = 'p',
  'indexes', (select count(*) from pg_catalog.pg_index i where i.indrelid = c.oid),
  'constraints', (select count(*) from pg_catalog.pg_index i where (i.indisunique or i.indisexclusion) and (i.indrelid = c.oid
      or i.indrelid in (select p.relid from pg_catalog.pg_partition_tree(c.oid) p where c.relkind = 'p') and not exists (select from pg_catalog.pg_inherits h where h.inhrelid = i.indexrelid))),
  'fires', exists (select from pg_catalog.pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled in ('A', 'R')),
  'dependent', exists (select from pg_catalog.pg_constraint x where x.contype = 'f' and (x.conrelid = c.oid or x.confrelid = c.oid))
    or exists (select from pg_catalog.pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled in ('O', 'A')),
  'cascades', exists (select from pg_catalog.pg_constraint x where x.contype = 'f' and x.confrelid = c.oid and (x.confdeltype not in ('a', 'r') or x.confupdtype not in ('a', 'r'))),
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
from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1) and c.relkind in ('r', 'p')`;

/** Reads a table's shape; refuses the table (TARGET_MISMATCH) when it isn't there. Needs an empty search_path, so that type names come out qualified. */
export async function readShape(connection: PgConnection, table: TableName): Promise<Shape> {
  const [row] = await connection.rows<{ shape: string }>(sql, [quoteTable(table)]);
  if (!row) {
    const address = tableAddress(table);
    throw new TablesRefused('target', [address], new MillraceError('TARGET_MISMATCH', `table ${address} does not exist in the target`, { where: connection.where }));
  }
  const shape = JSON.parse(row.shape) as Omit<Shape, 'columns'> & { columns: ShapeColumn[] | null };
  return { ...shape, columns: new Map((shape.columns ?? []).map((column) => [column.name, column])) };
}
