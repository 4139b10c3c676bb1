// A snapshot: one consistent cut of some tables whose place in the stream is known, by a temporary slot that exports it.
import { randomBytes } from 'node:crypto';
import { assert, MillraceError, type TokenBucket } from '../../../base/index.ts';
import { CopyParser } from '../../../codec/index.ts';
import {
  type Batch, type Column, isAmong, keyToText, keyFromText, type Lsn, quoteIdent, quoteLiteral, quoteTable, rangeKey, type Relation, tableAddress, type TablePattern,
} from '../../../data/index.ts';
import { type Chunk, type RowKeys, type Snapshot, type SnapshotSize, TableChanged } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, longLived, PgConnection, PgError } from '../../../wire/index.ts';
import { type CatalogTable, type ColumnFilter, declareAppendOnly, readTables, textSettings } from '../catalog.ts';
import { TypeCatalog } from '../types.ts';
import { createSlot } from './slot.ts';

export interface SnapshotChoice {
  readonly sendsColumn: ColumnFilter;
  readonly appendOnly: readonly TablePattern[];
  /** What is read passes through it, in bytes. */
  readonly rate?: TokenBucket | undefined;
}

/** The first rows, for who wants to see what they are like. */
const firstRows = 500;

/** A table and, if it is partitioned, everything below it. */
const tree = `with recursive t(oid) as (select $1::oid union all select i.inhrelid from pg_catalog.pg_inherits i join t on t.oid = i.inhparent where $2::boolean)`;

export class PostgresSnapshot implements Snapshot {
  readonly position: Lsn;
  readonly relations: readonly Relation[];
  readonly #connection: PgConnection;
  /** By OID. */
  readonly #tables: ReadonlyMap<number, CatalogTable>;
  readonly #rate: TokenBucket | undefined;
  /** The name under which other sessions enter this cut, as long as `connection` lives. */
  readonly #name: string;
  readonly #bytes: ReadonlyMap<number, number>;
  /** Sessions in this cut that read nothing at the moment. */
  readonly #idle: PgConnection[] = [];
  #closed = false;

  private constructor(position: Lsn, connection: PgConnection, name: string, tables: readonly CatalogTable[], bytes: ReadonlyMap<number, number>, rate: TokenBucket | undefined) {
    this.position = position;
    this.#connection = connection;
    this.#name = name;
    this.#tables = new Map(tables.map((table) => [table.relation.oid, table]));
    this.#bytes = bytes;
    this.#rate = rate;
    this.relations = tables.map((table) => table.relation);
  }

  /** Takes the cut. The snapshot lives in a transaction of its own connection; the temporary slot is gone when this returns. */
  static async take(
    options: ConnectOptions, patterns: readonly TablePattern[], choice: SnapshotChoice, onWait: (reason: string | undefined) => void, signal: AbortSignal,
  ): Promise<PostgresSnapshot> {
    const replication = await PgConnection.connect(options, { replication: 'database' });
    const abort = (): void => replication.destroy();
    signal.addEventListener('abort', abort, { once: true });
    let connection: PgConnection | undefined;
    try {
      connection = await PgConnection.connect(options);
      const name = `millrace_snapshot_${process.pid}_${randomBytes(4).toString('hex')}`;
      const { point, snapshotName } = await createSlot(replication, connection, name, 'temporary', onWait);
      if (snapshotName === null) throw new MillraceError('PROTOCOL_VIOLATION', 'the server exported no snapshot', { where: replication.where });
      await enter(connection, snapshotName);
      const [exported] = await connection.rows<{ name: string }>('select pg_catalog.pg_export_snapshot() as name');
      const tables = declareAppendOnly(await readTables(connection, patterns, new TypeCatalog(), choice.sendsColumn), choice.appendOnly);
      return new PostgresSnapshot(point, connection, exported?.name ?? '', tables, await readSizes(connection, tables), choice.rate);
    } catch (error) {
      connection?.destroy();
      throw describePgError(error, replication.where);
    } finally {
      signal.removeEventListener('abort', abort);
      await replication.close();
    }
  }

  /** The session that holds the cut, for queries of `verify`. */
  get connection(): PgConnection {
    return this.#connection;
  }

  estimate(relation: Relation): SnapshotSize {
    return { rows: this.#table(relation).rowsEstimate, bytes: this.#bytes.get(relation.oid) ?? 0 };
  }

  isPartitioned(relation: Relation): boolean {
    return this.#table(relation).partitioned;
  }

  async *read(relation: Relation, signal: AbortSignal, part?: Chunk | RowKeys | 'first'): AsyncGenerator<Batch, void, undefined> {
    const formats = Uint8Array.from(relation.columns, (column) => (column.type.binary ? 0 : 1));
    const reader = new CopyParser(relation, { formats });
    const columns = relation.columns.map((column, i) => `${quoteIdent(column.name)}${formats[i] === 1 ? '::text' : ''}`);
    const select = `select ${columns.join(', ')} from ${part === 'first' ? `${this.#from(relation)} limit ${firstRows}` : this.#partOf(relation, part)}`;
    let connection: PgConnection | undefined;
    let isFree = false;
    try {
      connection = await this.#reader();
      for await (const chunk of connection.copyOut(`copy (${select}) to stdout (format binary)`)) {
        if (signal.aborted) return;
        yield* reader.push(chunk);
        await this.#rate?.take(chunk.length, signal);
      }
      if (!this.#closed) {
        this.#idle.push(connection);
        isFree = true;
      }
      reader.end();
      await this.mustBeWhole(relation);
    } catch (error) {
      const where = `${this.#connection.where}, ${tableAddress(relation)}`;
      if (error instanceof PgError && error.code === '42501') {
        const user = quoteIdent(this.#connection.options.user);
        throw new MillraceError('PRIVILEGE_MISSING', error.message, {
          where, cause: error, hint: `grant usage on schema ${quoteIdent(relation.schema)} to ${user}; grant select on ${quoteTable(relation)} to ${user};`,
        });
      }
      // A column or the table was dropped: names are looked up as of now, whatever the snapshot sees.
      if (error instanceof PgError && ['42703', '42P01'].includes(error.code)) throw this.#changed(relation, error.message);
      throw describePgError(error, where);
    } finally {
      // Whoever stops reading leaves a session behind that may have sent everything: its transaction would hold the table's lock for ever.
      if (!isFree) connection?.destroy();
    }
  }

  /**
   * TRUNCATE and what rewrites a table (some ALTER TABLE) do not care for snapshots: the table looks empty afterwards to those that are older.
   * The snapshot knows the file that the table had, the server the one that it has. Throws a retriable error when they differ.
   */
  async mustBeWhole(relation: Relation): Promise<void> {
    const [row] = await this.#connection.rows<{ changed: string }>(
      `${tree} select exists (select from t join pg_catalog.pg_class c using (oid)
         where c.relkind = 'r' and pg_catalog.pg_relation_filenode(c.oid) is distinct from c.relfilenode)::text as changed`,
      [String(relation.oid), String(this.isPartitioned(relation))],
    );
    if (row?.changed === 'true') throw this.#changed(relation, 'it was truncated or rewritten, and the server shows it empty to older snapshots');
  }

  #changed(relation: Relation, detail: string): TableChanged {
    return new TableChanged(relation, { where: this.#connection.where, detail });
  }

  async shape(relation: Relation): Promise<string> {
    const [row] = await this.#connection.rows<{ files: string }>(
      `${tree} select pg_catalog.md5(pg_catalog.string_agg(c.oid || ' ' || c.relfilenode, ',' order by c.oid)) as files from t join pg_catalog.pg_class c using (oid)
       where c.relkind = 'r'`, [String(relation.oid), String(this.isPartitioned(relation))],
    );
    return `${relation.version} ${row?.files ?? ''}`;
  }

  async places(relation: Relation, bytes: number): Promise<readonly Chunk[]> {
    const leaves = await this.#connection.rows<{ schema: string; name: string; heap: string; blocks: string; bytes: string }>(
      `${tree} select n.nspname as schema, c.relname as name, coalesce(a.amname = 'heap', false)::text as heap, pg_catalog.pg_table_size(c.oid)::text as bytes,
         (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8)::text as blocks
       from t join pg_catalog.pg_class c using (oid) join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_am a on a.oid = c.relam
       where c.relkind <> 'p' order by c.oid`, [String(relation.oid), String(this.isPartitioned(relation))],
    );
    const chunks: Chunk[] = [];
    for (const leaf of leaves) {
      const from = `only ${quoteTable(leaf)}`;
      const blocks = leaf.heap === 'true' ? Number(leaf.blocks) : 0;
      const step = Math.max(1, Math.ceil((blocks * bytes) / Math.max(1, Number(leaf.bytes))));
      for (let block = 0; block === 0 || block < blocks; block += step) {
        const bounds = [...(block > 0 ? [`ctid >= '(${block},0)'::tid`] : []), ...(block + step < blocks ? [`ctid < '(${block + step},0)'::tid`] : [])];
        chunks.push({ place: chunks.length, from, where: bounds.join(' and ') });
      }
    }
    return chunks;
  }

  /** By the keys in a sample of its pages. */
  async bounds(relation: Relation, bytes: number): Promise<readonly bigint[] | undefined> {
    const key = rangeKey(relation);
    if (!key) return undefined;
    const size = this.#bytes.get(relation.oid) ?? 0;
    const count = Math.ceil(size / bytes);
    if (count < 2) return [];
    const percent = Math.min(100, (100 * Math.max(count, 200)) / Math.max(1, size / 8192));
    const column = quoteIdent(relation.columns[key.field]?.name ?? '');
    const rows = await this.#connection.rows<{ key: string }>(`select ${column}::text as key from ${this.#from(relation)} tablesample system (${percent})`);
    const keys = rows.map((row) => keyFromText(row.key, key.type)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const bounds = Array.from({ length: count - 1 }, (_, i) => keys[Math.floor(((i + 1) * keys.length) / count)]);
    return [...new Set(bounds)].filter((bound) => bound !== undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const idle of this.#idle.splice(0)) await idle.close();
    await this.#connection.close();
  }

  /** ONLY: children by inheritance are tables of their own in the stream; partitions belong to their root. */
  #from(relation: Relation): string {
    return `${this.isPartitioned(relation) ? '' : 'only '}${quoteTable(relation)}`;
  }

  #partOf(relation: Relation, part: Chunk | RowKeys | undefined): string {
    if (part && 'fields' in part) return `${this.#from(relation)} where ${isAmong(part.fields.map((field) => relation.columns[field] as Column), part.keys)}`;
    if (part && 'place' in part) return `${part.from}${part.where === '' ? '' : ` where ${part.where}`}`;
    const key = rangeKey(relation);
    const conditions: string[] = [];
    if (part && key) {
      const column = quoteIdent(relation.columns[key.field]?.name ?? '');
      const { from, to } = part.keys;
      if (from !== undefined) conditions.push(`${column} >= ${quoteLiteral(keyToText(from, key.type))}`);
      if (to !== undefined) conditions.push(`${column} < ${quoteLiteral(keyToText(to, key.type))}`);
    }
    return `${this.#from(relation)}${conditions.length === 0 ? '' : ` where ${conditions.join(' and ')}`}`;
  }

  /** A session in this cut that is free to read. */
  async #reader(): Promise<PgConnection> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    const connection = await PgConnection.connect(this.#connection.options);
    try {
      await enter(connection, this.#name);
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #table(relation: Relation): CatalogTable {
    const table = this.#tables.get(relation.oid);
    assert(table, 'a relation of another snapshot');
    return table;
  }
}

/**
 * With a timeout for locks: the sessions of a cut hold a table's lock together, so that one of them that comes behind a waiting ALTER TABLE or
 * TRUNCATE would wait for its own cut, for ever. It fails instead, the cut is closed, the statement passes, and the table is read again.
 */
async function enter(connection: PgConnection, name: string): Promise<void> {
  await connection.set({ ...textSettings, ...longLived(connection.major), idle_in_transaction_session_timeout: '0', lock_timeout: '2s' });
  await connection.query(`begin isolation level repeatable read read only; set transaction snapshot ${quoteLiteral(name)}`);
}

/** Bytes of tables with what is stored out of line, those of partitions with their root. */
async function readSizes(connection: PgConnection, tables: readonly CatalogTable[]): Promise<ReadonlyMap<number, number>> {
  const rows = await connection.rows<{ oid: string; bytes: string }>(
    `select o::text as oid, coalesce(case when c.relkind = 'p' then (select sum(pg_catalog.pg_table_size(relid)) from pg_catalog.pg_partition_tree(o))
       else pg_catalog.pg_table_size(o) end, 0)::text as bytes
     from unnest($1::oid[]) o join pg_catalog.pg_class c on c.oid = o`, [`{${tables.map(({ relation }) => relation.oid).join(',')}}`],
  );
  return new Map(rows.map((row) => [Number(row.oid), Number(row.bytes)]));
}
