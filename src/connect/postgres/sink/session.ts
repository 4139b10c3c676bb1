// A session at the target: its settings, its prepared statements, its temporary tables, and what was sent and is not answered yet.
import type { Logger } from '../../../base/index.ts';
import { type Origin, originPrefix } from '../../../data/index.ts';
import { type ConnectOptions, longLived, PgConnection, PgError, type Result } from '../../../wire/index.ts';
import type { Layout } from './layout.ts';
import { copyInto, stageColumns } from './statements.ts';

export interface SessionOptions {
  readonly connect: ConnectOptions;
  readonly logger: Logger;
  /** How long a transaction may wait for us, by default 60 s: a load waits for its source, anything else has lost its process. */
  readonly idleTimeoutMs?: number;
  /** Hears what the server does while it answers nothing for long; undefined when it has answered. */
  onSlow?(reason: string | undefined): void;
}

/** Fixed, so that no setting of a role or database changes what values mean or how rows are found. */
const settings = {
  search_path: '',
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  jit: 'off',
  lock_timeout: '30s',
  // Of a machine of ours that is gone no locks may stay, not even while something is on its way to it.
  tcp_user_timeout: '60s',
  // Staged rows are never analyzed, and target tables grow while plans are cached: rows are always found through the key's index.
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  plan_cache_mode: 'force_generic_plan',
};

/** Prepared statements that a session keeps: each takes some 10 kB of its server's memory, and there are a few for each table. */
const statementsMax = 3000;

/** Something that was sent: what it is for, and, where it concerns rows, which entries in which order. */
export interface Sent {
  readonly what: 'begin' | 'fence' | 'rows' | 'update' | 'letters' | 'other' | 'commit';
  readonly promise: Promise<unknown>;
  readonly layout?: Layout;
  /** Addresses of the tables that it is about, where no layout tells. */
  readonly tables?: readonly string[];
  readonly entries?: readonly number[];
}

export interface Failure {
  readonly sent: Sent;
  readonly error: Error | PgError;
}

export class Session {
  readonly connection: PgConnection;
  /** Whether foreign keys and triggers are off: session_replication_role = replica. */
  readonly replicaRole: boolean;
  /** SQL → name. */
  #names = new Map<string, string>();
  #stages = new Map<string, { name: string; rolledBack: boolean }[]>();
  #stageUses = new Map<string, number>();
  #newStages = new Set<string>();
  #stageCount = 0;
  #sent: Sent[] = [];

  private constructor(connection: PgConnection, replicaRole: boolean) {
    this.connection = connection;
    this.replicaRole = replicaRole;
  }

  static async open(options: SessionOptions): Promise<Session> {
    const connection = await PgConnection.connect(options.connect);
    connection.onSlow = (reason) => options.onSlow?.(reason);
    await connection.set({ ...longLived(connection.major), ...settings, idle_in_transaction_session_timeout: `${options.idleTimeoutMs ?? 60_000}ms` });
    const replicaRole = await connection.query('begin; set local session_replication_role = replica; commit').then(() => true, () => false);
    if (replicaRole) await connection.set({ session_replication_role: 'replica' });
    else await connection.query('rollback');
    if (!replicaRole) {
      options.logger.info('foreign keys and triggers stay on in the target, so tables that have them are written row by row', {
        next: `grant set on parameter session_replication_role to ${options.connect.user}`,
      });
    }
    return new Session(connection, replicaRole);
  }

  /** Notes what was sent; `settle` reports it. */
  track(sent: Sent): void {
    sent.promise.catch(() => undefined);
    this.#sent.push(sent);
  }

  /** Simple protocol, for who needs the answer. */
  query(what: Sent['what'], sql: string): Promise<readonly Result[]> {
    const promise = this.connection.query(sql);
    this.track({ what, promise });
    return promise;
  }

  /** Simple protocol; the outcome is found by `settle`. */
  tell(what: Sent['what'], sql: string, tables?: readonly string[]): void {
    this.track({ what, promise: this.connection.query(sql), ...(tables ? { tables } : {}) });
  }

  /** A prepared statement; parsed the first time. Parameters are binary when `types` are given, else text. */
  execute(sql: string, params: readonly (Buffer | null)[], types?: readonly number[]): Promise<Result> {
    const name = this.#names.get(sql) ?? (this.#names.size < statementsMax ? `m${this.#names.size}` : this.#freeName());
    // The one that was used last comes last.
    this.#names.delete(sql);
    this.#names.set(sql, name);
    return this.connection.execute(name, sql, params, { sync: false, ...(types ? { binary: true, types } : { binary: false }) });
  }

  /** The name of the statement that has not been used for longest. */
  #freeName(): string {
    const [[sql, name]] = this.#names as unknown as [[string, string]];
    this.#names.delete(sql);
    return name;
  }

  /** COPY … FROM STDIN: `write` hands over the chunks. */
  copy(sql: string, write: (emit: (chunk: Buffer) => void) => void): Promise<number> {
    const copy = this.connection.startCopyIn(sql);
    write((chunk) => copy.write(chunk));
    return copy.done();
  }

  #word(word: 'begin' | 'commit'): Promise<Result> {
    return this.connection.execute(word, word, [], { binary: false, sync: false });
  }

  /** Resolves with the command tag. */
  commit(): Promise<string> {
    const promise = this.connection.pooled ? this.connection.query('commit').then((results) => results[0]?.tag ?? '') : this.#word('commit').then(({ tag }) => tag);
    this.track({ what: 'commit', promise });
    return promise;
  }

  /** Waits for everything that was sent and returns the first failure. */
  async settle(): Promise<Failure | undefined> {
    const sent = this.#sent;
    this.#sent = [];
    const outcomes = await Promise.allSettled(sent.map(({ promise }) => promise));
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') return { sent: sent[i] as Sent, error: outcome.reason as Error };
    }
    return undefined;
  }

  /** Of an error that only tells that the transaction has failed already: what has failed in it. Throws any other one. */
  async causeOf(error: unknown): Promise<Failure> {
    const failure = error instanceof PgError && error.code === '25P02' ? await this.settle() : undefined;
    if (failure) return failure;
    throw error;
  }

  /** Copies rows into an empty temporary table with the layout's columns, or keys that are numbered (`n`), and returns its name. */
  stage(layout: Layout, columns: readonly string[], write: (emit: (chunk: Buffer) => void) => void, sent: Omit<Sent, 'promise'>): string {
    const shape = stageColumns(layout, columns[0] === 'n');
    const names = this.#stages.get(shape) ?? [];
    this.#stages.set(shape, names);
    const use = this.#stageUses.get(shape) ?? 0;
    this.#stageUses.set(shape, use + 1);
    let name = names[use]?.name;
    if (!name) {
      name = `pg_temp.millrace_${this.#stageCount++}`;
      names[use] = { name, rolledBack: false };
      this.#newStages.add(shape);
      // ON COMMIT DELETE ROWS truncates in place, which costs less than TRUNCATE or DELETE.
      this.tell('other', `create temp table ${name.slice('pg_temp.'.length)} (${shape}) on commit ${this.connection.pooled ? 'drop' : 'delete rows'}`);
    }
    this.track({ ...sent, promise: this.copy(copyInto(name, columns), write) });
    return name;
  }

  /** @param origin Marks the transaction, for who follows this database. */
  begin(origin?: Origin): void {
    if (this.connection.pooled) this.#stages.clear();
    this.#stageUses.clear();
    this.#newStages.clear();
    if (this.connection.pooled) this.tell('begin', 'begin');
    else this.track({ what: 'begin', promise: this.#word('begin') });
    if (origin !== undefined) {
      this.track({ what: 'other', promise: this.execute('select pg_catalog.pg_logical_emit_message(true, $1, $2)', [Buffer.from(originPrefix), Buffer.from(origin)], [25, 25]) });
    }
  }

  /** A rollback, also one to a savepoint, takes back the temporary tables that were made in the transaction. */
  rolledBack(): void {
    for (const shape of this.#newStages) this.#stages.delete(shape);
    this.#newStages.clear();
    this.#stageUses.clear();
  }

  async rollback(): Promise<void> {
    this.rolledBack();
    this.#sent = [];
    await this.connection.query('rollback');
  }
}
