// The types that rows need, as the target has them (or has not). Types of a user are looked up by name: OIDs belong to one server.
import type { PgType } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { ident, qualified } from './sql-text.ts';

/** A type of the target. Texts are as SQL writes them with an empty search_path. */
export interface TargetType {
  readonly schema: string;
  readonly name: string;
  /** pg_type.typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange. */
  readonly typtype: string;
  readonly owned: boolean;
  readonly labels: readonly string[];
  readonly attributes: readonly { readonly name: string; readonly text: string }[];
  /** Domain: the type beneath. Range: the subtype. */
  readonly base: string | null;
}

export interface TargetTypes {
  find(type: PgType): TargetType | undefined;
  /** The text of a type with a modifier, e.g. `numeric(10,2)`. */
  text(type: PgType, typmod: number): string;
  /** Where else types of this name are, as `schema`: an extension that was created in another schema. */
  elsewhere(type: PgType): readonly string[];
  /** Extensions that this server could create. */
  readonly extensions: ReadonlySet<string>;
}

/** Whether every server has it under the same OID. */
export const isBuiltIn = (type: PgType): boolean => type.schema === 'pg_catalog' && type.oid < 16384;

const partsOf = (type: PgType): PgType[] => [type.element, type.base, ...(type.attributes ?? []).map((attribute) => attribute.type)].filter((part) => part !== undefined);

/** The types and everything inside them, each once. */
export function typesWithin(types: Iterable<PgType>): PgType[] {
  const found = new Map<string, PgType>();
  const walk = (type: PgType): void => {
    if (found.has(qualified(type))) return;
    found.set(qualified(type), type);
    partsOf(type).forEach(walk);
  };
  for (const type of types) walk(type);
  return [...found.values()];
}

const sql = `
select coalesce(json_agg(json_build_object('schema', n.nspname, 'name', t.typname, 'typtype', t.typtype, 'owned', pg_catalog.pg_has_role(t.typowner, 'USAGE'),
  'labels', (select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum e where e.enumtypid = t.oid),
  'attributes', (select coalesce(json_agg(json_build_object('name', a.attname, 'text', pg_catalog.format_type(a.atttypid, a.atttypmod)) order by a.attnum), '[]')
    from pg_catalog.pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped),
  'base', case t.typtype when 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod)
    when 'r' then (select pg_catalog.format_type(r.rngsubtype, null) from pg_catalog.pg_range r where r.rngtypid = t.oid) end)), '[]')::text as types
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.typname = any(array(select json_array_elements_text($1::json)))`;

/** Reads what the target knows of these types. Expects an empty search_path. */
export async function readTargetTypes(connection: PgConnection, types: readonly PgType[]): Promise<TargetTypes> {
  const names = [...new Set(types.filter((type) => !isBuiltIn(type)).map((type) => type.name))];
  const [answer] = names.length === 0 ? [] : await connection.rows<{ types: string }>(sql, [JSON.stringify(names)]);
  const found = JSON.parse(answer?.types ?? '[]') as TargetType[];
  const byName = new Map(found.map((type) => [qualified(type), type]));

  const texts = new Map<string, string>();
  const uses = types.flatMap((type) => [
    ...(type.base ? [{ type: type.base, typmod: type.baseTypmod ?? -1 }] : []),
    ...(type.element ? [{ type: type.element, typmod: -1 }] : []),
    ...(type.attributes ?? []),
  ]);
  const keys = uses.map((use) => ({ key: textKey(use.type, use.typmod), oid: isBuiltIn(use.type) ? use.type.oid : null, name: plainText(use.type), typmod: use.typmod }));
  if (keys.length > 0) {
    const rows = await connection.rows<{ key: string; text: string | null }>(
      `select w.key, pg_catalog.format_type(coalesce(w.oid::oid, pg_catalog.to_regtype(w.name)::oid), w.typmod) as text
       from json_to_recordset($1::json) as w(key text, oid int8, name text, typmod int4)`,
      [JSON.stringify(keys)],
    );
    for (const row of rows) if (row.text !== null && row.text !== '???') texts.set(row.key, row.text);
  }
  const available = names.length === 0 ? [] : await connection.rows<{ name: string }>('select name::text from pg_catalog.pg_available_extensions');
  return {
    find: (type) => byName.get(qualified(type)),
    text: (type, typmod) => texts.get(textKey(type, typmod)) ?? plainText(type),
    elsewhere: (type) => found.filter((other) => other.name === type.name && other.schema !== type.schema).map((other) => other.schema),
    extensions: new Set(available.map((extension) => extension.name)),
  };
}

const textKey = (type: PgType, typmod: number): string => `${qualified(type)} ${typmod}`;

/** The text of a type that the target may not have yet, without a modifier. */
export const plainText = (type: PgType): string =>
  type.kind === 'array' && type.element ? `${plainText(type.element)}[]` : isBuiltIn(type) ? ident(type.name) : qualified(type);
