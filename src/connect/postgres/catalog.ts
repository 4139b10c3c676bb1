// Tables as the source's catalog has them, in the shape in which the stream will send them.
import { createHash } from 'node:crypto';
import type { RelationMessage } from '../../codec/index.ts';
import { type Column, type Partition, type Relation, type ReplicaIdentity, selects, type TableName, type TablePattern } from '../../data/index.ts';
import type { PgConnection } from '../../wire/index.ts';
import { partitionsSql } from './partitions.ts';
import { TypeCatalog } from './types.ts';

/** A table with what planning and doctoring need beyond its shape. */
export interface CatalogTable {
  readonly relation: Relation;
  /** Columns that the source does not send: generated ones before PostgreSQL 18, and those that the project leaves out. */
  readonly leftOut: readonly { readonly name: string; readonly why: 'generated' | 'excluded' }[];
  /** Columns whose values may be stored out of line, so that an update may leave them out (TOAST). */
  readonly toastable: readonly string[];
  readonly partitioned: boolean;
  readonly primaryKey: readonly string[];
  /** The planner's estimate; −1 unknown. */
  readonly rowsEstimate: number;
}

/** Which columns of a table leave the source: patterns such as ["*", "!ssn"]. */
export type ColumnFilter = (table: TableName, column: string) => boolean;

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  kind: string;
  partition: boolean;
  identity: string;
  rows: number;
  identityIndex: string[] | null;
  primaryKey: string[] | null;
  partitions: Partition[] | null;
  columns: { name: string; type: number; typmod: number; text: string; notNull: boolean; generated: string; toast: boolean; missing: string | null; filled: boolean; number: number }[] | null;
}

/** Settings under which values have one text form everywhere. */
export const textSettings = { datestyle: 'ISO', timezone: 'UTC', intervalstyle: 'postgres', extra_float_digits: '1', bytea_output: 'hex', search_path: '' };

/**
 * What rows from before `alter table … add column … default` have in column `a`: the server keeps it in the catalog, partitions each their own.
 * Only where there are some: the search may pass over the columns of all tables.
 */
const missingSql = `case when a.atthasmissing then a.attmissingval::text when exists (select from pg_catalog.pg_inherits h where h.inhparent = a.attrelid) then (select p.attmissingval::text
  from pg_catalog.pg_partition_tree(a.attrelid) t join pg_catalog.pg_attribute p on p.attrelid = t.relid and p.attname = a.attname and p.atthasmissing limit 1) end`;

/** Whether column `a` has a default that was evaluated row by row when it was added: the server keeps a constant as what is missing instead. */
const filledSql = `(a.atthasdef or a.attidentity <> '' or exists (select from pg_catalog.pg_type d where d.oid = a.atttypid and d.typdefaultbin is not null))`;

/** The element of an array literal with one element, as text. */
function onlyElement(literal: string): string {
  const inside = literal.slice(1, -1);
  return inside.startsWith('"') ? inside.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : inside;
}

const tablesSql = `
select coalesce(json_agg(json_build_object(
  'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'partition', c.relispartition, 'identity', c.relreplident,
  'rows', c.reltuples::int8,
  'identityIndex', (select json_agg(a.attname order by k.i) from pg_catalog.pg_index x, unnest(x.indkey::int2[]) with ordinality k(attnum, i),
     pg_catalog.pg_attribute a where x.indrelid = c.oid and x.indisreplident and a.attrelid = c.oid and a.attnum = k.attnum and k.i <= x.indnkeyatts),
  'partitions', case when c.relkind = 'p' then ${partitionsSql} end,
  'primaryKey', (select json_agg(a.attname order by k.i) from pg_catalog.pg_index x, unnest(x.indkey::int2[]) with ordinality k(attnum, i),
     pg_catalog.pg_attribute a where x.indrelid = c.oid and x.indisprimary and a.attrelid = c.oid and a.attnum = k.attnum and k.i <= x.indnkeyatts),
  'columns', (select json_agg(json_build_object('name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod,
     'text', pg_catalog.format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull, 'generated', a.attgenerated,
     'toast', a.attstorage <> 'p', 'missing', ${missingSql}, 'filled', ${filledSql}, 'number', a.attnum) order by a.attnum)
     from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
  ) order by n.nspname, c.relname), '[]')::text as tables
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence = 'p'
  and n.nspname not in ('pg_catalog', 'information_schema', 'millrace') and n.nspname !~ '^pg_(toast|temp)'`;

/**
 * The tables that the patterns select, with their shapes. Partitions are part of their root, unless one is named without a glob.
 * Sets the session's search_path to empty, so that type names come out qualified.
 */
export async function readTables(
  connection: PgConnection, patterns: readonly TablePattern[], types: TypeCatalog, sendsColumn: ColumnFilter = () => true,
): Promise<CatalogTable[]> {
  await connection.set(textSettings);
  const [answer] = await connection.rows<{ tables: string }>(tablesSql);
  const rows = (JSON.parse(answer?.tables ?? '[]') as TableRow[]).filter(
    (row) => selects(patterns, row) && (!row.partition || patterns.some((pattern) => !pattern.glob && !pattern.exclude && pattern.matches(row))),
  );
  await types.load(connection, rows.flatMap((row) => (row.columns ?? []).map((column) => column.type)));
  const generatedAreSent = connection.major >= 18;
  return rows.map((row) => toCatalogTable(row, types, generatedAreSent, sendsColumn));
}

function toCatalogTable(row: TableRow, types: TypeCatalog, generatedAreSent: boolean, sendsColumn: ColumnFilter): CatalogTable {
  const leftOut: { name: string; why: 'generated' | 'excluded' }[] = [];
  const unsent: number[] = [];
  const kept = (row.columns ?? []).filter((column) => {
    const why = column.generated !== '' && !(generatedAreSent && column.generated === 's') ? 'generated' : sendsColumn(row, column.name) ? undefined : 'excluded';
    if (why) {
      leftOut.push({ name: column.name, why });
      unsent.push(column.number);
    }
    return why === undefined;
  });
  const columns = kept.map(
    (column): Column => ({
      name: column.name,
      type: types.get(column.type) as Column['type'],
      typmod: column.typmod,
      typeText: column.text,
      notNull: column.notNull,
      ...(column.missing !== null ? { missing: onlyElement(column.missing) } : column.filled ? { filled: true } : {}),
      number: column.number,
    }),
  );
  const identity = identityName(row.identity);
  const keyNames = (identity === 'index' ? row.identityIndex : row.primaryKey) ?? [];
  return {
    relation: besides(makeRelation(row, columns, identity, identity === 'nothing' ? [] : keyNames), unsent, row.kind === 'p' ? (row.partitions ?? []) : undefined),
    leftOut,
    toastable: kept.filter((column) => column.toast).map((column) => column.name),
    partitioned: row.kind === 'p',
    primaryKey: row.primaryKey ?? [],
    rowsEstimate: row.rows,
  };
}

const identityName = (letter: string): ReplicaIdentity => (letter === 'f' ? 'full' : letter === 'n' ? 'nothing' : letter === 'i' ? 'index' : 'default');

/** A relation whose key are the named columns, if all of them are there. */
export function makeRelation(table: TableName & { oid: number }, columns: readonly Column[], identity: ReplicaIdentity, keyNames: readonly string[]): Relation {
  const indexes = keyNames.map((name) => columns.findIndex((column) => column.name === name));
  const key = indexes.includes(-1) ? [] : indexes;
  const shape = { oid: table.oid, schema: table.schema, name: table.name, columns, identity, key };
  // `missing` goes when the server rewrites the table, and a default comes and goes, which changes nothing.
  const text = JSON.stringify(shape, (name, value: unknown) => (name === 'missing' || name === 'filled' ? undefined : value));
  return { ...shape, version: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}

/** With what no version tells. */
const besides = (relation: Relation, unsent: readonly number[], partitions: readonly Partition[] | undefined): Relation =>
  ({ ...relation, ...(unsent.length === 0 ? {} : { unsent }), ...(partitions ? { partitions } : {}) });

const asAppendOnly = (relation: Relation): Relation => ({ ...relation, appendOnly: true, version: `${relation.version}a` });

/** Marks the tables that are declared append-only. */
export const declareAppendOnly = (tables: readonly CatalogTable[], patterns: readonly TablePattern[]): CatalogTable[] =>
  tables.map((table) => (selects(patterns, table.relation) ? { ...table, relation: asAppendOnly(table.relation) } : table));

/** The relations of a stream: Relation messages matched with what the catalog says, each shape one object. */
export class StreamRelations {
  readonly #byOid = new Map<number, Relation>();
  /** Tables that the stream has described already: a second message says that something about the table has changed. */
  readonly #described = new Set<number>();
  readonly #types: TypeCatalog;
  readonly #isAppendOnly: (table: TableName) => boolean;

  constructor(types: TypeCatalog, known: Iterable<Relation>, isAppendOnly: (table: TableName) => boolean) {
    this.#types = types;
    this.#isAppendOnly = isAppendOnly;
    for (const relation of known) this.#byOid.set(relation.oid, relation);
  }

  /** The relation of the first message of a table if its shape is the one known last. A later one may be about what it does not say: a column that took the name of another. */
  match(message: RelationMessage): Relation | undefined {
    const known = this.#byOid.get(message.oid);
    const again = this.#described.has(message.oid);
    this.#described.add(message.oid);
    if (!known || again || known.schema !== message.schema || known.name !== message.name || known.identity !== identityName(message.identity)) return undefined;
    if (known.columns.length !== message.columns.length) return undefined;
    const same = message.columns.every((column, i) => {
      const other = known.columns[i] as Column;
      return other.name === column.name && other.type.oid === column.typeOid && other.typmod === column.typmod
        && (known.identity === 'full' || known.key.includes(i) === column.key);
    });
    return same ? known : undefined;
  }

  /** Builds the relation of a message that is new, asking the catalog for what the message lacks (names of types, NOT NULL, the key under FULL). */
  async resolve(connection: PgConnection, message: RelationMessage): Promise<Relation> {
    // Types may have changed with the table (a new enum label): read them again.
    this.#types.clear();
    await this.#types.load(connection, message.columns.map((column) => column.typeOid));
    await connection.set(textSettings);
    const texts = await connection.rows<{ text: string | null }>(
      'select pg_catalog.format_type(t, m) as text from unnest($1::oid[], $2::int4[]) with ordinality u(t, m, i) order by i',
      [`{${message.columns.map((c) => c.typeOid).join(',')}}`, `{${message.columns.map((c) => c.typmod).join(',')}}`],
    );
    const live = await connection.rows<{ name: string; not_null: string; pk: string; missing: string | null; filled: string; number: string; dropped: string }>(
      `select a.attname as name, a.attnum::text as number, a.attisdropped::text as dropped, a.attnotnull::text as not_null, ${missingSql} as missing, ${filledSql}::text as filled, coalesce((select array_position(x.indkey::int2[], a.attnum) from pg_catalog.pg_index x
         where x.indrelid = a.attrelid and x.indisprimary), -1)::text as pk
       from pg_catalog.pg_attribute a where a.attrelid = $1::oid and a.attnum > 0`,
      [String(message.oid)],
    );
    const known = this.#byOid.get(message.oid);
    const numbers = numbersOf(message, live, known);
    const columns = message.columns.map((column, i): Column => {
      const now = live.find((row) => row.name === column.name);
      const number = numbers[i];
      return {
        name: column.name,
        type: this.#types.get(column.typeOid) as Column['type'],
        typmod: column.typmod,
        typeText: texts[i]?.text ?? 'text',
        notNull: now?.not_null === 'true',
        ...(now?.missing ? { missing: onlyElement(now.missing) } : now?.filled === 'true' ? { filled: true } : {}),
        ...(number === undefined ? {} : { number }),
      };
    });
    const identity = identityName(message.identity);
    const keyNames = identity === 'full'
      ? live.filter((row) => Number(row.pk) >= 0).sort((a, b) => Number(a.pk) - Number(b.pk)).map((row) => row.name)
      : message.columns.filter((column) => column.key).map((column) => column.name);
    // What is still there and has been known is left out now, if the message does not have it.
    const wasKnown = new Set([...(known?.columns.map((column) => column.number) ?? []), ...(known?.unsent ?? [])]);
    const unsent = live.filter((row) => row.dropped === 'false' && wasKnown.has(Number(row.number)) && !numbers.includes(Number(row.number))).map((row) => Number(row.number));
    const plain = besides(makeRelation(message, columns, identity, this.#keyOrder(message, keyNames)), unsent, known?.partitions);
    const relation = this.#isAppendOnly(plain) ? asAppendOnly(plain) : plain;
    if (known?.version === relation.version) return known;
    this.#byOid.set(relation.oid, relation);
    return relation;
  }

  /** The order of key columns is the index's order where it is known; a message only flags them. */
  #keyOrder(message: RelationMessage, names: readonly string[]): readonly string[] {
    const known = this.#byOid.get(message.oid);
    const before = known?.key.map((i) => known.columns[i]?.name ?? '') ?? [];
    return before.length === names.length && names.every((name) => before.includes(name)) ? before : names;
  }
}

/**
 * The numbers of a message's columns, which it does not tell: as the catalog has them now, or, where it has moved on since, as they were known.
 * A message lists columns in the order of their numbers, and the catalog keeps the numbers of columns that are gone: where as many are left
 * between two that are known as the message has columns there, it is those. What contradicts the order is not known.
 * @param live All numbers that were ever given; columns that are gone have names that no column has.
 */
function numbersOf(message: RelationMessage, live: readonly { name: string; number: string }[], known: Relation | undefined): (number | undefined)[] {
  const before = (name: string): number | undefined => known?.columns.find((column) => column.name === name)?.number;
  const now = (name: string): number | undefined => {
    const row = live.find((one) => one.name === name);
    return row && Number(row.number);
  };
  for (const find of [(name: string) => now(name) ?? before(name), before]) {
    const numbers = message.columns.map((column) => find(column.name));
    const found = numbers.filter((number) => number !== undefined);
    if (found.some((number, i) => i > 0 && number <= (found[i - 1] as number))) continue;
    const free = live.filter((row) => !found.includes(Number(row.number)) && !message.columns.some((column) => column.name === row.name)).map((row) => Number(row.number)).sort((a, b) => a - b);
    for (let from = 0; from < numbers.length; from++) {
      if (numbers[from] !== undefined) continue;
      let to = from;
      while (to < numbers.length && numbers[to] === undefined) to += 1;
      const between = free.filter((number) => number > (numbers[from - 1] ?? 0) && number < (numbers[to] ?? Infinity));
      if (between.length === to - from) numbers.splice(from, to - from, ...between);
      from = to;
    }
    return numbers;
  }
  return message.columns.map(() => undefined);
}

/** `readTables` without the planning details. */
export async function readRelations(connection: PgConnection, patterns: readonly TablePattern[], sendsColumn?: ColumnFilter): Promise<Relation[]> {
  return (await readTables(connection, patterns, new TypeCatalog(), sendsColumn)).map((table) => table.relation);
}

