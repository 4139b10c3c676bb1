// A replica: takes over its target, runs one part a source, and starts again after every error that may pass.
import { asMillraceError, Backoff, type Clock, type Logger, type Metrics, MillraceError, type Random } from '../base/index.ts';
import { type Position, type Relation, tableAddress } from '../data/index.ts';
import type { Committed, Feed, IndexMaker } from '../flow/index.ts';
import type { Prepared, TableRefusal } from './fitting.ts';
import { LetterCount } from './letter-count.ts';
import type { SnapshotLimits } from './loader.ts';
import { Part } from './part.ts';
import type { Routes } from './rules/routes.ts';
import type { ReplicaSpec } from './spec.ts';
import type { ReplicaTarget } from './target.ts';
import type { RowKey } from './verify/compare.ts';

interface Connected {
  readonly target: Omit<ReplicaTarget, 'alone'>;
  prepare(routes: readonly Routes[], own: Routes): Promise<Prepared>;
}

export interface ReplicaOptions {
  readonly spec: ReplicaSpec;
  readonly feeds: readonly Feed[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** About how many bytes of rows an epoch has at the most. */
  readonly epochBytesMax: number;
  readonly snapshots: SnapshotLimits;
  /**
   * Makes the target for one attempt; `prepare` brings its tables into the wanted shape, or refuses. `onSlow` hears what the target does while it
   * answers nothing for long, undefined when it has answered.
   */
  connect(onSlow: (reason: string | undefined) => void): Connected;
  compile(source: string, relations: readonly Relation[]): Promise<Routes>;
  /** Forgets positions and loads of tables (addresses at the source), or everything of a source when none is named. */
  forget(part: string, tables: readonly string[]): Promise<void>;
  /** Target tables of the routes that rows cannot be written to as things are. */
  refusals(routes: Routes): Promise<readonly TableRefusal[]>;
  readonly indexes: IndexMaker;
  /** Open dead letters, for status. */
  countLetters(): Promise<number>;
}

export type ReplicaCondition =
  | { readonly state: 'starting' | 'snapshot' | 'streaming' | 'paused' | 'stopped'; readonly reason?: string }
  | { readonly state: 'retrying' | 'failed'; readonly error: MillraceError };

/** How long a commit that is under way may take at the end. */
const stopMsMax = 5000;
/** Whether stopped tables fit again is looked at this often. */
const lookAgainMs = 5000;
const nothing: Committed = { rows: 0, deadLetters: 0 };

export class Replica {
  readonly name: string;
  readonly #options: ReplicaOptions;
  readonly #parts = new Map<string, Part>();
  readonly #stopping = new AbortController();
  #attempt = new AbortController();
  #paused: { resume: () => void; resumed: Promise<void> } | undefined;
  #trouble: { state: 'retrying' | 'failed'; error: MillraceError } | undefined;
  /** What the target does instead of answering. */
  #slow: string | undefined;
  readonly #backoff: Backoff;
  readonly #letters: LetterCount;
  /** What parts ask of the target waits here, by the place that it concerns. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #target: Connected | undefined;
  #attemptEnded: Promise<void> = Promise.resolve();
  #done: Promise<void> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.name = options.spec.name;
    this.#backoff = new Backoff(options.random);
    this.#letters = new LetterCount(options.countLetters, options.clock, this.#stopping.signal);
  }

  start(): void {
    this.#newParts();
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#attempt.abort();
    this.#paused?.resume();
    const { clock } = this.#options;
    const ended = new AbortController();
    void this.#done.finally(() => ended.abort());
    await clock.sleep(stopMsMax, ended.signal);
    // A target that does not answer would keep its connection, and so the process, for ever.
    if (!ended.signal.aborted) await this.#target?.target.close().catch(() => undefined);
    await this.#done;
    for (const part of this.#parts.values()) await part.indexing.ended();
  }

  get condition(): ReplicaCondition {
    if (this.#trouble) return this.#trouble;
    if (this.#stopping.signal.aborted) return { state: 'stopped', reason: 'the process is ending' };
    if (this.#paused) return { state: 'paused', reason: 'by request' };
    const phases = [...this.#parts.values()].map((part) => part.progress.phase);
    const state = phases.includes('starting') ? 'starting' : phases.includes('snapshot') ? 'snapshot' : 'streaming';
    return this.#slow === undefined ? { state } : { state, reason: this.#slow };
  }

  /** Open dead letters, as last counted. */
  get deadLetters(): number {
    return this.#letters.open;
  }

  part(source: string): Part | undefined {
    return this.#parts.get(source);
  }

  pause(): void {
    if (this.#paused) return;
    let resume: () => void = () => undefined;
    const resumed = new Promise<void>((resolve) => (resume = resolve));
    this.#paused = { resume, resumed };
    this.#attempt.abort();
  }

  /** Goes on after `pause`, or tries again at once after a failure. */
  resume(): void {
    const paused = this.#paused;
    this.#paused = undefined;
    paused?.resume();
    if (this.#trouble?.state === 'failed') {
      this.#trouble = undefined;
      this.#done = this.#run();
    }
  }

  /** Reads tables of its sources again from new snapshots; all of a source's when none is named. */
  async resync(wanted: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const wasPaused = this.#paused !== undefined;
    this.pause();
    try {
      await this.#attemptEnded;
      for (const [source, tables] of wanted) await this.#options.forget(source, tables);
    } finally {
      if (!wasPaused) this.resume();
    }
  }

  /** Whether other source tables go to a target table too. */
  isShared(to: string): boolean {
    return this.#sharers(to) > 1;
  }

  #sharers(to: string): number {
    return [...this.#parts.values()].flatMap((part) => part.routes?.sourcesOf(to) ?? []).length;
  }

  /**
   * Reads rows of a source table (its address) again for a target table, while the stream goes on; see Mender. Rows that the source does not have go
   * away at the target, unless it is shared. Resolves with their number.
   */
  mend(source: string, from: string, to: string, pages: AsyncIterable<readonly RowKey[]>): Promise<number> {
    const part = this.#parts.get(source);
    if (!part) throw new MillraceError('NAME_UNKNOWN', `replica "${this.name}" does not take from "${source}"`);
    return part.mender(from, to, !this.isShared(to), this.#stopping.signal).mend(pages);
  }

  hold(source: string, position: Position | 'now', ms: number): Promise<void> {
    const part = this.#parts.get(source);
    if (!part) throw new MillraceError('NAME_UNKNOWN', `replica "${this.name}" does not take from "${source}"`);
    if (this.#paused || this.#trouble?.state === 'failed') {
      return Promise.reject(new MillraceError('VERIFY_IMPOSSIBLE', `replica "${this.name}" is ${this.condition.state}`, { hint: `run \`millrace resume ${this.name}\`` }));
    }
    return part.hold(position, ms);
  }

  release(): void {
    for (const part of this.#parts.values()) part.release();
  }

  /** Parts join their feeds before anything runs, so that nothing is acknowledged or trimmed before their positions are known. */
  #newParts(): void {
    const { feeds, clock, logger, metrics } = this.#options;
    for (const feed of feeds) {
      const current = (): Connected => this.#target as Connected;
      const target: ReplicaTarget = {
        get database() {
          return current().target.database;
        },
        open: () => current().target.open(),
        prepare: (steps) => current().target.prepare?.(steps),
        commit: async (part, position, steps, origin) => this.#went(await this.#inTurn('', () => current().target.commit(part, position, steps, origin))),
        commitPieces: async (part, pieces) => this.#went(await this.#inTurn('', () => current().target.commitPieces(part, pieces))),
        tables: (part) => this.#inTurn('', () => current().target.tables(part)),
        tablesChanged: () => this.#target?.target.tablesChanged(),
        stopTable: (part, table, stop) => this.#inTurn('', () => current().target.stopTable(part, table, stop)),
        forgetOthers: (part, tables) => this.#inTurn('', () => current().target.forgetOthers(part, tables)),
        loadRanks: (tables) => this.#inTurn('', () => current().target.loadRanks(tables)),
        chunks: (part, source, table) => this.#inTurn('', () => current().target.chunks(part, source, table)),
        // Of several loads into one table the first one empties it, if need be, and the others add to it.
        alone: (table, work) => this.#inTurn(tableAddress(table), work),
        beginChunks: (load) => current().target.beginChunks(load),
        endChunks: (load, position) => current().target.endChunks(load, position),
        join: (part, position, applied) => this.#inTurn('', () => current().target.join(part, position, applied)),
        load: async (load, signal) => this.#went(await (signal.aborted ? nothing : current().target.load(load, signal))),
        close: () => current().target.close(),
      };
      this.#parts.set(
        feed.source.name,
        new Part({
          replica: this.name,
          feed,
          target,
          clock,
          logger: logger.with({ source: feed.source.name }),
          metrics,
          epochBytesMax: this.#options.epochBytesMax,
          snapshots: this.#options.snapshots,
          compile: (relations) => this.#options.compile(feed.source.name, relations),
          prepare: (routes) => this.#prepare(routes),
          refusals: (routes) => this.#options.refusals(routes),
          forget: (tables) => this.#options.forget(feed.source.name, tables),
          again: () => this.#attempt.abort(),
          indexes: this.#options.indexes,
          stopping: this.#stopping.signal,
          sharers: (table) => this.#sharers(table),
        }),
      );
    }
  }

  /** Something is at the target that was not: whatever fails next is tried again soon. */
  #went(committed: Committed): Committed {
    if (committed.rows > 0) this.#backoff.reset();
    this.#letters.committed(committed.deadLetters);
    return committed;
  }

  /** Runs one after the other what parts ask of the target: a session has one transaction at a time. */
  #inTurn<T>(place: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(place) ?? Promise.resolve()).then(work);
    this.#turns.set(place, turn.catch(() => undefined));
    return turn;
  }

  async #prepare(routes: Routes): Promise<Prepared> {
    for (const warning of routes.warnings) this.#options.logger.warn(warning.message, { table: warning.table, next: warning.hint });
    // All parts together: several sources may fill one table.
    const all = [...this.#parts.values()].flatMap((part) => (part.routes ? [part.routes] : []));
    return (this.#target as Connected).prepare(all.includes(routes) ? all : [...all, routes], routes);
  }

  async #run(): Promise<void> {
    const { clock, logger, metrics } = this.#options;
    const stopped = this.#stopping.signal;
    while (!stopped.aborted) {
      if (this.#paused) await this.#paused.resumed;
      if (stopped.aborted) break;
      this.#attempt = new AbortController();
      let ended: () => void = () => undefined;
      this.#attemptEnded = new Promise((resolve) => (ended = resolve));
      const startedMs = clock.monotonic();
      try {
        await this.#runOnce(this.#attempt);
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (clock.monotonic() - startedMs > 30_000) this.#backoff.reset();
        if (!error.retriable) {
          this.#trouble = { state: 'failed', error };
          logger.error('the replica failed', { code: error.code, error: error.message, where: error.where, detail: error.detail, next: error.hint });
          return;
        }
        if (!stopped.aborted) {
          this.#trouble = { state: 'retrying', error };
          metrics.add('replicaRetries', { replica: this.name });
          const delayMs = this.#backoff.next();
          logger.warn('the target is away, trying again', { code: error.code, error: error.message, delayMs: Math.round(delayMs) });
          await clock.sleep(delayMs, stopped);
        }
      } finally {
        ended();
      }
    }
  }

  /** A stopped table may fit again: a new attempt reads it again then. */
  async #lookAgain(attempt: AbortController): Promise<void> {
    for (const part of this.#parts.values()) {
      if (attempt.signal.aborted) return;
      // While its target or source is away, nothing can be said.
      if (await part.fitsAgain().catch(() => false)) part.tryAgain();
    }
  }

  async #runOnce(attempt: AbortController): Promise<void> {
    this.#slow = undefined;
    const connected = this.#options.connect((reason) => (this.#slow = reason));
    this.#target = connected;
    const looking = setInterval(() => void this.#lookAgain(attempt), lookAgainMs);
    const onStop = (): void => attempt.abort();
    this.#stopping.signal.addEventListener('abort', onStop, { once: true });
    try {
      const positions = await connected.target.open();
      await this.#letters.start();
      this.#trouble = undefined;
      const running = [...this.#parts.values()].map(async (part) => {
        try {
          await part.run(positions, attempt.signal);
        } catch (error) {
          attempt.abort();
          throw error;
        } finally {
          // Who waits for `streaming` must not take the attempt before this one for it.
          part.progress.phase = 'starting';
        }
      });
      const outcomes = await Promise.allSettled(running);
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed) throw failed.reason;
    } finally {
      clearInterval(looking);
      this.#stopping.signal.removeEventListener('abort', onStop);
      await connected.target.close().catch(() => undefined);
    }
  }
}
