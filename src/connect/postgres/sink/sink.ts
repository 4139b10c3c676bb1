// The exactly-once sink: rows and position of an epoch commit in one fenced transaction, sent in one pipelined flush where that is possible.
import { crashPoint, type Clock, type Logger, MillraceError } from '../../../base/index.ts';
import { type Position, quoteTable, type SourceIdentity } from '../../../data/index.ts';
import type { Committed, ConsumerPosition, TableStep, TableTruncate, TransactionalSink } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, isTransient, PgError, type Result } from '../../../wire/index.ts';
import { complete, incomplete, type Mode, send, type Table } from './apply.ts';
import { Fence, fenced, isFenced } from './fence.ts';
import { State } from './fold.ts';
import { sendOrdered } from './ordered.ts';
import { ensureSchema } from './schema.ts';
import { Layouts, type Segment, segmentsOf, targetsOf } from './segments.ts';
import { type Failure, Session, type SessionOptions } from './session.ts';

export interface PostgresSinkOptions {
  readonly connect: ConnectOptions;
  /** The replica's name: its rows in millrace.positions. */
  readonly consumer: string;
  /** The identity of a source's server, kept beside its position. */
  identityOf(part: string): SourceIdentity;
  readonly onBadRow: 'deadLetter' | 'stop';
  readonly clock: Clock;
  readonly logger: Logger;
  readonly synchronousCommit?: SessionOptions['synchronousCommit'];
  readonly lockTimeoutMs?: number;
}

/** What stands between a failed attempt and the next one. */
type Verdict = 'safe' | 'isolate';

export class PostgresSink implements TransactionalSink<TableStep> {
  readonly #options: PostgresSinkOptions;
  readonly #fence: Fence;
  readonly #layouts = new Layouts();
  #session: Session | undefined;
  /** A commit whose outcome is not known: the connection broke before its answer came. */
  #pending: { part: string; position: Position; epoch: bigint; committed: Committed } | undefined;

  constructor(options: PostgresSinkOptions) {
    this.#options = options;
    this.#fence = new Fence(options.consumer);
  }

  async open(): Promise<readonly ConsumerPosition[]> {
    await this.close();
    this.#pending = undefined;
    try {
      this.#session = await Session.open(this.#options);
      await ensureSchema(this.#session.connection);
      return await this.#fence.raise(this.#session, false);
    } catch (error) {
      await this.close();
      throw describePgError(error, this.#where);
    }
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#layouts.clear();
    await session?.connection.close();
  }

  get #where(): string {
    const { user, host, port, database } = this.#options.connect;
    return `${user}@${host}:${port}/${database}`;
  }

  async commit(part: string, position: Position, steps: readonly TableStep[]): Promise<Committed> {
    const session = await this.#ready();
    const settled = this.#settlePending(part, position);
    if (settled) return settled;
    try {
      await this.#layouts.load(session, targetsOf(steps));
      const verdict = await this.#attempt(session, part, position, steps, 'fast');
      if (typeof verdict === 'object') return verdict;
      if (verdict === 'safe') {
        const again = await this.#attempt(session, part, position, steps, 'safe');
        if (typeof again === 'object') return again;
      }
      throw new MillraceError('ROW_REJECTED', 'a row was refused');
    } catch (error) {
      this.#layouts.clear();
      if (session.connection.closed) return await this.#afterBreak(part, position, error);
      await session.rollback().catch(() => undefined);
      throw describePgError(error, this.#where);
    }
  }

  /** The session, made anew when it broke: then the fence is raised again, and the positions are read. */
  async #ready(): Promise<Session> {
    if (this.#session && !this.#session.connection.closed) return this.#session;
    try {
      const session = await Session.open(this.#options);
      this.#session = session;
      this.#layouts.clear();
      await this.#fence.raise(session, true);
      return session;
    } catch (error) {
      this.#session?.connection.destroy();
      throw describePgError(error, this.#where);
    }
  }

  /** After a break: whether the commit that was under way went through. */
  #settlePending(part: string, position: Position): Committed | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return undefined;
    if ((this.#fence.get(pending.part)?.epoch ?? 0n) !== pending.epoch) return undefined;
    if (pending.part === part && pending.position === position) return pending.committed;
    throw new MillraceError('TARGET_BUSY', 'an earlier commit went through although its connection broke', { where: this.#where, hint: 'open the sink again and go on from its positions' });
  }

  async #afterBreak(part: string, position: Position, error: unknown): Promise<Committed> {
    if (this.#pending) {
      await this.#ready();
      const committed = this.#settlePending(part, position);
      if (committed) return committed;
    }
    const cause = error instanceof PgError || error instanceof MillraceError ? error : undefined;
    throw new MillraceError('CONNECTION_LOST', cause?.message ?? 'the connection to the target broke', { where: this.#where, cause: error });
  }

  async #attempt(session: Session, part: string, position: Position, steps: readonly TableStep[], mode: Mode): Promise<Committed | Verdict> {
    const identity = this.#options.identityOf(part);
    const segments = segmentsOf(steps, this.#layouts, session.replicaRole);
    session.begin();
    crashPoint('apply.after-begin');
    this.#fence.advance(session, part, position, identity);
    for (const segment of segments) {
      const failure = await this.#sendSegment(session, segment, mode);
      if (failure) return this.#judge(session, failure, mode);
    }
    crashPoint('apply.before-commit');
    const committed: Committed = { rows: rowsOf(segments), deadLetters: 0 };
    const outcome = session.query('commit', 'commit');
    this.#pending = { part, position, epoch: (this.#fence.get(part)?.epoch ?? 0n) + 1n, committed };
    session.connection.flush();
    crashPoint('apply.after-commit-sent');
    const failure = await session.settle();
    if (failure) return this.#judge(session, failure, mode);
    const tag = (await outcome)[0]?.tag;
    if (tag !== 'COMMIT') throw new MillraceError('SERVER_ERROR', `the server answered ${tag} to COMMIT`, { where: this.#where, retriable: true });
    this.#pending = undefined;
    crashPoint('apply.after-commit');
    this.#fence.advanced(part, position, identity);
    return committed;
  }

  /** Sends a segment; a failure is returned only where a round trip was needed and has shown it. */
  async #sendSegment(session: Session, segment: Segment, mode: Mode): Promise<Failure | undefined> {
    for (const table of segment.tables) {
      const entries = [...Array(table.fold.count).keys()];
      const missing = entries.find((entry) => table.fold.state[entry] === State.missing);
      const parts = incomplete(table, mode, entries);
      if (parts.length > 0) {
        const failure = await session.settle();
        if (failure) return failure;
        const lost = await complete(session, table, parts);
        if (lost.length > 0) return rowMissing(table, lost);
      }
      if (missing !== undefined) return rowMissing(table, [missing]);
      send(session, table, mode, entries);
      await session.connection.drained();
    }
    for (const row of segment.ordered) sendOrdered(session, row);
    if (segment.truncate) sendTruncate(session, segment.truncate);
    return undefined;
  }

  /** Rolls back and says what to do next; throws what no other attempt can mend. */
  async #judge(session: Session, { sent, error }: Failure, mode: Mode): Promise<Verdict> {
    if (session.connection.closed) throw error;
    this.#pending = undefined;
    await session.rollback();
    if (sent.what === 'fence' && isFenced(error)) throw fenced(this.#options.consumer);
    if (error instanceof MillraceError) {
      if (error.code === 'ROW_MISSING') return 'isolate';
      throw error;
    }
    if (!(error instanceof PgError) || isTransient(error)) throw error;
    if (mode === 'fast' && ['23505', '23P01', '55000', '428C9', '21000'].includes(error.code)) return 'safe';
    if (isRowError(error)) return 'isolate';
    throw error;
  }
}

/** Errors that are about a row's values, so that leaving the row out helps. */
export const isRowError = (error: PgError): boolean => /^(22|23|54)/.test(error.code) || error.code === 'P0001';

function rowMissing({ layout }: Table, entries: readonly number[]): Failure {
  const error = new MillraceError('ROW_MISSING', `an update of ${layout.address} carries only a part of its row, and the row is not there`);
  return { sent: { what: 'update', promise: Promise.resolve(), layout, entries }, error };
}

function sendTruncate(session: Session, { targets, cascade, restartIdentity }: TableTruncate): Promise<readonly Result[]> {
  return session.query('rows', `truncate ${targets.map(quoteTable).join(', ')}${restartIdentity ? ' restart identity' : ''}${cascade ? ' cascade' : ''}`);
}

const rowsOf = (segments: readonly Segment[]): number =>
  segments.reduce((sum, { tables, ordered }) => sum + ordered.length + tables.reduce((rows, { fold }) => rows + fold.changes, 0), 0);

export const createPostgresSink = (options: PostgresSinkOptions): PostgresSink => new PostgresSink(options);
