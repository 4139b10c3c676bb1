// The types that expressions know, as PostgreSQL's catalog has them, and their names in SQL.
import { type PgType, quoteIdent } from '../data/index.ts';

/**
 * PostgreSQL's type category (pg_type.typcategory): S string, N numeric, D date and time, B boolean, A array, E enum, T interval, U user,
 * P pseudo, X unknown.
 */
export type Category = 'S' | 'N' | 'D' | 'B' | 'A' | 'E' | 'T' | 'U' | 'P' | 'X';

interface Entry {
  readonly type: PgType;
  readonly category: Category;
  readonly preferred: boolean;
  readonly sql: string;
}

const byName = new Map<string, Entry>();
const byOid = new Map<number, Entry>();

function define(name: string, oid: number, category: Category, sql: string, arrayOid = 0, preferred = false): void {
  const type: PgType = { oid, schema: 'pg_catalog', name, kind: category === 'P' || category === 'X' ? 'pseudo' : 'base', binary: true };
  add(name, { type, category, preferred, sql });
  if (arrayOid === 0) return;
  const array: PgType = { oid: arrayOid, schema: 'pg_catalog', name: `_${name}`, kind: 'array', element: type, binary: true };
  add(`${name}[]`, { type: array, category: 'A', preferred: false, sql: `${sql}[]` });
}

function add(key: string, entry: Entry): void {
  byName.set(key, entry);
  byOid.set(entry.type.oid, entry);
}

define('bool', 16, 'B', 'boolean', 1000, true);
define('bytea', 17, 'U', 'bytea', 1001);
define('name', 19, 'S', 'name', 1003);
define('int8', 20, 'N', 'bigint', 1016);
define('int2', 21, 'N', 'smallint', 1005);
define('int4', 23, 'N', 'integer', 1007);
define('text', 25, 'S', 'text', 1009, true);
define('oid', 26, 'N', 'oid', 1028, true);
define('json', 114, 'U', 'json', 199);
define('float4', 700, 'N', 'real', 1021);
define('float8', 701, 'N', 'double precision', 1022, true);
define('unknown', 705, 'X', 'unknown');
define('bpchar', 1042, 'S', 'bpchar', 1014);
define('varchar', 1043, 'S', 'character varying', 1015);
define('date', 1082, 'D', 'date', 1182);
define('time', 1083, 'D', 'time without time zone', 1183);
define('timestamp', 1114, 'D', 'timestamp without time zone', 1115);
define('timestamptz', 1184, 'D', 'timestamp with time zone', 1185, true);
define('interval', 1186, 'T', 'interval', 1187, true);
define('numeric', 1700, 'N', 'numeric', 1231);
define('uuid', 2950, 'U', 'uuid', 2951);
define('jsonb', 3802, 'U', 'jsonb', 3807);
define('any', 2276, 'P', 'any');
define('anyarray', 2277, 'P', 'anyarray');
define('anyelement', 2283, 'P', 'anyelement');
define('anynonarray', 2776, 'P', 'anynonarray');
define('anyenum', 3500, 'P', 'anyenum');

/** A built-in type by its catalog name, `int4` or `int4[]`. Undefined when expressions don't know it. */
export const findType = (name: string): PgType | undefined => byName.get(name)?.type;

/** A built-in type that must exist. */
export function builtin(name: string): PgType {
  const found = findType(name);
  if (!found) throw new Error(`no built-in type ${name}`);
  return found;
}

export const categoryOf = (type: PgType): Category =>
  byOid.get(type.oid)?.category ?? (type.kind === 'enum' ? 'E' : type.kind === 'array' ? 'A' : 'U');
export const isPreferred = (type: PgType): boolean => byOid.get(type.oid)?.preferred ?? false;
export const same = (a: PgType, b: PgType): boolean => a.oid === b.oid;
export const is = (type: PgType, ...names: string[]): boolean => type.schema === 'pg_catalog' && names.includes(type.name);
export const isUnknown = (type: PgType): boolean => type.oid === 705;

/** The array type of an element type: a built-in, or one made up for an enum (its catalog OID is not known here). */
export function arrayOf(element: PgType): PgType | undefined {
  if (byOid.has(element.oid)) return findType(`${element.name}[]`);
  if (element.kind !== 'enum') return undefined;
  return { oid: -element.oid, schema: element.schema, name: `_${element.name}`, kind: 'array', element, binary: element.binary };
}

/** The type as SQL writes it, with its modifier: `numeric(10,2)`, `"sales"."status"`, `text[]`. */
export function typeText(type: PgType, typmod = -1): string {
  if (type.kind === 'array' && type.element) return `${typeText(type.element, typmod)}[]`;
  const entry = byOid.get(type.oid);
  if (!entry) return type.schema === 'pg_catalog' ? type.name : `${quoteIdent(type.schema)}.${quoteIdent(type.name)}`;
  if (typmod < 0) return entry.sql;
  switch (type.name) {
    case 'varchar':
      return `character varying(${typmod - 4})`;
    case 'bpchar':
      return `character(${typmod - 4})`;
    case 'numeric':
      return `numeric(${numericModifier(typmod).join(',')})`;
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return entry.sql.replace(/^\w+/, `$&(${typmod})`);
    default:
      return entry.sql;
  }
}

/** Precision and scale of a numeric's typmod (the scale has 11 bits, signed). */
export function numericModifier(typmod: number): [precision: number, scale: number] {
  const bits = (typmod - 4) & 0x7ff;
  return [((typmod - 4) >> 16) & 0xffff, (bits ^ 1024) - 1024];
}

/** A name for messages: `integer`, `text[]`, `sales.status`. */
export const typeName = (type: PgType): string => typeText(type).replaceAll('"', '');
