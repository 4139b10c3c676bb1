// A snapshot: one consistent cut of some tables whose place in the stream is known, by a temporary slot that exports it.
import { randomBytes } from 'node:crypto';
import { assert, MillraceError } from '../../../base/index.ts';
import { CopyParser } from '../../../codec/index.ts';
import { type Batch, type Lsn, quoteIdent, quoteTable, type Relation, tableAddress, type TablePattern } from '../../../data/index.ts';
import type { Snapshot } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, PgConnection, PgError } from '../../../wire/index.ts';
import { type CatalogTable, type ColumnFilter, declareAppendOnly, readTables, textSettings } from '../catalog.ts';
import { TypeCatalog } from '../types.ts';
import { createSlot } from './slot.ts';

export class PostgresSnapshot implements Snapshot {
  readonly position: Lsn;
  readonly relations: readonly Relation[];
  readonly #connection: PgConnection;
  readonly #tables: readonly CatalogTable[];

  private constructor(position: Lsn, connection: PgConnection, tables: readonly CatalogTable[]) {
    this.position = position;
    this.#connection = connection;
    this.#tables = tables;
    this.relations = tables.map((table) => table.relation);
  }

  /** Takes the cut. The snapshot lives in a transaction of its own connection; the temporary slot is gone when this returns. */
  static async take(
    options: ConnectOptions, patterns: readonly TablePattern[], choice: { readonly sendsColumn: ColumnFilter; readonly appendOnly: readonly TablePattern[] }, onWait: (reason: string | undefined) => void, signal: AbortSignal,
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
      await connection.query(`${textSettings}; begin isolation level repeatable read read only; set transaction snapshot '${snapshotName}'`);
      const tables = declareAppendOnly(await readTables(connection, patterns, new TypeCatalog(), choice.sendsColumn), choice.appendOnly);
      return new PostgresSnapshot(point, connection, tables);
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

  estimate(relation: Relation): number {
    return this.#table(relation).rowsEstimate;
  }

  isPartitioned(relation: Relation): boolean {
    return this.#table(relation).partitioned;
  }

  async *read(relation: Relation, signal: AbortSignal): AsyncGenerator<Batch, void, undefined> {
    const formats = Uint8Array.from(relation.columns, (column) => (column.type.binary ? 0 : 1));
    const reader = new CopyParser(relation, { formats });
    const columns = relation.columns.map((column, i) => `${quoteIdent(column.name)}${formats[i] === 1 ? '::text' : ''}`);
    // ONLY: children by inheritance are tables of their own in the stream; partitions belong to their root.
    const from = `${this.isPartitioned(relation) ? '' : 'only '}${quoteTable(relation)}`;
    try {
      for await (const chunk of this.#connection.copyOut(`copy (select ${columns.join(', ')} from ${from}) to stdout (format binary)`)) {
        if (signal.aborted) return;
        yield* reader.push(chunk);
      }
      const last = reader.end();
      if (last) yield last;
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
    }
  }

  /**
   * TRUNCATE and what rewrites a table (some ALTER TABLE) do not care for snapshots: the table looks empty afterwards to those that are older.
   * The snapshot knows the file that the table had, the server the one that it has. Throws a retriable error when they differ.
   */
  async mustBeWhole(relation: Relation): Promise<void> {
    const [row] = await this.#connection.rows<{ changed: string }>(
      `with recursive t(oid) as (select $1::oid union all select i.inhrelid from pg_catalog.pg_inherits i join t on t.oid = i.inhparent where $2::boolean)
       select exists (select from t join pg_catalog.pg_class c using (oid)
         where c.relkind = 'r' and pg_catalog.pg_relation_filenode(c.oid) is distinct from c.relfilenode)::text as changed`,
      [String(relation.oid), String(this.isPartitioned(relation))],
    );
    if (row?.changed === 'true') throw this.#changed(relation, 'it was truncated or rewritten, and the server shows it empty to older snapshots');
  }

  #changed(relation: Relation, detail: string): MillraceError {
    return new MillraceError('SERVER_ERROR', `${tableAddress(relation)} changed while its snapshot was read`, {
      retriable: true, where: this.#connection.where, detail, hint: 'nothing: it is read again from a newer one',
    });
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #table(relation: Relation): CatalogTable {
    const table = this.#tables.find((candidate) => candidate.relation.oid === relation.oid);
    assert(table, 'a relation of another snapshot');
    return table;
  }
}
