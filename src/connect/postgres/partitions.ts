// The partitions of a table as the catalog has them, and which of them came with rows: those the stream does not have.

const attached = 'not exists (select from pg_catalog.pg_attribute a where a.attrelid = i.inhrelid and a.attnum > 0 and a.xmin = i.xmin and a.cmin::text::int8 < i.cmin::text::int8)';

/**
 * A JSON array of what lies beneath the table `c` (Partition, data/relation.ts). A table that is made as a partition gets its columns before it is
 * entered among the partitions; where one is attached, be it in the transaction that made it, its columns are written anew with its entry.
 * The size is asked for only where it counts: whoever asks waits for those who lock the table.
 */
export const partitionsSql = `(
  with recursive t as (
    select i.inhrelid, i.inhparent, i.xmin as x, ${attached} as attached, ${attached} as came from pg_catalog.pg_inherits i where i.inhparent = c.oid
    union all select i.inhrelid, i.inhparent, i.xmin, ${attached}, t.came or ${attached} from pg_catalog.pg_inherits i join t on i.inhparent = t.inhrelid)
  select json_agg(json_build_object('oid', t.inhrelid::int8, 'parent', t.inhparent::int8, 'since', t.x::text, 'name', pn.nspname || '.' || p.relname, 'attached', t.attached,
    'rows', case when t.came and p.relkind <> 'p' then p.relkind <> 'r' or pg_catalog.pg_relation_size(p.oid) > 0 else false end) order by t.inhrelid)
  from t join pg_catalog.pg_class p on p.oid = t.inhrelid join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace)`;
