// A connection to PostgreSQL that pipelines: every call writes at once and returns a promise; answers are matched in order. It speaks the
// simple and the extended protocol, COPY in both directions and COPY BOTH (replication). Protocol 3.0, after PostgreSQL's documentation,
// chapters "Frontend/Backend Protocol".
//
// Errors: a statement that fails rejects with PgError; statements behind it go on (inside a transaction block they fail with 25P02), unless
// they share a Sync with it.
// A broken connection rejects everything that is outstanding with MillraceError CONNECTION_LOST; one whose server no longer answers
// is given up (watch.ts).
import type { Socket } from 'node:net';
import { ByteReader, ByteWriter, MillraceError } from '../../base/index.ts';
import { Authentication } from './auth.ts';
import { describeRefusal, PgError, readErrorFields } from './errors.ts';
import { MessageReader } from './framing.ts';
import { code, M, type Request, type Result, StatementRequest, syncRequest } from './request.ts';
import { SessionSettings } from './session-settings.ts';
import { type OpenSocket, openSocket } from './socket.ts';
import { type ConnectOptions, displayTarget } from './url.ts';
import { watch } from './watch.ts';

/** The number of rows in a command tag. */
export const tagCount = (tag: string): number => Number(/(\d+)$/.exec(tag)?.[1] ?? 0);

/** As much goes out at once, whether the turn is over or not. */
const flushBytes = 1 << 16;
/** A COPY … TO STDOUT is read ahead about as far. */
const copyOutBytes = 1 << 20;

export interface ExecuteOptions {
  readonly binary: boolean;
  readonly types?: readonly number[];
  readonly sync?: boolean;
}

export interface CopyIn {
  write(bytes: Buffer): void;
  ready(): Promise<void>;
  done(): Promise<number>;
}

export interface CopyBoth {
  /** Sends one CopyData message. */
  write(bytes: Buffer): void;
  /** Stops and resumes reading from the socket: backpressure. */
  pause(): void;
  resume(): void;
  /** Resolves when the server ends the stream, rejects when it fails or the connection breaks. */
  readonly ended: Promise<void>;
}

export class PgConnection {
  readonly options: ConnectOptions;
  /** The server's reported settings, e.g. server_version. */
  readonly parameters = new Map<string, string>();
  pid = 0;
  /** Bytes received so far. */
  bytesIn = 0;
  /** Hears what the server does while it answers nothing for long; undefined when it has answered. */
  onSlow: ((reason: string | undefined) => void) | undefined;

  readonly #socket: Socket;
  readonly #out = new ByteWriter(4096);
  readonly #requests: Request[] = [];
  #flushing = false;
  /** A statement was sent that no Sync follows yet. */
  #unsynced = false;
  #restMs: (() => number) | undefined;
  #paused = false;
  #resting: NodeJS.Timeout | undefined;
  #broken: MillraceError | undefined;
  /** Name → SQL. */
  readonly #prepared = new Map<string, string>();
  readonly #settings = new SessionSettings();

  private constructor({ socket, receive }: OpenSocket, options: ConnectOptions) {
    this.#socket = socket;
    this.options = options;
    const reader = new MessageReader((type, bytes, from, to) => this.#message(type, bytes, from, to));
    receive((bytes, size) => {
      this.bytesIn += size;
      try {
        reader.feed(bytes, size);
        if (this.#restMs && size < bytes.length) this.#rest(this.#restMs());
      } catch (error) {
        this.#break(error instanceof MillraceError ? error : new MillraceError('PROTOCOL_VIOLATION', String(error), { where: this.where, cause: error }));
      }
    });
    socket.on('error', (error) => this.#break(new MillraceError('CONNECTION_LOST', error.message, { where: this.where, cause: error })));
    socket.on('close', () => this.#break(new MillraceError('CONNECTION_LOST', 'the server closed the connection', { where: this.where })));
  }

  /** Connects and authenticates. `settings` are sent with the startup message (replication: 'database' makes a replication connection). */
  static async connect(options: ConnectOptions, settings: Readonly<Record<string, string>> = {}): Promise<PgConnection> {
    const connection = await PgConnection.#open(options, settings);
    watch(connection, () => PgConnection.#open(options, {}));
    return connection;
  }

  static async #open(options: ConnectOptions, settings: Readonly<Record<string, string>>): Promise<PgConnection> {
    const { password } = options;
    if (typeof password !== 'object') return PgConnection.#openWith(options, password, settings);
    const value = await password.read();
    return PgConnection.#openWith(options, value, settings).catch(async (error: unknown) => {
      const again = error instanceof MillraceError && error.code === 'AUTH_FAILED' ? await password.read(value) : value;
      if (again === value) throw error;
      return PgConnection.#openWith(options, again, settings);
    });
  }

  static async #openWith(options: ConnectOptions, password: string | undefined, settings: Readonly<Record<string, string>>): Promise<PgConnection> {
    const connection = new PgConnection(await openSocket(options), options);
    try {
      await connection.#startup(password, settings);
    } catch (error) {
      connection.destroy();
      if (error instanceof PgError && error.code === '08P01' && settings['replication'] !== undefined && error.message.includes('replication')) {
        throw new MillraceError('CONNECT_FAILED', 'a connection pooler stands before the server, and passes no replication on', {
          where: connection.where, detail: error.message, hint: 'name the server itself in the URL of the source', retriable: false,
        });
      }
      throw describeRefusal(error, connection.where, options);
    }
    return connection;
  }

  get where(): string {
    return displayTarget(this.options);
  }

  get awaitsAnswer(): boolean {
    return this.#requests.length > 0;
  }

  get closed(): boolean {
    return this.#broken !== undefined;
  }

  /** Major version of the server, e.g. 18. */
  get major(): number {
    return Number.parseInt(this.parameters.get('server_version') ?? '0', 10);
  }

  /**
   * Settings that hold for what runs on this connection from now on. Behind a pooler that gives every transaction another session of the server
   * they are set in each transaction anew, and no session keeps them.
   */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    if (this.#settings.pooled === undefined) {
      const [row] = (await this.query('select pg_catalog.pg_backend_pid()'))[0]?.rows ?? [];
      this.#settings.pooled = Number(row?.[0]?.toString()) !== this.pid;
    }
    const sql = this.#settings.add(settings);
    if (sql !== '') await this.query(sql);
  }

  /** Whether a pooler stands before the server, so that nothing of a session outlives a transaction. Known once `set` was called. */
  get pooled(): boolean {
    return this.#settings.pooled === true;
  }

  /** Runs SQL by the simple protocol; several statements separated by `;` give several results. */
  async query(sql: string): Promise<readonly Result[]> {
    const { text, extra } = this.#settings.around(sql);
    const results = await this.#query(text);
    return extra === 0 ? results : results.slice(extra);
  }

  #query(sql: string): Promise<readonly Result[]> {
    this.#sync();
    return new Promise((resolve, reject) => {
      this.#send(new StatementRequest(resolve, reject));
      this.#frame('Q', (out) => out.cstring(sql));
    });
  }

  /** Rows of one statement as objects of text values, with text parameters $1, $2, … (types inferred by the server). */
  async rows<T extends Record<string, string | null>>(sql: string, params: readonly (string | null)[] = []): Promise<T[]> {
    const result = await this.execute('', sql, params.map((value) => (value === null ? null : Buffer.from(value))), { binary: false });
    return result.rows.map((row) => Object.fromEntries(result.columns.map((name, i) => [name, row[i] === null ? null : (row[i] as Buffer).toString()]))) as T[];
  }

  /**
   * Runs one statement by the extended protocol. A named statement is parsed only the first time, and when its name gets another one. Parameters are in binary form when `binary`
   * is set (then `types`, their OIDs, should be given), results always in text form. With `sync: false` the server is not asked to answer before
   * it is asked so by what follows, or this turn ends; when it fails, those that follow up to there fail too, without being tried.
   */
  execute(name: string, sql: string, params: readonly (Buffer | null)[], options: ExecuteOptions = { binary: true }): Promise<Result> {
    if (!this.pooled) return this.#execute(name, sql, params, options);
    if (!this.#settings.mustBegin) return this.#execute('', sql, params, options);
    const begun = this.query('begin');
    const outcome = this.#execute('', sql, params, options);
    return Promise.allSettled([begun, outcome, this.query('commit')]).then(() => outcome);
  }

  #execute(name: string, sql: string, params: readonly (Buffer | null)[], options: ExecuteOptions): Promise<Result> {
    const syncs = options.sync ?? true;
    return new Promise((resolve, reject) => {
      this.#send(
        new StatementRequest(
          (results) => resolve(results[0] ?? { tag: '', columns: [], rows: [] }),
          (error) => {
            this.#prepared.delete(name);
            reject(error);
          },
          syncs,
        ),
      );
      if (name === '' || this.#prepared.get(name) !== sql) {
        if (name !== '') this.#frame('C', (out) => out.u8(code('S')).cstring(name));
        this.#frame('P', (out) => {
          out.cstring(name).cstring(sql).i16(options.types?.length ?? 0);
          for (const oid of options.types ?? []) out.u32(oid);
        });
        this.#prepared.set(name, sql);
      }
      this.#frame('B', (out) => {
        out.cstring('').cstring(name).i16(1).i16(options.binary ? 1 : 0).i16(params.length);
        for (const value of params) {
          if (value === null) out.i32(-1);
          else out.i32(value.length).bytes(value);
        }
        out.i16(0);
      });
      this.#frame('D', (out) => out.u8(code('P')).cstring(''));
      this.#frame('E', (out) => out.cstring('').i32(0));
      if (syncs) this.#frame('S', () => undefined);
      this.#unsynced = !syncs;
    });
  }

  /** Asks the server to answer what was sent. */
  #sync(): void {
    if (!this.#unsynced) return;
    this.#unsynced = false;
    this.#send(syncRequest);
    this.#frame('S', () => undefined);
  }

  /**
   * COPY … FROM STDIN with everything that is to be sent, without waiting for the server's go-ahead (it drops the data if the COPY is refused).
   * Chunks are written as they are; each becomes one CopyData message. Resolves with the number of rows.
   */
  copyIn(sql: string, chunks: Iterable<Buffer>): Promise<number> {
    const copy = this.startCopyIn(sql);
    for (const chunk of chunks) copy.write(chunk);
    return copy.done();
  }

  /** COPY … FROM STDIN in pieces. Nothing else may be sent on this connection before `done`. Await `ready()` between big writes. */
  startCopyIn(sql: string): CopyIn {
    const outcome = this.query(sql);
    outcome.catch(() => undefined); // reported by done()
    return {
      write: (bytes) => {
        this.#out.u8(M.copyData).i32(bytes.length + 4);
        if (bytes.length < 4096) this.#out.bytes(bytes);
        else {
          this.flush();
          this.#socket.write(bytes);
        }
        if (this.#out.length > flushBytes) this.flush();
        else this.#flushSoon();
      },
      ready: () => this.drained(),
      done: async () => {
        this.#frame('c', () => undefined);
        return tagCount((await outcome).at(-1)?.tag ?? '');
      },
    };
  }

  /** COPY … TO STDOUT: the CopyData bodies, with backpressure. Ending the loop early breaks the connection. */
  async *copyOut(sql: string): AsyncGenerator<Buffer, void, undefined> {
    const queue = new ByteWriter(1 << 16);
    let state = 'running' as 'running' | 'done';
    let failure: Error | undefined;
    let wake: (() => void) | undefined;
    const end = (error?: Error): void => {
      state = 'done';
      failure = error;
      wake?.();
    };
    const statement = new StatementRequest(() => end(), end);
    statement.copyData = (bytes, from, to) => {
      queue.bytes(bytes, from, to);
      if (queue.length > copyOutBytes) this.#pause();
      wake?.();
    };
    this.#sync();
    this.#send(statement);
    this.#frame('Q', (out) => out.cstring(sql));
    try {
      for (;;) {
        while (queue.length > 0) {
          const batch = queue.take();
          this.#resume();
          yield batch;
        }
        if (state === 'done') break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      if (state === 'running') this.destroy();
    }
    if (failure) throw failure;
  }

  /**
   * Starts a replication stream; `onData` gets each CopyData body, in `bytes` from `from` to `to`, which hold during the call only. `restMs` is
   * asked when all that was there has been read: for how long nothing is read now. What arrives meanwhile waits in the socket's buffer. Resolves
   * once the server has switched to COPY BOTH.
   */
  copyBoth(sql: string, onData: (bytes: Buffer, from: number, to: number) => void, restMs: () => number = () => 0): Promise<CopyBoth> {
    return new Promise((resolve, reject) => {
      let started = false;
      let finish: () => void;
      let fail: (error: Error) => void;
      const ended = new Promise<void>((ok, bad) => ([finish, fail] = [ok, bad]));
      ended.catch(() => undefined);
      const statement = new StatementRequest(() => finish(), (error) => (started ? fail(error) : reject(error)));
      statement.copyData = onData;
      statement.onCopyBoth = () => {
        started = true;
        this.#restMs = restMs;
        resolve({
          write: (bytes) => this.#frame('d', (out) => out.bytes(bytes)),
          pause: () => this.#pause(),
          resume: () => this.#resume(),
          ended,
        });
      };
      this.#send(statement);
      this.#frame('Q', (out) => out.cstring(sql));
    });
  }

  /** Sends what is buffered now; otherwise it goes out when this turn of the event loop is over, in one write. */
  flush(): void {
    this.#sync();
    this.#flushing = false;
    if (this.#out.length > 0 && !this.#broken) this.#socket.write(this.#out.take());
  }

  /** Resolves when the socket's own buffer is no longer full. */
  async drained(): Promise<void> {
    if (this.#out.length > flushBytes) this.flush();
    while (this.#socket.writableNeedDrain && !this.#broken) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#socket.off('drain', done);
          this.#socket.off('close', done);
          resolve();
        };
        this.#socket.once('drain', done);
        this.#socket.once('close', done);
      });
    }
  }

  /** Ends the session politely. */
  async close(): Promise<void> {
    if (this.#broken) return;
    const gone = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#frame('X', () => undefined);
    this.flush();
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), 1000);
    await gone;
    clearTimeout(timer);
  }

  /** Ends the session at once; outstanding statements reject. */
  destroy(why = new MillraceError('CONNECTION_LOST', 'the connection was closed', { where: this.where })): void {
    this.#break(why);
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    this.#paused = false;
    if (!this.#resting) this.#socket.resume();
  }

  #rest(ms: number): void {
    if (ms === 0) return;
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      if (!this.#paused) this.#socket.resume();
    }, ms);
    this.#socket.pause();
  }

  #send(request: Request): void {
    if (this.#broken) request.fail(this.#broken);
    else this.#requests.push(request);
  }

  #frame(type: string, body: (out: ByteWriter) => unknown): void {
    const start = this.#out.length;
    this.#out.u8(code(type)).i32(0);
    body(this.#out);
    this.#out.patchI32(start + 1, this.#out.length - start - 1);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.flush());
  }

  #message(type: number, bytes: Buffer, from: number, to: number): void {
    if (this.#broken) return;
    if (type === M.copyData) {
      this.#requests[0]?.copyData?.(bytes, from, to);
      return;
    }
    const body = bytes.subarray(from, to);
    if (type === M.parameterStatus) {
      const reader = new ByteReader(body);
      this.parameters.set(reader.cstring(), reader.cstring());
    } else if (type === M.notice || type === M.notification) return;
    else if (type === M.keyData) this.pid = body.readInt32BE(0);
    else if (type === M.ready) this.#requests.shift()?.done();
    else if (type === M.error && this.#requests.length === 0) {
      const error = new PgError(readErrorFields(body));
      this.#break(new MillraceError('CONNECTION_LOST', error.message, { where: this.where, cause: error }));
    } else this.#answer(type, body);
  }

  #answer(type: number, body: Buffer): void {
    const [request] = this.#requests;
    request?.message(type, body);
    if (!request || request.syncs || (type !== M.complete && type !== M.empty && type !== M.error)) return;
    this.#requests.shift();
    request.done();
    if (type !== M.error) return;
    // These the server passes over.
    const skipped = new PgError(new Map([['C', '25P02'], ['M', 'an earlier statement has failed']]));
    while (this.#requests[0]?.syncs === false) this.#requests.shift()?.fail(skipped);
    this.#requests[0]?.skipped?.(skipped);
  }

  #break(error: MillraceError): void {
    if (this.#broken) return;
    this.#broken = error;
    clearTimeout(this.#resting);
    this.#socket.destroy();
    for (const request of this.#requests.splice(0)) request.fail(error);
  }

  async #startup(password: string | undefined, settings: Readonly<Record<string, string>>): Promise<void> {
    const { user, database } = this.options;
    const all = { user, database, client_encoding: 'UTF8', ...this.options.settings, ...settings };
    const authentication = new Authentication(user, password, this.where);
    const authenticate = async (body: Buffer): Promise<void> => {
      const answer = await authentication.answer(body);
      if (answer) this.#frame('p', (out) => out.bytes(answer));
    };
    const timer = setTimeout(
      () => this.#break(new MillraceError('CONNECT_FAILED', 'the server did not finish the start of the session in time', { where: this.where })),
      this.options.connectTimeoutMs,
    );
    try {
      await new Promise<void>((resolve, reject) => {
        this.#send({
          syncs: true,
          message: (type, body) => {
            if (type === M.error) reject(new PgError(readErrorFields(body)));
            else if (type === M.authentication) authenticate(body).catch(reject);
            else if (type !== M.negotiate) reject(new MillraceError('PROTOCOL_VIOLATION', `unexpected message ${type} at the start`, { where: this.where }));
          },
          done: resolve,
          fail: reject,
        });
        const start = this.#out.length;
        this.#out.i32(0).i32(196608);
        for (const [name, value] of Object.entries(all)) this.#out.cstring(name).cstring(value);
        this.#out.u8(0);
        this.#out.patchI32(start, this.#out.length - start);
        this.#flushSoon();
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
