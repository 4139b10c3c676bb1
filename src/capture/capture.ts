// Capture of one source: keeps it open, follows its commits into the stream, acknowledges what can no longer be lost.
//
// What holds at any time:
// - The source is never told to forget what some consumer may still need: it is acknowledged the least position that all consumers hold.
//   Only when the source keeps more WAL than `walKeptBytesMax` does the word of the synced log count instead.
// - The stream is contiguous. When the source can no longer continue it, it begins anew and consumers that are behind find the gap themselves.
import { asMillraceError, Backoff, type Clock, type Logger, type Metrics, MillraceError, type Random } from '../base/index.ts';
import type { ChangeStream } from '../bus/index.ts';
import { type Position, type Relation, type Run, type SourceIdentity, tableAddress } from '../data/index.ts';
import type { Feed, FeedMembership, RefusedTable, Source, SourceState } from '../flow/index.ts';

export interface CaptureOptions {
  readonly source: Source;
  readonly stream: ChangeStream;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly walKeptBytesMax: number;
  /** Bytes of WAL that the source keeps for us now. */
  walKept(): Promise<number>;
  /** Remembered beside the log, durably. */
  readonly memory: { read(): SourceMemory | undefined; write(memory: SourceMemory): void };
}

export interface SourceMemory {
  /** The server that the stream in the log belongs to. */
  readonly identity: SourceIdentity;
  /** The log holds changes that the source was told to forget before every consumer had them. */
  readonly onlyCopy: boolean;
}

export type CaptureCondition =
  | { readonly state: 'starting' | 'streaming'; readonly reason?: string }
  | { readonly state: 'retrying' | 'failed'; readonly error: MillraceError };

/** How often acknowledgement, trimming and lag are brought up to date. */
const tidyEveryMs = 500;
/** How often the source is asked whether its tables are still the same: so many times as rarely as the answer takes, within these bounds. */
const lookShare = 100;
const lookMsMin = 1000;
const lookMsMax = 5000;
/** How long a source that is being opened or closed may take at the end. */
const stopMsMax = 2000;

export class Capture implements Feed {
  readonly source: Source;
  readonly stream: ChangeStream;
  condition: CaptureCondition = { state: 'starting' };
  /** Where the source's log ended when it was last asked. */
  sourceEnd: Position | undefined;
  /** Bytes of WAL that the source keeps for us, as last asked. */
  walKeptBytes = 0;
  /** The log holds changes that exist nowhere else; true from before the source is told to forget them until every consumer has them. */
  logIsOnlyCopy: boolean;
  /** Commit time of the newest transaction received, microseconds. */
  lastCommitUs = 0n;
  relations: readonly Relation[] = [];
  /** Tables that are selected and cannot be followed. */
  refused: readonly RefusedTable[] = [];
  readonly changes = new Map<string, number>();

  readonly #options: CaptureOptions;
  readonly #consumers = new Map<string, Position | undefined>();
  readonly #listeners = new Map<string, (state: SourceState) => void>();
  readonly #stopping = new AbortController();
  #state: SourceState | undefined;
  /** The server whose stream consumers have been told of, and may be in the middle of. */
  #streams: SourceIdentity | undefined;
  #beginAnew = false;
  /** The source keeps more than it may, so that the log's word counts. */
  #logCounts = false;
  /** What the source may have forgotten. */
  #released: Position | undefined;
  #waiters = new Set<() => void>();
  #done: Promise<void> = Promise.resolve();

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.source = options.source;
    this.stream = options.stream;
    this.logIsOnlyCopy = options.memory.read()?.onlyCopy ?? false;
  }

  start(): void {
    const tidy = setInterval(() => void this.#tidy(), tidyEveryMs);
    this.#done = this.#follow().finally(() => clearInterval(tidy));
  }

  /** After a failure that someone has mended: forgets a lost slot and the stream, and begins anew. */
  async startAgain(): Promise<void> {
    if (this.condition.state !== 'failed' || this.#stopping.signal.aborted) return;
    await this.#done;
    this.#streams = undefined;
    this.#beginAnew = this.condition.error.code === 'SOURCE_CHANGED';
    await this.source.forgetIfLost();
    this.condition = { state: 'starting' };
    this.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#done, this.#options.clock.sleep(stopMsMax)]);
    // Also ends what a server that does not answer would hold up.
    await this.source.close();
    await this.#done;
    await this.#tidying;
    const held = this.#held();
    if (held !== undefined) await this.stream.trim(held);
  }

  /** What the source is waiting for, shown while it starts. */
  waitsFor(reason: string | undefined): void {
    if (this.condition.state === 'starting') this.condition = reason === undefined ? { state: 'starting' } : { state: 'starting', reason };
  }

  /** The server that the source is connected to. */
  get identity(): SourceIdentity | undefined {
    return this.#state?.identity ?? this.#options.memory.read()?.identity;
  }

  async opened(signal: AbortSignal): Promise<SourceState | undefined> {
    while (!this.#state && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal.addEventListener('abort', wake);
      });
    }
    return signal.aborted ? undefined : this.#state;
  }

  join(consumer: string, onTables?: (state: SourceState) => void): FeedMembership {
    this.#consumers.set(consumer, undefined);
    if (onTables) this.#listeners.set(consumer, onTables);
    return {
      holds: (position) => this.#consumers.set(consumer, position),
      leave: () => (this.#consumers.delete(consumer), this.#listeners.delete(consumer)),
    };
  }

  /** What the source has to send from now on. */
  #sends(state: SourceState): void {
    this.#state = state;
    this.relations = state.relations;
    const before = new Map(this.refused.map((one) => [tableAddress(one), one.error.message]));
    this.refused = state.refused;
    for (const { error, ...table } of state.refused) {
      if (before.get(tableAddress(table)) === error.message) continue;
      this.#options.logger.error('a table cannot be followed; the others go on', { table: tableAddress(table), code: error.code, error: error.message, next: error.hint });
    }
    for (const tell of this.#listeners.values()) tell(state);
  }

  /** Asks the source where its log ends now. */
  async refreshEnd(): Promise<Position> {
    return (this.sourceEnd = await this.source.end());
  }

  async #follow(): Promise<void> {
    const { clock, logger, metrics, random } = this.#options;
    const signal = this.#stopping.signal;
    const backoff = new Backoff(random);
    while (!signal.aborted) {
      try {
        const state = await this.source.open();
        const from = await this.#startingPoint(state);
        this.#sends(state);
        this.#streams = state.identity;
        this.condition = { state: 'streaming' };
        for (const wake of [...this.#waiters]) wake();
        logger.info('streaming', { from: this.source.formatPosition(from), tables: state.relations.length });
        await this.source.stream(from, { run: (run) => this.#run(run, backoff), ready: () => this.stream.ready() }, signal);
      } catch (thrown) {
        if (signal.aborted) break;
        const error = asMillraceError(thrown);
        this.#state = undefined;
        this.stream.abandonOpen();
        if (!error.retriable) {
          this.condition = { state: 'failed', error };
          logger.error('the source failed', { code: error.code, error: error.message, where: error.where, detail: error.detail, next: error.hint });
          return;
        }
        this.condition = { state: 'retrying', error };
        const delayMs = backoff.next();
        logger.warn('the source is away, trying again', { code: error.code, error: error.message, delayMs: Math.round(delayMs) });
        metrics.add('sourceReconnects', { source: this.source.name });
        await clock.sleep(delayMs, signal);
      }
    }
  }

  /** Where to read on: at the end of the stream if the source still has what comes then, else at the oldest that it has, with a new stream. */
  async #startingPoint(state: SourceState): Promise<Position> {
    const { memory } = this.#options;
    const { name } = this.source;
    const known = this.#streams ?? memory.read()?.identity;
    const { end } = this.stream;
    const sourceEnd = await this.refreshEnd();
    const isSame = known?.systemId === state.identity.systemId;
    const left = state.branches.find((branch) => branch.timeline === known?.timeline);
    const isWhole = isSame && end !== undefined && sourceEnd >= end && (left === undefined || end <= left.at);
    // Replicas look at the server when they start; in the middle of the work nobody else would notice.
    if (this.#streams && !isWhole) {
      throw new MillraceError('SOURCE_CHANGED', isSame ? `source "${name}" is behind its own past` : `source "${name}" is another server than a moment ago`, {
        detail: isSame
          ? `its log ${left ? `left timeline ${left.timeline} at ${this.source.formatPosition(left.at)}` : `ends at ${this.source.formatPosition(sourceEnd)}`}, but ${this.source.formatPosition(end ?? sourceEnd)} was received from it: it was restored from an older state`
          : `system identifier ${state.identity.systemId}, before ${known?.systemId ?? 'unknown'}`,
        hint: `point it to the old server, or run \`millrace resync REPLICA\` for each of its replicas, which reads their tables again`,
      });
    }
    this.#released = state.oldest;
    if (isWhole && !state.fresh && !this.#beginAnew && end >= state.oldest) {
      if (known?.timeline !== state.identity.timeline) memory.write({ identity: state.identity, onlyCopy: this.logIsOnlyCopy });
      return end;
    }
    this.#beginAnew = false;
    await this.stream.reset(state.oldest);
    this.#remember(state.identity, false);
    return state.oldest;
  }

  #remember(identity: SourceIdentity, onlyCopy: boolean): void {
    this.#options.memory.write({ identity, onlyCopy });
    this.logIsOnlyCopy = onlyCopy;
  }

  #run(run: Run, backoff: Backoff): void {
    const { metrics } = this.#options;
    const source = this.source.name;
    backoff.reset();
    for (const batch of run.batches) {
      const table = tableAddress(batch.relation);
      this.changes.set(table, (this.changes.get(table) ?? 0) + batch.count);
      metrics.add('sourceChanges', { source, table }, batch.count);
    }
    if (run.transactions.length > 0) {
      metrics.add('sourceTransactions', { source }, run.transactions.length);
      this.lastCommitUs = run.transactions.at(-1)?.timeUs ?? this.lastCommitUs;
    }
    this.stream.append(run);
  }

  /** The least position that all consumers hold; undefined while one of them has not said. */
  #held(): Position | undefined {
    let least: Position | undefined;
    for (const position of this.#consumers.values()) {
      if (position === undefined) return undefined;
      if (least === undefined || position < least) least = position;
    }
    return least;
  }

  /** Tables may have come, gone, or changed their names. */
  #lookAgain(): Promise<void> {
    this.#looking ??= this.#lookOnce()
      .catch((error: unknown) => this.#options.logger.debug('the tables could not be looked at', { error: String(error) }))
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonic();
    if (startedMs < this.#lookNextMs) return;
    const state = this.#state;
    const found = await this.source.lookAgain().finally(() => {
      const endedMs = clock.monotonic();
      this.#lookNextMs = endedMs + Math.min(lookMsMax, Math.max(lookMsMin, lookShare * (endedMs - startedMs)));
    });
    if (found && state && this.#state === state) this.#sends({ ...state, ...found });
  }

  #looking: Promise<void> | undefined;
  #lookNextMs = 0;
  #ticks = 0;
  #tidying: Promise<void> | undefined;

  #tidy(): Promise<void> {
    this.#tidying ??= this.#tidyOnce()
      .catch((error: unknown) => this.#options.logger.debug('housekeeping failed', { error: String(error) }))
      .finally(() => (this.#tidying = undefined));
    return this.#tidying;
  }

  async #tidyOnce(): Promise<void> {
    const { metrics, walKeptBytesMax } = this.#options;
    const source = this.source.name;
    const held = this.#held();
    if (held !== undefined) {
      // A consumer that was just filled may stand in front of what has been received.
      const { end } = this.stream;
      if (end !== undefined) this.source.acknowledge(held < end ? held : end);
      await this.stream.trim(held);
    }
    if (this.condition.state !== 'streaming') return;
    this.#ticks += 1;
    void this.#lookAgain();
    if (this.#ticks % 2 === 0) {
      await this.refreshEnd();
      this.walKeptBytes = await this.#options.walKept();
      this.#logCounts = this.walKeptBytes > walKeptBytesMax && (held === undefined || held < (this.stream.durableEnd ?? 0n));
      metrics.set('sourceWalKeptBytes', { source }, this.walKeptBytes);
    }
    const identity = this.#state?.identity;
    if (!identity) return;
    if (this.#logCounts) {
      await this.stream.sync();
      const durable = this.stream.durableEnd;
      if (durable !== undefined) {
        if (!this.logIsOnlyCopy) this.#remember(identity, true);
        this.#released = durable;
        this.source.acknowledge(durable);
      }
    } else if (this.logIsOnlyCopy && held !== undefined && held >= (this.#released ?? held)) this.#remember(identity, false);
    metrics.set('logBytes', { source }, this.stream.bytes);
  }
}
