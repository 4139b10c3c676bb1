// millrace.schema.json: the tables of the sources as `millrace types` saw them, kept in git so that `check` needs no database.
// It holds no OIDs, so that two databases of one schema give one file.
import { MillraceError } from '../../base/index.ts';
import { builtinPgTypes } from '../../codec/index.ts';
import { type CatalogTable, makeRelation } from '../../connect/index.ts';
import { type PgType, type ReplicaIdentity, splitName, tableAddress, type TableName } from '../../data/index.ts';
import { SCHEMA_FILE } from './files.ts';

/** What is known of a source without asking it. */
export interface SourceSchema {
  /** The tables that the project selects. */
  readonly tables: readonly CatalogTable[];
  /** All others, by name. */
  readonly others: readonly TableName[];
}

interface StoredType {
  kind: PgType['kind'];
  binary?: false;
  element?: string;
  base?: string;
  baseTypmod?: number;
  labels?: readonly string[];
  attributes?: { name: string; type: string; typmod?: number }[];
}

interface StoredTable extends TableName {
  identity?: ReplicaIdentity;
  key: string[];
  primaryKey?: readonly string[];
  partitioned?: true;
  columns: { name: string; type: string; sql: string; typmod?: number; notNull?: true; toastable?: true }[];
  leftOut?: CatalogTable['leftOut'];
}

interface StoredSource {
  tables: StoredTable[];
  others: TableName[];
  types: Record<string, StoredType>;
}

interface StoredFile {
  millrace: number;
  sources: Record<string, StoredSource>;
}

const builtin = new Map([...builtinPgTypes()].map((type) => [tableAddress(type), type]));

/** The text of the file: sorted, so that equal schemas give equal bytes. */
export function schemaFile(sources: Readonly<Record<string, SourceSchema>>): string {
  const stored: StoredFile = { millrace: 1, sources: {} };
  for (const [name, { tables, others }] of Object.entries(sources)) {
    const types = new Map<string, StoredType>();
    stored.sources[name] = {
      tables: tables.map((table) => storeTable(table, types)).toSorted(byAddress),
      others: others.map(({ schema, name }) => ({ schema, name })).toSorted(byAddress),
      types: Object.fromEntries([...types].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    };
  }
  return `${JSON.stringify(stored, null, 2)}\n`;
}

const byAddress = (a: TableName, b: TableName): number => (tableAddress(a) < tableAddress(b) ? -1 : 1);

function storeTable({ relation, toastable, primaryKey, partitioned, leftOut }: CatalogTable, types: Map<string, StoredType>): StoredTable {
  const key = relation.key.map((index) => relation.columns[index]?.name ?? '');
  return {
    schema: relation.schema,
    name: relation.name,
    ...(relation.identity === 'default' ? {} : { identity: relation.identity }),
    key,
    ...(primaryKey.join() === key.join() ? {} : { primaryKey }),
    ...(partitioned ? { partitioned } : {}),
    columns: relation.columns.map((column) => ({
      name: column.name,
      type: storeType(column.type, types),
      sql: column.typeText,
      ...(column.typmod === -1 ? {} : { typmod: column.typmod }),
      ...(column.notNull ? { notNull: true } : {}),
      ...(toastable.includes(column.name) ? { toastable: true } : {}),
    })),
    ...(leftOut.length > 0 ? { leftOut } : {}),
  };
}

/** The type's name; what is not built in is described in `types`. */
function storeType(type: PgType, types: Map<string, StoredType>): string {
  const name = tableAddress(type);
  if (builtin.has(name) || types.has(name)) return name;
  const stored: StoredType = { kind: type.kind, ...(type.binary ? {} : { binary: false }) };
  types.set(name, stored);
  if (type.element) stored.element = storeType(type.element, types);
  if (type.base) stored.base = storeType(type.base, types);
  if (type.baseTypmod !== undefined && type.baseTypmod !== -1) stored.baseTypmod = type.baseTypmod;
  if (type.labels) stored.labels = type.labels;
  if (type.attributes) {
    stored.attributes = type.attributes.map((each) => ({
      name: each.name, type: storeType(each.type, types), ...(each.typmod === -1 ? {} : { typmod: each.typmod }),
    }));
  }
  return name;
}

/** Reads the file back. OIDs are made up, each source's own. Throws CONFIG_INVALID for what this release cannot read. */
export function readSchemaFile(text: string): Map<string, SourceSchema> {
  const refuse = (why: string, cause?: unknown): MillraceError =>
    new MillraceError('CONFIG_INVALID', `${SCHEMA_FILE} ${why}`, { hint: 'write it anew: millrace types', cause });
  let stored: StoredFile;
  try {
    stored = JSON.parse(text) as StoredFile;
  } catch (error) {
    throw refuse('is not JSON', error);
  }
  if (stored?.millrace !== 1) throw refuse(`has the format version ${String(stored?.millrace)}, this release reads 1`);
  try {
    return new Map(Object.entries(stored.sources).map(([name, source]) => [name, readSource(source)]));
  } catch (error) {
    throw refuse('is damaged', error);
  }
}

/** OIDs of user objects begin here. */
const FIRST_USER_OID = 16_384;

function readSource(source: StoredSource): SourceSchema {
  let oid = FIRST_USER_OID;
  const types = new Map(builtin);
  const typeNamed = (name: string): PgType => {
    const known = types.get(name);
    if (known) return known;
    const stored = source.types[name];
    if (!stored) throw new Error(`the type ${name} is not described`);
    const [schema, bare] = splitAddress(name);
    const type: PgType = {
      oid: oid++, schema, name: bare, kind: stored.kind, binary: stored.binary ?? true,
      ...(stored.element === undefined ? {} : { element: typeNamed(stored.element) }),
      ...(stored.base === undefined ? {} : { base: typeNamed(stored.base), baseTypmod: stored.baseTypmod ?? -1 }),
      ...(stored.labels === undefined ? {} : { labels: stored.labels }),
      ...(stored.attributes === undefined ? {} : { attributes: stored.attributes.map((each) => ({ name: each.name, type: typeNamed(each.type), typmod: each.typmod ?? -1 })) }),
    };
    types.set(name, type);
    return type;
  };
  const tables = source.tables.map((table): CatalogTable => {
    const columns = table.columns.map((column) => ({
      name: column.name, type: typeNamed(column.type), typmod: column.typmod ?? -1, typeText: column.sql, notNull: column.notNull ?? false,
    }));
    return {
      relation: makeRelation({ schema: table.schema, name: table.name, oid: oid++ }, columns, table.identity ?? 'default', table.key),
      leftOut: table.leftOut ?? [],
      toastable: table.columns.filter((column) => column.toastable).map((column) => column.name),
      partitioned: table.partitioned ?? false,
      primaryKey: table.primaryKey ?? table.key,
      rowsEstimate: -1,
    };
  });
  return { tables, others: source.others };
}

function splitAddress(address: string): [schema: string, name: string] {
  const [schema, name] = splitName(address) ?? [];
  if (!schema || !name) throw new Error(`${address} is not the name of a type`);
  return [schema.text, name.text];
}
