// PostgreSQL as a source: checks, slot, publication, stream and snapshots behind the Source port.
import { assert, type Clock, type Logger, MillraceError, type TokenBucket } from '../../../base/index.ts';
import type { RelationMessage } from '../../../codec/index.ts';
import {
  asLsn, baseType, formatLsn, type Lsn, parseLsn, parseTablePattern, type Position, quoteIdent, type Relation, selects, type SourceIdentity, tableAddress,
  type TableName, type TablePattern,
} from '../../../data/index.ts';
import type { RunSink, SelectedTables, Source, SourceState } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, displayTarget, longLived, parsePgUrl, type PgAddress, PgConnection, PgError } from '../../../wire/index.ts';
import { type CatalogTable, type ColumnFilter, declareAppendOnly, readTables, StreamRelations } from '../catalog.ts';
import { selectTables } from '../select.ts';
import { TypeCatalog } from '../types.ts';
import { walEndSql } from '../wal-end.ts';
import type { SpillOptions } from './in-progress.ts';
import { identifySystem } from './adoption.ts';
import { followMembers, hasIdentity, identityMissing, readCatalogMark } from './members.ts';
import { asOwner, type ProjectIds, readMarks, type Since, type SourceNames } from './owner.ts';
import { createSlot, describeSlotError, dropSlot, ensurePublication, invalidated, readSlot } from './slot.ts';
import { PostgresSnapshot } from './snapshot.ts';
import { followStream } from './stream.ts';
import { untilVisible } from './visible.ts';

export interface PostgresSourceOptions extends SourceNames {
  readonly name: string;
  readonly url: PgAddress;
  readonly tables: readonly TablePattern[];
  /** Where the source stands in the project, for messages: file:line:column. */
  readonly place?: string;
  readonly sendsColumn: ColumnFilter;
  /** Tables that are declared to be only inserted into. */
  readonly appendOnly: readonly TablePattern[];
  /** What snapshots read passes through it. */
  readonly rate?: TokenBucket;
  /** The ids of the project, given those that stand at the source; makes one if there is none. Throws when that cannot be known now. */
  identify(recorded: readonly string[]): Promise<ProjectIds>;
  /** Where transactions in progress are kept. */
  readonly spill: SpillOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what an operation is waiting for, undefined when it goes on. */
  onWait?(reason: string | undefined): void;
  /** Hears now and then how many bytes have come in by replication since the last time. */
  onBytes?(bytes: number): void;
  /** Hears once a second how many bytes of transactions in progress are kept. */
  onSpilled?(bytes: number): void;
}

const countEveryMs = 500;

export class PostgresSource implements Source {
  readonly name: string;
  readonly #options: PostgresSourceOptions;
  readonly #connect: ConnectOptions;
  readonly #types = new TypeCatalog();
  #tables: readonly CatalogTable[] = [];
  #relations: StreamRelations | undefined;
  #control: PgConnection | undefined;
  #connecting: Promise<PgConnection> | undefined;
  /** The connection that finds or makes the slot, which may take long. */
  #starting: PgConnection | undefined;
  #closed = false;
  /** The server process that the last stream came from, and all that streams came from and that may not have noticed their end. */
  #streamedBy: number | undefined;
  readonly #streamers = new Set<number>();
  /** Undefined before it was opened once. */
  #ids: ProjectIds | undefined;
  /** What it selected, and the catalog then. */
  #selected: string | undefined;
  #catalogMark: string | undefined;
  #acknowledged = asLsn(0n);
  /** Binary values unless a type inside some column cannot be sent that way: then the server would fail, so text. */
  #binary = true;

  constructor(options: PostgresSourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#connect = parsePgUrl(options.url);
  }

  get where(): string {
    return displayTarget(this.#connect);
  }

  get tables(): readonly CatalogTable[] {
    return this.#tables;
  }

  async open(): Promise<SourceState> {
    this.#acknowledged = asLsn(0n); // of a server that may have been another one
    const control = await this.#controlConnection();
    try {
      await this.#checkServer(control);
      await this.#endFormerStream(control);
      this.#catalogMark = undefined;
      const selected = await this.#openTables(control);
      const tables = this.#tables;
      this.#relations = new StreamRelations(this.#types, tables.map((table) => table.relation), (table) => selects(this.#options.appendOnly, table));
      // Once text was needed it may be needed again, for rows of a shape that is over.
      this.#binary &&= tables.every((table) => goesBinary(table.relation));
      const slot = await this.#ensureSlot(control);
      // Another project may have come between the two, when there was no slot yet that the mark could speak of.
      await asOwner(control, this.#options, this.#ids as ProjectIds, () => Promise.resolve());
      return { ...slot, ...selected };
    } catch (error) {
      throw describePgError(error, this.where);
    }
  }

  /** At the first time what cannot be followed is an error. Later on only those tables stop. */
  async #openTables(control: PgConnection): Promise<SelectedTables> {
    const ids = await this.#options.identify((await readMarks(control, this.#options)).map((mark) => mark.project));
    if (this.#ids) {
      this.#ids = ids;
      return this.#follow(control, ids);
    }
    const tables = await this.#readTables(control);
    const without = tables.filter((table) => !hasIdentity(table));
    if (without.length > 0) throw identityMissing(this.name, without, this.where);
    // The publication comes before the slot, which cannot decode what committed before it existed.
    const since = await asOwner(control, this.#options, ids, () => ensurePublication(control, tables, this.#options, ids.id));
    this.#ids = ids;
    return this.#selects(tables, [], since);
  }

  async lookAgain(): Promise<SelectedTables | undefined> {
    return this.#ask(async (control) => {
      const mark = await readCatalogMark(control, this.#options.publication);
      if (!this.#ids || this.#catalogMark === mark) return undefined;
      const before = this.#selected;
      const found = await this.#follow(control, this.#ids);
      this.#catalogMark = mark;
      return this.#selected === before ? undefined : found;
    });
  }

  async #follow(control: PgConnection, ids: ProjectIds): Promise<SelectedTables> {
    const { tables: patterns, sendsColumn, appendOnly } = this.#options;
    const selected = declareAppendOnly(await readTables(control, patterns, new TypeCatalog(), sendsColumn), appendOnly);
    const { tables, refused, since } = await asOwner(control, this.#options, ids, () => followMembers(control, this.name, selected, this.#options, ids.id, this.#streamedBy));
    return this.#selects(tables, refused, since);
  }

  #selects(tables: readonly CatalogTable[], refused: SelectedTables['refused'], marks: Since): SelectedTables {
    const since = ({ schema, name }: TableName): Lsn => marks.get(tableAddress({ schema, name })) ?? marks.get('*') ?? asLsn(0n);
    this.#tables = tables;
    const relations = tables.map((table) => table.relation);
    const followed = relations.map((relation) => [relation.oid, tableAddress(relation), formatLsn(since(relation)), relation.unsent, relation.partitions?.map((partition) => [partition.oid, partition.since])]);
    this.#selected = JSON.stringify([followed, refused.map((one) => [tableAddress(one), one.error.message])]);
    return { relations, refused, since };
  }

  async stream(from: Position, sink: RunSink, signal: AbortSignal): Promise<void> {
    const relations = this.#relations;
    assert(relations, 'stream before open');
    const connection = await PgConnection.connect(this.#connect, { replication: 'database' });
    this.#streamedBy = connection.pid;
    this.#streamers.add(connection.pid);
    const binary = this.#binary;
    let bytesCounted = 0;
    const count = (): void => {
      this.#options.onBytes?.(connection.bytesIn - bytesCounted);
      bytesCounted = connection.bytesIn;
    };
    const counting = setInterval(count, countEveryMs);
    try {
      await followStream(
        connection,
        {
          slot: this.#options.slot,
          publication: this.#options.publication,
          from,
          binary,
          clock: this.#options.clock,
          logger: this.#options.logger,
          relation: (message, xid) => relations.match(message) ?? this.#resolve(relations, message, xid),
          acknowledged: () => this.#acknowledged,
          spill: this.#options.spill,
          onSpilled: (bytes) => this.#options.onSpilled?.(bytes),
        },
        sink,
        signal,
      );
    } catch (error) {
      // Whatever broke the stream may have broken this one too, without a word.
      this.#control?.destroy();
      // A type without a binary output function deep inside a value: the server can only send text. The catalog may have told of it meanwhile.
      if (error instanceof PgError && error.code === '42883' && binary) throw this.#goOnAsText(error);
      throw describeSlotError(error, this.where, this.#options.slot);
    } finally {
      clearInterval(counting);
      count();
    }
  }

  async #resolve(relations: StreamRelations, message: RelationMessage, xid: number | undefined): Promise<Relation> {
    const control = await this.#controlConnection();
    if (xid !== undefined) await untilVisible(control, xid, this.#options.clock);
    const relation = await relations.resolve(control, message);
    if (this.#binary && !goesBinary(relation)) throw this.#goOnAsText();
    return relation;
  }

  #goOnAsText(cause?: unknown): MillraceError {
    this.#binary = false;
    return new MillraceError('CONNECTION_LOST', 'the source cannot send these types in binary form; going on in text form', { where: this.where, cause });
  }

  acknowledge(position: Position): void {
    if (position > this.#acknowledged) this.#acknowledged = position as Lsn;
  }

  snapshot(tables: readonly TableName[], signal: AbortSignal): Promise<PostgresSnapshot> {
    const patterns = tables.map((table) => parseTablePattern(`${quoteIdent(table.schema)}.${quoteIdent(table.name)}`) as TablePattern);
    return PostgresSnapshot.take(this.#connect, patterns, this.#options, (reason) => this.#options.onWait?.(reason), signal);
  }

  async end(): Promise<Position> {
    return (await this.#walEnds()).flushed;
  }

  /** Asynchronous commits are flushed by the WAL writer a moment later; the insert position alone may lie in a page that stays empty. */
  async committedEnd(): Promise<Position> {
    const { inserted } = await this.#walEnds();
    for (let waitedMs = 0; ; waitedMs += 50) {
      const { flushed } = await this.#walEnds();
      if (flushed >= inserted || waitedMs >= 1000) return flushed;
      // Of a transaction that is open the WAL writer flushes whole pages only: its last record stays cut in two, and unread, until something commits.
      if (waitedMs === 400) await this.#ask((control) => control.rows("select pg_catalog.pg_logical_emit_message(true, 'millrace.flush', '')")).catch(() => undefined);
      await this.#options.clock.sleep(50);
    }
  }

  async #walEnds(): Promise<{ inserted: Lsn; flushed: Lsn }> {
    const [row] = await this.#ask((control) => control.rows<{ inserted: string; flushed: string }>(
      `select (${walEndSql('inserted')})::text as inserted, (${walEndSql('flushed')})::text as flushed`,
    ));
    return { inserted: parseLsn(row?.inserted ?? '0/0'), flushed: parseLsn(row?.flushed ?? '0/0') };
  }

  /** Bytes of WAL that the slot holds back; 0 if that is unknown. */
  async walKept(): Promise<number> {
    const [row] = await this.#ask((control) => control.rows<{ kept: string | null }>(
      `select pg_wal_lsn_diff(${walEndSql()}, restart_lsn)::text as kept from pg_replication_slots where slot_name = $1`,
      [this.#options.slot],
    ));
    return Number(row?.kept ?? 0);
  }

  /** The tables that the project selects, by name, without touching slot or publication. */
  async listTables(): Promise<TableName[]> {
    return (await this.#readTables(await this.#controlConnection())).map(({ relation }) => ({ schema: relation.schema, name: relation.name }));
  }

  async readRelations(): Promise<readonly Relation[]> {
    const { tables, sendsColumn, appendOnly } = this.#options;
    return declareAppendOnly(await readTables(await this.#controlConnection(), tables, new TypeCatalog(), sendsColumn), appendOnly).map((table) => table.relation);
  }

  /** Whether transactions with changes for us committed at or after `from` and before `to`. Only while nobody streams from the slot. */
  async hasCommitsBetween(from: Position, to: Position): Promise<boolean> {
    const control = await this.#controlConnection();
    // The first message of a transaction, Begin, carries the position of its commit in its bytes 2 to 9.
    const [row] = await control.rows<{ found: string }>(
      `select exists (select from pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, null, 'proto_version', '1', 'publication_names', $3) c
         where get_byte(c.data, 0) = 66 and ('x' || encode(substr(c.data, 2, 8), 'hex'))::bit(64)::bigint >= $4::bigint)::text as found`,
      [this.#options.slot, formatLsn(to), quoteIdent(this.#options.publication), String(from)],
    );
    return row?.found === 'true';
  }

  /** Drops a slot that the server has invalidated, so that the next open makes a new one. */
  async forgetIfLost(): Promise<void> {
    await this.#ask(async (control) => {
      const slot = await readSlot(control, this.#options.slot);
      if (slot?.walStatus === 'lost') await dropSlot(control, this.#options.slot);
    });
  }

  formatPosition(position: Position): string {
    return formatLsn(position);
  }

  parsePosition(text: string): Position {
    return parseLsn(text);
  }

  /** Ends what is under way too, also when the server does not answer. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#starting?.destroy();
    const idle = this.#control;
    this.#control = undefined;
    idle?.destroy();
  }

  /** One connection for all questions, however many are asked at a time. */
  async #controlConnection(): Promise<PgConnection> {
    if (this.#control && !this.#control.closed) return this.#control;
    this.#connecting ??= this.#newControl().finally(() => (this.#connecting = undefined));
    const control = await this.#connecting;
    if (this.#closed) {
      control.destroy();
      throw new MillraceError('CONNECTION_LOST', 'the source was closed', { where: this.where });
    }
    return (this.#control = control);
  }

  async #newControl(): Promise<PgConnection> {
    const control = await PgConnection.connect(this.#connect);
    await control.set(longLived(control.major));
    return control;
  }

  async #ask<T>(question: (control: PgConnection) => Promise<T>): Promise<T> {
    try {
      return await question(await this.#controlConnection());
    } catch (error) {
      throw describePgError(error, this.where);
    }
  }

  async #checkServer(control: PgConnection): Promise<void> {
    if (control.major < 15) throw new MillraceError('SERVER_TOO_OLD', `the server is PostgreSQL ${control.parameters.get('server_version')}`, { where: this.where });
    const [row] = await control.rows<{ level: string; encoding: string }>(
      "select current_setting('wal_level') as level, pg_encoding_to_char(encoding) as encoding from pg_database where datname = current_database()",
    );
    if (row?.level !== 'logical') {
      throw new MillraceError('WAL_LEVEL', `wal_level is ${row?.level}`, { where: this.where, hint: 'alter system set wal_level = logical; then restart the server (on a managed one, `millrace doctor` prints how)' });
    }
  }

  /**
   * Our last stream has ended, but if its connection broke without a word, its server process holds the slot until the server notices. Where it
   * is not allowed to end it, the slot is tried again until it is free. One that waits for its client to take what it has sent tells the client of
   * its end, and so goes on waiting, without an end: only when it is told a second time it lets that be.
   */
  async #endFormerStream(control: PgConnection): Promise<void> {
    for (let times = 0; this.#streamers.size > 0; times++) {
      const slot = await readSlot(control, this.#options.slot);
      if (!slot || slot.activePid === null) this.#streamers.clear();
      else if (!this.#streamers.has(slot.activePid) || times === 3) return;
      else await control.rows('select pg_catalog.pg_terminate_backend($1::int4, 500)', [String(slot.activePid)]).catch(() => undefined);
    }
  }

  async #readTables(control: PgConnection): Promise<CatalogTable[]> {
    const { name: source, tables, sendsColumn, place } = this.#options;
    const selection = { source, tables, sendsColumn, ...(place === undefined ? {} : { place }) };
    return declareAppendOnly(await selectTables(control, selection, this.#types), this.#options.appendOnly);
  }

  async #ensureSlot(control: PgConnection): Promise<Omit<SourceState, keyof SelectedTables>> {
    const { slot: name, clock, onWait } = this.#options;
    const replication = await PgConnection.connect(this.#connect, { replication: 'database' }).catch((error: unknown) => {
      throw describeSlotError(error instanceof MillraceError && error.cause instanceof PgError ? error.cause : error, this.where, name);
    });
    this.#starting = replication;
    try {
      const [database] = await control.rows<{ oid: string }>('select oid::text as oid from pg_catalog.pg_database where datname = pg_catalog.current_database()');
      const identity: SourceIdentity = { ...(await identifySystem(replication)), ...(database ? { database: database.oid } : {}) };
      const branches = await readBranches(replication, identity.timeline);
      for (;;) {
        const slot = await readSlot(control, name);
        if (!slot) {
          const { point } = await createSlot(replication, control, name, 'permanent', (reason) => onWait?.(reason));
          return { identity, branches, oldest: point, fresh: true };
        }
        if (slot.walStatus === 'lost') throw new MillraceError('SLOT_LOST', invalidated(name, slot.invalidation), { where: this.where });
        if (slot.confirmed !== null) return { identity, branches, oldest: slot.confirmed, fresh: false };
        // Someone's creation of the slot was broken off. While its server process waits it stays active; afterwards it is of no use.
        if (slot.activePid === null) await dropSlot(control, name);
        else {
          onWait?.(`waiting for server process ${slot.activePid}, which still makes the slot "${name}" for an earlier start`);
          await clock.sleep(300);
        }
      }
    } finally {
      onWait?.(undefined);
      this.#starting = undefined;
      await replication.close();
    }
  }
}

/** The history file of a timeline: lines of parent timeline, the position where it was left, and a reason. */
async function readBranches(replication: PgConnection, timeline: number): Promise<{ timeline: number; at: Lsn }[]> {
  if (timeline <= 1) return [];
  const [history] = await replication.query(`TIMELINE_HISTORY ${timeline}`);
  const lines = history?.rows[0]?.[1]?.toString().matchAll(/^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/gm) ?? [];
  return [...lines].map(([, parent, at]) => ({ timeline: Number(parent), at: parseLsn(at as string) }));
}

/**
 * Whether a binary stream can carry the rows. A column whose type has no binary output is sent as text by itself, but not a part of a value;
 * and the empty values of some types are sent in a form that no server can read again.
 */
const goesBinary = (relation: Relation): boolean => relation.columns.every(({ type }) => type.binary || !textOnly.has(baseType(type).kind) && !textOnly.has(baseType(type).name));

const textOnly: ReadonlySet<string> = new Set(['array', 'composite', 'range', 'multirange', 'tsquery', 'int2vector', 'oidvector']);
