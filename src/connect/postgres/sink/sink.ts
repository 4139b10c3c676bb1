// The exactly-once sink: rows and position of an epoch commit in one fenced transaction, sent in one pipelined flush where that is possible.
import { assert, crashPoint, type Clock, type Logger, MillraceError } from '../../../base/index.ts';
import { databaseId, type Origin, type Position, type SourceIdentity, type TableName } from '../../../data/index.ts';
import type { ChunkedLoad, Committed, ConsumerPosition, Load, LoadedChunk, LoadedTable, Piece, TableStep, TableStop, TableWrite, TransactionalSink } from '../../../flow/index.ts';
import { type ConnectOptions, displayTarget, PgError } from '../../../wire/index.ts';
import { complete, encodeAhead, incomplete, type Mode as ApplyMode, send } from './apply.ts';
import { recordProjectId } from './bookkeeping.ts';
import { emptyAsSource } from './empty.ts';
import { Fence, fenced, isFenced } from './fence.ts';
import { State } from './fold.ts';
import { notOlder, notOlderRows } from './guard.ts';
import { isolate, isRowError, rowMissing, tryOrdered, unitsOf } from './isolate.ts';
import { changeOf, changesOf, keysOf, type KeptChange, type Letter, rejected, writeLetter } from './letter-rows.ts';
import { beginChunks, endChunks, forgetUnjoined, join } from './chunks.ts';
import type { Layout } from './layout.ts';
import { forgetOthers, readChunks, readLoaded } from './load-notes.ts';
import { type LoadContext, loadTable } from './loader.ts';
import { OpenLetters } from './open-letters.ts';
import { arbiter, type OrderedRow, sendOrdered } from './ordered.ts';
import { followedDatabase, noteOrigin } from './origins.ts';
import { loadRanks } from './references.ts';
import { refusedOf } from './refused.ts';
import { describeTargetError, ensureSchema } from './schema.ts';
import { Layouts, rowsOf, type Segment, segmentsOf } from './segments.ts';
import { type Failure, Session } from './session.ts';
import { SpareSessions } from './spare-sessions.ts';
import { keepStop } from './table-shapes.ts';

export interface PostgresSinkOptions {
  readonly connect: ConnectOptions;
  /** The replica's name: its rows in millrace.positions. */
  readonly consumer: string;
  /** The identity of a source's server, kept beside its position. */
  identityOf(part: string): SourceIdentity;
  /** The id of the project, kept in the target, once it is known. */
  projectId?(): string | undefined;
  readonly onBadRow: 'deadLetter' | 'stop';
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what the target does while it answers nothing for long; undefined when it has answered. */
  onSlow?(reason: string | undefined): void;
  /** The target refused a value in a way that it would if its type lagged behind the source's: brings types up to date, says whether it did anything. */
  followTypes?(): Promise<boolean>;
}

/** One of several sinks that share the work of another one, which keeps position and letters. */
export interface Lane {
  readonly fence: Fence;
  database(): string | undefined;
}

/** A label that an enum does not have, a composite with another number of attributes. No message of the stream tells that a type has changed. */
const oldTypeCodes: readonly string[] = ['22P02', '42804'];

/** `isolate`: as `safe`, row groups under savepoints, so that bad rows are found and left out. */
type Mode = ApplyMode | 'isolate';

export class PostgresSink implements TransactionalSink<TableStep> {
  readonly #options: PostgresSinkOptions;
  readonly #lane: Lane | undefined;
  readonly #fence: Fence;
  readonly #layouts: Layouts;
  readonly #letters = new OpenLetters();
  /** A load has written letters since they were read. */
  #newLetters = false;
  #session: Session | undefined;
  /** For loads. */
  readonly #beside: SpareSessions;
  #database: string | undefined;
  /** Sources that are noted for the replay of letters. */
  readonly #noted = new Set<string>();
  /** Steps of the next commit, and whether there is time to fold them: this one is sent and not answered. */
  #next: readonly TableStep[] | undefined;
  #waits = false;
  #prepared: { readonly steps: readonly TableStep[]; readonly segments: Segment[] } | undefined;
  /** A commit whose outcome is not known: the connection broke before its answer came. */
  #pending: { part: string; position: Position; epoch: bigint; committed: Committed } | undefined;

  constructor(options: PostgresSinkOptions, lane?: Lane) {
    this.#options = options;
    this.#lane = lane;
    this.#fence = lane?.fence ?? new Fence(options.consumer);
    this.#beside = new SpareSessions(() => Session.open({ ...options, idleTimeoutMs: 600_000 }), options.clock);
    this.#layouts = new Layouts(() => options.clock.monotonic());
  }

  async open(): Promise<readonly ConsumerPosition[]> {
    await this.close();
    this.#pending = undefined;
    try {
      this.#session = await Session.open(this.#options);
      await ensureSchema(this.#session.connection);
      const projectId = this.#options.projectId?.();
      if (projectId !== undefined) await recordProjectId(this.#session.connection, this.#options.consumer, projectId);
      const positions = await this.#fence.raise(this.#session, false);
      if (!this.#lane) await this.#fence.endLong(this.#session);
      await forgetUnjoined(this.#session, this.#options.consumer);
      this.#database = await followedDatabase(this.#session.connection);
      await this.#loadLetters(this.#session);
      return positions;
    } catch (error) {
      await this.close();
      throw describeTargetError(error, this.#where);
    }
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#layouts.clear();
    this.#beside.destroy();
    await session?.connection.close();
  }

  get database(): string | undefined {
    return this.#lane ? this.#lane.database() : this.#database;
  }

  protected get fence(): Fence {
    return this.#fence;
  }

  protected get openSession(): Session {
    assert(this.#session, 'the sink is not open');
    return this.#session;
  }

  /** What is known of the tables of steps, and which of them have open letters. */
  protected async lookAt(steps: readonly TableStep[]): Promise<{ layoutOf(write: TableWrite): Layout; hasLetters(table: TableName): boolean; readonly replicaRole: boolean }> {
    const session = await this.#ready();
    try {
      if (this.#newLetters) await this.#loadLetters(session);
      await this.#layouts.load(session, steps);
    } catch (error) {
      throw describeTargetError(error, this.#where);
    }
    const { replicaRole } = session;
    return { layoutOf: (write) => this.#layouts.get(write, replicaRole), hasLetters: (table) => this.#letters.has(table), replicaRole };
  }

  /** Others than this sink have written letters. */
  protected lettersChanged(): void {
    this.#newLetters = true;
  }

  /** The letters of what a lane writes are its own: tables that have any are not shared. */
  async #loadLetters(session: Session): Promise<void> {
    this.#newLetters = false;
    if (this.#lane) this.#letters.forgetAll();
    else await this.#letters.load(session, this.#options.consumer);
  }

  /** With what changes of a source are marked. `origin`: where they were before. */
  #originOf(part: string, origin?: Origin): Origin | undefined {
    const source = databaseId(this.#options.identityOf(part));
    return this.database === undefined || source === undefined ? undefined : [source, ...(origin === undefined ? [] : [origin])].join(' ');
  }

  get #where(): string {
    return displayTarget(this.#options.connect);
  }

  /** Folds the steps of the next commit while the server works on this one, if the tables that they write are known. */
  prepare(steps: readonly TableStep[]): void {
    this.#next = steps;
    if (this.#waits) this.#foldNext();
  }

  #foldNext(): void {
    const [session, steps] = [this.#session, this.#next];
    this.#next = undefined;
    if (!session || !steps || !this.#layouts.knows(steps)) return;
    const segments = segmentsOf(steps, this.#layouts, session.replicaRole);
    for (const { tables } of segments) tables.forEach(encodeAhead);
    this.#prepared = { steps, segments };
  }

  /** The segments of steps: those that were prepared, once, if their layouts still hold. */
  #segmentsOf(session: Session, steps: readonly TableStep[]): Segment[] {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    const holds = prepared?.steps === steps && prepared.segments.every(({ tables, ordered }) => [...tables, ...ordered].every(({ layout }) => this.#layouts.holds(layout)));
    return prepared && holds ? prepared.segments : segmentsOf(steps, this.#layouts, session.replicaRole);
  }

  async commit(part: string, position: Position, steps: readonly TableStep[], origin?: Origin): Promise<Committed> {
    const session = await this.#ready();
    const settled = this.#settlePending(part, position);
    if (settled) return settled;
    return this.#guarded(session, async () => {
      await this.#layouts.load(session, steps);
      for (let mode: Mode = 'fast'; ; ) {
        const outcome: Committed | Mode = await this.#attempt(session, part, position, steps, origin, mode);
        if (typeof outcome === 'object') return outcome;
        // Whatever failed: if a table is not as it was, that may be why, and the path that its rows take may be another one now.
        mode = (await this.#layouts.load(session, steps, 0)) ? 'fast' : outcome;
      }
    });
  }

  async commitPieces(part: string, pieces: () => AsyncIterable<Piece<TableStep>>): Promise<Committed> {
    const session = await this.#ready();
    this.#settlePending(part, undefined);
    return this.#guarded(session, async () => {
      for (let mode: Mode = 'fast'; ; ) {
        const outcome: Committed | Mode = await this.#attemptPieces(session, part, pieces(), mode);
        if (typeof outcome === 'object') return outcome;
        mode = outcome;
      }
    });
  }

  /** A commit, whatever it takes; a failure leaves nothing behind. */
  async #guarded(session: Session, work: () => Promise<Committed>): Promise<Committed> {
    try {
      if (this.#newLetters || this.#lane) await this.#loadLetters(session);
      return await work();
    } catch (error) {
      this.#layouts.clear();
      if (session.connection.closed) return await this.#afterBreak(error);
      await session.rollback().then(() => this.#loadLetters(session)).catch(() => undefined);
      throw describeTargetError(error, this.#where);
    }
  }

  /** Which way rows take depends on the indexes of their table. */
  tablesChanged(): void {
    this.#layouts.outdate();
  }

  /** What is remembered of the tables that were loaded for a source. */
  async tables(part: string): Promise<readonly LoadedTable[]> {
    return readLoaded(await this.#ready(), this.#options.consumer, part);
  }

  /** Notes that a table of a source is stopped (`keepStop`). */
  async stopTable(part: string, table: string, stop: TableStop): Promise<void> {
    await keepStop((await this.#ready()).connection, this.#options.consumer, part, table, stop);
  }

  /** Forgets the loads of a source's tables that are not among these: nobody follows their changes now, so that they are to be read anew later. */
  async forgetOthers(part: string, current: readonly { readonly source: string; readonly target: string }[]): Promise<void> {
    await forgetOthers(await this.#ready(), this.#options.consumer, part, current);
  }

  /** In which order tables are loaded; see loadRanks. */
  async loadRanks(tables: readonly TableName[]): Promise<ReadonlyMap<string, number>> {
    return loadRanks(await this.#ready(), this.#options.connect.user, tables);
  }

  async chunks(part: string, source: string, target: string): Promise<readonly LoadedChunk[]> {
    return readChunks(await this.#ready(), this.#options.consumer, part, source, target);
  }

  beginChunks(load: ChunkedLoad): Promise<readonly LoadedChunk[] | undefined> {
    return this.#besides((context) => beginChunks(context, load));
  }

  endChunks(load: ChunkedLoad, position: Position): Promise<void> {
    return this.#besides((context) => endChunks(context, load, position));
  }

  async join(part: string, position: Position, applied: Position): Promise<void> {
    const session = await this.#ready();
    await join(session, this.#fence, part, position, applied, this.#options.identityOf(part)).catch(async (error: unknown) => {
      // Whether it went through is seen by who opens the sink again and reads the positions.
      session.connection.destroy();
      throw describeTargetError(error, this.#where);
    });
  }

  /** Fills a table from a snapshot, or a chunk of it, in a session of its own. It may run beside commits and other loads. */
  async load(load: Load, signal: AbortSignal): Promise<Committed> {
    const loaded = await this.#besides((context) => loadTable(context, load, signal));
    this.#newLetters ||= loaded.deadLetters > 0;
    return loaded;
  }

  /** In a session of its own. */
  async #besides<T>(work: (context: LoadContext) => Promise<T>): Promise<T> {
    const { onBadRow, connect: { user } } = this.#options;
    try {
      return await this.#beside.use((session) => work({ session, fence: this.#fence, onBadRow, user, originOf: (part) => this.#originOf(part) }));
    } catch (error) {
      throw describeTargetError(error, this.#where);
    }
  }

  /** The session, made anew when it broke: then the fence is raised again, and the positions are read. */
  async #ready(): Promise<Session> {
    if (this.#session && !this.#session.connection.closed) return this.#session;
    try {
      const session = await Session.open(this.#options);
      this.#session = session;
      this.#layouts.clear();
      await this.#fence.raise(session, true, this.#pending);
      await this.#loadLetters(session);
      return session;
    } catch (error) {
      this.#session?.connection.destroy();
      throw describeTargetError(error, this.#where);
    }
  }

  /** After a break: whether the commit that was under way went through. */
  #settlePending(part: string, position: Position | undefined): Committed | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return undefined;
    if ((this.#fence.get(pending.part)?.epoch ?? 0n) !== pending.epoch) return undefined;
    if (pending.part === part && pending.position === position) return pending.committed;
    throw new MillraceError('TARGET_BUSY', 'an earlier commit went through although its connection broke', { where: this.#where, hint: 'open the sink again and go on from its positions' });
  }

  async #afterBreak(error: unknown): Promise<Committed> {
    const pending = this.#pending;
    if (pending) {
      await this.#ready();
      const committed = this.#settlePending(pending.part, pending.position);
      if (committed) return committed;
    }
    const cause = error instanceof PgError || error instanceof MillraceError ? error : undefined;
    throw new MillraceError('CONNECTION_LOST', cause?.message ?? 'the connection to the target broke', { where: this.#where, cause: error });
  }

  async #attempt(session: Session, part: string, position: Position, steps: readonly TableStep[], origin: Origin | undefined, mode: Mode): Promise<Committed | Mode> {
    const identity = this.#options.identityOf(part);
    const segments = this.#segmentsOf(session, steps);
    // What changes no row is not marked: whoever follows would have a transaction to pass over, and mark its own position in turn.
    this.#begin(session, part, steps.length === 0 ? undefined : this.#originOf(part, origin));
    crashPoint('apply.after-begin');
    this.#fence.advance(session, part, position, identity);
    let kept = 0;
    for (const segment of segments) {
      const outcome = await this.#sendSegment(session, segment, position, mode).catch((error: unknown) => session.causeOf(error));
      if (typeof outcome !== 'number') return this.#judge(session, steps, outcome, mode);
      kept += outcome;
    }
    return this.#finish(session, part, position, { rows: rowsOf(segments) - kept, deadLetters: kept }, steps, mode);
  }

  /**
   * As `attempt`, but the server's answer to each piece is awaited, which bounds the memory of both sides. The position is moved last, since
   * only then it is known; a successor who has taken over meanwhile makes that fail.
   */
  async #attemptPieces(session: Session, part: string, pieces: AsyncIterable<Piece<TableStep>>, mode: Mode): Promise<Committed | Mode> {
    let [rows, kept] = [0, 0];
    let end: Piece<TableStep> | undefined;
    for await (const piece of pieces) {
      if (!end) {
        this.#begin(session, part, this.#originOf(part, piece.origin));
        this.#fence.markLong(session);
      }
      const { steps, position } = (end = piece);
      await this.#layouts.load(session, steps);
      for (const segment of segmentsOf(steps, this.#layouts, session.replicaRole)) {
        const outcome = await this.#sendSegment(session, segment, position, mode).catch((error: unknown) => session.causeOf(error));
        if (typeof outcome !== 'number') return this.#judge(session, steps, outcome, mode);
        kept += outcome;
        rows += rowsOf([segment]) - outcome;
      }
      const failure = await session.settle();
      if (failure) return this.#judge(session, steps, failure, mode);
      crashPoint('apply.between-pieces');
    }
    if (!end) return { rows, deadLetters: kept };
    this.#fence.advance(session, part, end.position, this.#options.identityOf(part));
    return this.#finish(session, part, end.position, { rows, deadLetters: kept }, end.steps, mode);
  }

  #begin(session: Session, part: string, origin: Origin | undefined): void {
    session.begin(origin);
    const source = origin?.split(' ')[0];
    if (source === undefined || this.#lane || this.#noted.has(part)) return;
    this.#noted.add(part);
    noteOrigin(session, this.#options.consumer, part, source);
  }

  /** Sends COMMIT and finds out what became of it. */
  async #finish(session: Session, part: string, position: Position, committed: Committed, steps: readonly TableStep[], mode: Mode): Promise<Committed | Mode> {
    crashPoint('apply.before-commit');
    const outcome = session.commit();
    this.#pending = { part, position, epoch: (this.#fence.get(part)?.epoch ?? 0n) + 1n, committed };
    session.connection.flush();
    crashPoint('apply.after-commit-sent');
    // Only once all is sent: while this process folds, the server must not wait for it.
    await session.connection.drained();
    this.#waits = true;
    this.#foldNext();
    const failure = await session.settle().finally(() => (this.#waits = false));
    if (failure) return this.#judge(session, steps, failure, mode);
    const tag = await outcome;
    if (tag !== 'COMMIT') throw new MillraceError('SERVER_ERROR', `the server answered ${tag} to COMMIT`, { where: this.#where, retriable: true });
    this.#pending = undefined;
    crashPoint('apply.after-commit');
    this.#fence.advanced(part, position, this.#options.identityOf(part));
    return committed;
  }

  /** Sends a segment; a failure is returned only where a round trip was needed and has shown it. Otherwise: the number of letters that were written. */
  async #sendSegment(session: Session, segment: Segment, position: Position, mode: Mode): Promise<Failure | number> {
    let kept = 0;
    /** Changes that only go together, behind a group or as one of their own. */
    const keep = async (changes: readonly KeptChange[], error: Letter['error'], joins?: string): Promise<void> => {
      let root = joins;
      for (const change of changes) {
        const letter: Letter = { ...change, error, ...(root === undefined ? {} : { joins: root }) };
        if (this.#options.onBadRow === 'stop') throw rejected(this.#options.consumer, letter);
        const id = await writeLetter(session, this.#options.consumer, position, letter);
        this.#letters.add(id, letter);
        root ??= id;
        kept += 1;
      }
    };
    for (const table of segment.tables) {
      const { fold, layout } = table;
      const rest = await this.#letters.meetFold(session, table, keep);
      const entries = await notOlder(session, table, rest ?? [...Array(fold.count).keys()]);
      if (mode === 'isolate') {
        const allowed = entries.length < fold.count ? new Set(entries) : undefined;
        const units = unitsOf(table).filter((unit) => !allowed || unit.every((entry) => allowed.has(entry)));
        const refused = await isolate(session, table, units).catch((error: unknown) => {
          throw this.#ofTables([layout.address], error);
        });
        const changes = changesOf(table, refused.map((each) => each.entries));
        for (const [i, { error }] of refused.entries()) await keep(changes[i] as KeptChange[], error);
        continue;
      }
      const lost = entries.filter((entry) => fold.state[entry] === State.missing);
      const parts = incomplete(table, mode, entries);
      if (parts.length > 0) {
        const failure = await session.settle();
        if (failure) return failure;
        lost.push(...(await complete(session, table, parts)));
      }
      if (lost.length > 0) return { sent: { what: 'update', promise: Promise.resolve(), layout, entries: lost }, error: rowMissing(layout.address) };
      send(session, table, mode, entries);
      await session.connection.drained();
    }
    for (const row of await notOlderRows(session, segment.ordered)) await this.#sendRow(session, row, mode, keep);
    for (const change of segment.rejects) {
      // Whatever it would have become, it comes behind the letters of its key.
      const meeting = await this.#letters.meet(session, change.target, [change]);
      await keep([change], change.error, meeting && this.#letters.join(session, meeting));
    }
    if (segment.truncate) this.#letters.truncated(session, this.#options.consumer, segment.truncate.targets);
    if (segment.truncate) await emptyAsSource(session, this.#options.connect.user, segment.truncate);
    return kept;
  }

  /** Sends a row of the ordered path, or lets it join. */
  async #sendRow(session: Session, row: OrderedRow, mode: Mode, keep: (changes: readonly KeptChange[], error: Letter['error'], joins?: string) => Promise<void>): Promise<void> {
    const { layout } = row;
    const change = changeOf(row.write, row.row);
    const meeting = layout.key.length === 0 ? undefined : await this.#letters.meet(session, layout.target, [change], layout);
    if (meeting && !meeting.ending) return keep([change], rowMissing(layout.address), this.#letters.join(session, meeting));
    const clear = (): void => {
      if (!meeting?.ending) return;
      this.#letters.clear(session, layout, meeting.ending.gone);
      // A refused row may have left one under the key that a new one gets.
      const { key } = keysOf(change);
      const meetsRow = change.oldKey !== undefined || ((change.op === 'insert' || change.op === 'read') && !(layout.keyPlain && arbiter(layout)));
      if (key !== undefined && meetsRow && meeting.letters.names(key)) this.#letters.clear(session, layout, [key]);
    };
    if (mode !== 'isolate') {
      clear();
      sendOrdered(session, row);
    } else {
      const error = await tryOrdered(session, row, clear);
      if (error) return keep([change], error, meeting && this.#letters.join(session, meeting));
    }
    if (meeting) this.#letters.end(session, meeting);
  }

  /** Rolls back and says what to do next; throws what no other attempt can mend. */
  async #judge(session: Session, steps: readonly TableStep[], { sent, error }: Failure, mode: Mode): Promise<Mode> {
    if (session.connection.closed) throw error;
    this.#pending = undefined;
    await session.rollback();
    if (this.#letters.some) await this.#loadLetters(session);
    if (sent.what === 'fence' && isFenced(error)) throw fenced(this.#options.consumer);
    const refused = this.#ofTables(sent.layout ? [sent.layout.address] : sent.tables, error);
    if (mode === 'isolate') throw refused;
    if (error instanceof PgError && /^(42|0A)/.test(error.code) && (await this.#layouts.load(session, steps, 0))) return 'fast';
    if (error instanceof PgError && mode === 'fast' && ['23505', '23P01', '55000', '428C9', '21000'].includes(error.code)) return 'safe';
    if (error instanceof PgError && oldTypeCodes.includes(error.code) && (await this.#options.followTypes?.())) return mode;
    if (isRowError(error)) return 'isolate';
    throw refused;
  }

  #ofTables(tables: readonly string[] | undefined, error: unknown): unknown {
    return refusedOf(tables, error, this.#where, this.#options.connect.user);
  }
}
