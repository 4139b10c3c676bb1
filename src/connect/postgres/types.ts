// The types of a PostgreSQL server, resolved from its catalog as far down as their values need.
import type { PgType } from '../../data/index.ts';
import type { PgConnection } from '../../wire/index.ts';

interface TypeRow {
  oid: number;
  schema: string;
  name: string;
  typtype: string;
  element: number;
  base: number;
  typmod: number;
  subtype: number;
  binary: boolean;
  labels: string[] | null;
  attributes: { name: string; type: number; typmod: number }[] | null;
}

const sql = `
select coalesce(json_agg(json_build_object(
  'oid', t.oid::int8, 'schema', n.nspname, 'name', t.typname, 'typtype', t.typtype,
  'element', case when t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc then t.typelem::int8 else 0 end,
  'base', t.typbasetype::int8, 'typmod', t.typtypmod,
  'subtype', coalesce((select case when t.typtype = 'r' then r.rngsubtype else r.rngtypid end from pg_catalog.pg_range r
    where r.rngtypid = t.oid or r.rngmultitypid = t.oid), 0)::int8,
  'binary', t.typsend <> 0 and t.typreceive <> 0
    and t.typsend <> all('{pg_catalog.tsquerysend, pg_catalog.int2vectorsend, pg_catalog.oidvectorsend}'::regproc[]), -- an empty one cannot be read again
  'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
  'attributes', case when t.typtype = 'c' then
    (select json_agg(json_build_object('name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod) order by a.attnum)
     from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) end)), '[]')::text as types
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.oid = any($1::oid[])`;

const kinds: Readonly<Record<string, PgType['kind']>> = { b: 'base', e: 'enum', d: 'domain', c: 'composite', r: 'range', m: 'multirange', p: 'pseudo' };

/** Resolves OIDs to types and keeps them. OIDs belong to one server. */
export class TypeCatalog {
  readonly #types = new Map<number, PgType>();

  get(oid: number): PgType | undefined {
    return this.#types.get(oid);
  }

  /** Forgets what may have changed (enum labels, attributes), so that it is read again. */
  clear(): void {
    this.#types.clear();
  }

  /** Loads what is not there yet, with everything that the types consist of. A type that no longer exists becomes an opaque text type. */
  async load(connection: PgConnection, oids: Iterable<number>): Promise<void> {
    const rows = new Map<number, TypeRow>();
    let wanted = [...new Set(oids)].filter((oid) => !this.#types.has(oid));
    while (wanted.length > 0) {
      const [answer] = await connection.rows<{ types: string }>(sql, [`{${wanted.join(',')}}`]);
      const found = JSON.parse(answer?.types ?? '[]') as TypeRow[];
      for (const row of found) rows.set(row.oid, row);
      const next = found.flatMap((row) => [row.element, row.base, row.subtype, ...(row.attributes ?? []).map((attribute) => attribute.type)]);
      for (const oid of wanted) if (!rows.has(oid)) this.#types.set(oid, unknownType(oid));
      wanted = [...new Set(next)].filter((oid) => oid !== 0 && !rows.has(oid) && !this.#types.has(oid));
    }
    for (const row of rows.values()) this.#build(row, rows, 0);
  }

  #build(row: TypeRow, rows: ReadonlyMap<number, TypeRow>, depth: number): PgType {
    const known = this.#types.get(row.oid);
    if (known) return known;
    const part = (oid: number): PgType => {
      const child = rows.get(oid);
      // Types cannot contain themselves, but a catalog that changes while it is read could make it look so.
      return child && depth < 64 ? this.#build(child, rows, depth + 1) : (this.#types.get(oid) ?? unknownType(oid));
    };
    const element = row.element || row.subtype ? part(row.element || row.subtype) : undefined;
    const base = row.base ? part(row.base) : undefined;
    const attributes = row.attributes?.map(({ name, type, typmod }) => ({ name, type: part(type), typmod }));
    const type: PgType = {
      oid: row.oid,
      schema: row.schema,
      name: row.name,
      kind: row.element ? 'array' : (kinds[row.typtype] ?? 'base'),
      ...(element ? { element } : {}),
      ...(base ? { base, baseTypmod: row.typmod } : {}),
      ...(row.labels ? { labels: row.labels } : {}),
      ...(attributes ? { attributes } : {}),
      binary: row.binary && (element?.binary ?? true) && (base?.binary ?? true) && (attributes ?? []).every((attribute) => attribute.type.binary),
    };
    this.#types.set(row.oid, type);
    return type;
  }
}

const unknownType = (oid: number): PgType => ({ oid, schema: 'pg_catalog', name: 'text', kind: 'base', binary: false });
