// The replication stream: START_REPLICATION, messages into runs, keepalives, acknowledgements.
import { type Clock, crashPoint, type Logger, MillraceError, readI64 } from '../../../base/index.ts';
import { PgoutputDecoder, type RelationMessage } from '../../../codec/index.ts';
import { asLsn, formatLsn, type Lsn, type Position, quoteIdent, quoteLiteral, RunBuilder, type Relation } from '../../../data/index.ts';
import type { RunSink } from '../../../flow/index.ts';
import { type CopyBoth, longLived, type PgConnection } from '../../../wire/index.ts';
import { type Committed, InProgress, type SpillOptions } from './in-progress.ts';
import { Pace } from './pace.ts';

const XLOG_DATA = 'w'.charCodeAt(0);
const KEEPALIVE = 'k'.charCodeAt(0);
const statusEveryMs = 1000;
/** Every status asks for an answer. A server that gives none for so long is away, though nothing has closed the connection. */
const silenceMsMax = 60_000;
/** Microseconds from 1970 to 2000, where PostgreSQL's times begin. */
const epoch2000Us = 946_684_800_000_000n;
/** A run ends at about this size, or when it has waited for more: as long as `lingerMs` says. */
const runBytesMax = 1 << 20;
/** Runs follow each other no faster than this, so that small transactions share the costs of a run. */
const runEveryMs = 1;
const lingerMsMax = 20;
/** How often the position moves on without transactions, and how soon after some the server is asked for it. */
const idleEveryMs = 20;
const askAfterMs = 50;

/** Changes that are late already may become a little later, in larger runs: by a tenth of their age. */
const lingerMs = (ageMs: number): number => Math.min(lingerMsMax, ageMs / 10);

export interface StreamOptions {
  readonly slot: string;
  readonly publication: string;
  readonly from: Position;
  readonly binary: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The relation of a message, at once if its shape is known, else from the catalog. `xid`: of the transaction that it is in, which has committed. */
  relation(message: RelationMessage, xid: number | undefined): Relation | Promise<Relation>;
  /** What may be forgotten by the server. */
  acknowledged(): Position;
  /** Where transactions in progress are kept. */
  readonly spill: SpillOptions;
  /** Hears now and then how many bytes of transactions in progress are kept. */
  onSpilled(bytes: number): void;
}

/** Runs until the signal aborts (returns) or the connection breaks (throws). The connection is used up afterwards. */
export async function followStream(connection: PgConnection, options: StreamOptions, sink: RunSink, signal: AbortSignal): Promise<void> {
  const stream = new Stream(options, sink, connection.where);
  const sql = `START_REPLICATION SLOT ${quoteIdent(options.slot)} LOGICAL ${formatLsn(options.from)} (proto_version '2', streaming 'on', messages 'true', publication_names ${quoteLiteral(quoteIdent(options.publication))}, binary '${options.binary}')`;
  const abort = (): void => connection.destroy();
  signal.addEventListener('abort', abort, { once: true });
  const timer = setInterval(() => stream.tick(), statusEveryMs);
  try {
    if (signal.aborted) return;
    await stream.begin();
    await connection.set({ ...longLived(connection.major), wal_sender_timeout: '60s' });
    const copy = await Promise.race([connection.copyBoth(sql, (bytes, from, to) => stream.receive(bytes, from, to), () => stream.pace.restMs()), stream.failed]);
    stream.start(copy);
    await Promise.race([copy.ended, stream.failed]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', abort);
    connection.destroy();
    await stream.end();
  }
}

class Stream {
  readonly #options: StreamOptions;
  readonly #sink: RunSink;
  readonly #runs: RunBuilder;
  readonly #decoder: PgoutputDecoder;
  readonly #inProgress: InProgress;
  readonly pace = new Pace();
  /** Bytes of the transaction that is replayed. */
  #replayedBytes = 0;
  /** How many times tables were announced, in the order in which the server did. */
  #announcements = 0;
  #copy: CopyBoth | undefined;
  /** Messages that arrived while one of them waits for the catalog or the sink for room. */
  readonly #waiting: Buffer[] = [];
  /** What messages are held back for. */
  #blocks = 0;
  /** Takes back the end of the run that is planned. `due`: it came in the middle of a transaction, whose commit then ends the run. */
  #flush: (() => void) | undefined;
  #due = false;
  /** The connection is gone: what still waits here is sent again to the next stream, so it must not reach the sink twice. */
  #ended = false;
  #emittedAtMs = 0;
  /** A part of a transaction went out: that too waits for room. */
  #parted = false;
  /** Something came since the last tick; and when that was so. */
  #heard = false;
  #heardMs: number;
  readonly #where: string;
  #position: Position;
  /** The source had nothing more up to here. */
  #idleTo: Lsn = asLsn(0n);
  #idle: NodeJS.Timeout | undefined;
  #ask: NodeJS.Timeout | undefined;
  #fail: (error: unknown) => void = () => undefined;
  readonly failed: Promise<never>;

  constructor(options: StreamOptions, sink: RunSink, where: string) {
    this.#options = options;
    this.#sink = sink;
    this.#where = where;
    this.#heardMs = options.clock.monotonic();
    this.#position = options.from;
    this.#runs = new RunBuilder(options.from, (run) => {
      this.#position = run.position;
      this.#parted = run.open;
      sink.run(run);
    });
    this.#decoder = new PgoutputDecoder(this.#runs);
    this.#inProgress = new InProgress(options.spill, () => (this.#announcements += 1));
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
  }

  begin(): Promise<void> {
    return this.#inProgress.begin();
  }

  start(copy: CopyBoth): void {
    this.#copy = copy;
    this.sendStatus(true);
  }

  tick(): void {
    const nowMs = this.#options.clock.monotonic();
    // While it is held back nothing is read, so nothing can be heard.
    if (this.#blocks > 0 || this.#heard) this.#heardMs = nowMs;
    this.#heard = false;
    if (nowMs - this.#heardMs > silenceMsMax) {
      this.#fail(new MillraceError('CONNECTION_LOST', `the server has not answered for ${silenceMsMax / 1000} s`, { where: this.#where }));
    }
    this.sendStatus(true);
    this.#options.onSpilled(this.#inProgress.bytes + this.#replayedBytes);
  }

  /** A message, in `bytes` from `from` to `to`; they hold during the call only. */
  receive(bytes: Buffer, from: number, to: number): void {
    if (this.#ended) return;
    this.#heard = true;
    if (this.#blocks > 0) this.#waiting.push(Buffer.from(bytes.subarray(from, to)));
    else {
      try {
        this.#handle(bytes, from, to);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #handle(bytes: Buffer, from: number, to: number): void {
    const kind = bytes[from];
    if (kind === XLOG_DATA) {
      this.pace.sent(bytes.readUInt32BE(from + 21), to - from);
      if (this.#inProgress.takes(bytes[from + 25])) {
        const taken = this.#inProgress.take(bytes, from + 25, to);
        if (taken instanceof Promise) this.#block(taken);
        else if (taken) this.#block(this.#replay(taken, Buffer.from(bytes.subarray(from, from + 25))));
        return;
      }
      const until = this.#decode(this.#decoder, 0, bytes, from + 25, to);
      if (until) this.#block(until);
      else this.#afterMessage(bytes, from);
    } else if (kind === KEEPALIVE) {
      this.#moveOn(asLsn(bytes.readBigUInt64BE(from + 1)));
      if (bytes[from + 17] === 1) this.sendStatus(false);
    }
  }

  /** Decodes a message. Returns what must happen before the next one, if anything. `order`: of an announcement that came earlier. */
  #decode(decoder: PgoutputDecoder, order: number, bytes: Buffer, from: number, to: number): Promise<void> | undefined {
    const message = decoder.decode(bytes, from, to);
    if (!message) return undefined;
    const announced = order === 0 ? (this.#announcements += 1) : order;
    const relation = this.#options.relation(message, this.#runs.xid);
    if (relation instanceof Promise) return relation.then((resolved) => decoder.define(resolved, announced));
    decoder.define(relation, announced);
    return undefined;
  }

  /**
   * A transaction that was in progress has committed: from here on it is like any other. It has announced its tables itself; what it said of
   * them holds for those behind it. `head`: of the message that told of the commit.
   */
  async #replay({ spill, commit, end, timeUs }: Committed, head: Buffer): Promise<void> {
    const decoder = new PgoutputDecoder(this.#runs);
    this.#replayedBytes = spill.bytes;
    if (spill.bytes > 0) {
      this.#runs.begin(spill.xid, commit, timeUs);
      await spill.replay((order, bytes, from, to) => {
        this.#mustGoOn();
        return this.#decode(decoder, order, bytes, from, to) ?? (this.#parted ? this.#room() : undefined);
      });
      this.#mustGoOn();
      this.#runs.commit(end);
      this.#decoder.learn(decoder);
      await this.#inProgress.drop(spill);
    }
    this.#replayedBytes = 0;
    this.#afterMessage(head, 0);
  }

  #mustGoOn(): void {
    if (this.#ended) throw new MillraceError('CONNECTION_LOST', 'the stream has ended', { where: this.#where });
  }

  #handleWaiting(message: Buffer): void {
    this.#handle(message, 0, message.length);
  }

  /** @param sent Where the message begins that was handled: its head has the time at which it was sent. */
  #afterMessage(bytes: Buffer, sent: number): void {
    if (this.#runs.inTransaction) {
      if (this.#parted) this.#waitForRoom();
      return;
    }
    if (this.#due || this.#runs.bytes > runBytesMax) this.#emit();
    else if (!this.#flush) {
      // Both times are the server's, so that its clock need not be right.
      const ageMs = Number(readI64(bytes, sent + 17) + epoch2000Us - this.#runs.committedUs) / 1000;
      this.pace.age(ageMs);
      this.#emitSoon(lingerMs(ageMs));
    }
  }

  /** Ends the run after this turn's messages at the earliest. */
  #emitSoon(afterMs: number): void {
    if (this.#flush || this.#ended) return;
    const waitMs = Math.max(afterMs, runEveryMs - (this.#options.clock.monotonic() - this.#emittedAtMs));
    const work = (): void => {
      this.#flush = undefined;
      if (this.#runs.inTransaction) this.#due = true;
      else this.#guard(() => this.#emit());
    };
    // A timer takes a millisecond at least.
    if (waitMs < 0.5) {
      const immediate = setImmediate(work);
      this.#flush = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(work, waitMs);
      this.#flush = () => clearTimeout(timer);
    }
  }

  #emit(): void {
    this.#flush?.();
    this.#flush = undefined;
    this.#due = false;
    this.#emittedAtMs = this.#options.clock.monotonic();
    if (!this.#runs.empty) {
      this.#ask ??= setTimeout(() => {
        this.#ask = undefined;
        this.sendStatus(true);
      }, askAfterMs);
    }
    this.#runs.flush();
    this.#waitForRoom();
  }

  #waitForRoom(): void {
    this.#block(this.#room());
  }

  #room(): Promise<void> {
    this.#parted = false;
    return this.#sink.ready();
  }

  /** The source is idle up to `walEnd`: nothing that a consumer needs lies before it. A busy one is so between any two transactions. */
  #moveOn(walEnd: Lsn): void {
    if (this.#runs.inTransaction || walEnd <= this.#position) return;
    this.#idleTo = walEnd;
    this.#idle ??= setTimeout(() => {
      this.#idle = undefined;
      this.#guard(() => this.#emitIdle());
    }, idleEveryMs);
  }

  #emitIdle(): void {
    if (this.#runs.inTransaction || this.#ended) return;
    this.#emit();
    if (this.#idleTo <= this.#position) return;
    this.#position = this.#idleTo;
    this.#sink.run({ transactions: [], batches: [], open: false, position: this.#idleTo });
  }

  /** Nothing is given out from now on. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#flush?.();
    clearTimeout(this.#idle);
    clearTimeout(this.#ask);
    await this.#inProgress.end();
    this.#options.onSpilled(0);
  }

  /** Holds back messages until the promise settles, and all others that they are held back for. */
  #block(until: Promise<void>): void {
    this.#blocks += 1;
    if (this.#blocks === 1) this.#copy?.pause();
    until.then(
      () => {
        if (this.#ended) return;
        this.#blocks -= 1;
        this.#guard(() => {
          let next = 0;
          while (next < this.#waiting.length && this.#blocks === 0) this.#handleWaiting(this.#waiting[next++] as Buffer);
          this.#waiting.splice(0, next);
        });
        if (this.#blocks === 0) this.#copy?.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** Standby status update; `ask` makes the server answer with its position. */
  sendStatus(ask: boolean): void {
    if (!this.#copy) return;
    const acknowledged = this.#options.acknowledged();
    if (acknowledged > 0n) crashPoint('ack.before-send');
    const status = Buffer.alloc(34);
    status[0] = 'r'.charCodeAt(0);
    status.writeBigUInt64BE(this.#position > acknowledged ? this.#position : acknowledged, 1);
    status.writeBigUInt64BE(acknowledged, 9);
    status.writeBigUInt64BE(acknowledged, 17);
    status.writeBigInt64BE(BigInt(Math.round(this.#options.clock.now())) * 1000n - epoch2000Us, 25);
    status[33] = ask ? 1 : 0;
    this.#copy.write(status);
  }
}

