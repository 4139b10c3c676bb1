// One source of a replica: joins the stream, loads what is not loaded yet, then applies epoch after epoch.
import { type Clock, crashPoint, type Logger, type Metrics, MillraceError } from '../base/index.ts';
import { AbandonedTransaction } from '../bus/index.ts';
import { asPosition, batchFrom, type Position, type Relation, type Run, type SourceIdentity, tableAddress } from '../data/index.ts';
import type { ConsumerPosition, Feed, FeedMembership, SourceState, TableStep } from '../flow/index.ts';
import type { ReplicaTarget } from './target.ts';
import { type Gathered, Gatherer } from './gather.ts';
import type { Routes } from './rules/routes.ts';

export interface PartOptions {
  readonly replica: string;
  readonly feed: Feed;
  readonly target: ReplicaTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  compile(relations: readonly Relation[]): Promise<Routes>;
  /** Called when the shape of target tables must follow. */
  prepare(routes: Routes): Promise<void>;
}

const limits = { rowsMax: 20_000, bytesMax: 8 << 20, lingerMsMax: 100, lingerRowsMin: 100 };
/** An idle position is written to the target this often, so that the source can forget what lies before it. */
const idleCommitEveryMs = 5000;

/** From this size on, the next epoch is made while the one before it is on its way; smaller ones do better to grow until then. */
const aheadRowsMin = 2000;

interface Epoch {
  readonly gathered: Gathered;
  readonly steps?: readonly TableStep[];
}

/** How far a part is, for status. */
export interface PartProgress {
  /** Applied, in this process's memory; the target may have an older one while the source is idle. */
  applied: Position | undefined;
  /** Commit time of the oldest change that is being applied, microseconds; 0n when none is. */
  pendingSinceUs: bigint;
  phase: 'starting' | 'snapshot' | 'streaming';
  rows: number;
  readonly snapshotRows: Map<string, number>;
  readonly loading: Set<string>;
}

export class Part {
  readonly progress: PartProgress = { applied: undefined, pendingSinceUs: 0n, phase: 'starting', rows: 0, snapshotRows: new Map(), loading: new Set() };
  readonly source: string;
  routes: Routes | undefined;
  readonly #options: PartOptions;
  readonly #membership: FeedMembership;
  #stored: Position | undefined;
  #storedAtMs = 0;
  /** Tables whose snapshot is newer than the position: their changes up to it are in it already. */
  readonly #snapshots = new Map<string, Position>();
  /** The source's tables as they were at the start: OID → address. */
  #tables = new Map<number, string>();
  readonly #passedOver = new Set<string>();
  #gatherer: Gatherer | undefined;
  #hold: { goal: Position; until: number; reached: () => void; passed: (at: Position) => void; broken: () => void } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: PartOptions) {
    this.#options = options;
    this.source = options.feed.source.name;
    this.#membership = options.feed.join(options.replica);
  }

  /** Runs until the signal aborts; then everything gathered is applied or dropped, never half. Throws what stops the replica. */
  async run(positions: readonly ConsumerPosition[], signal: AbortSignal): Promise<void> {
    const { feed, target } = this.#options;
    const state = await feed.opened(signal);
    if (!state) return;
    const routes = await this.#options.compile(state.relations);
    this.routes = routes;
    this.#tables = new Map(state.relations.map((relation) => [relation.oid, tableAddress(relation)]));
    const known = positions.find((position) => position.part === this.source);
    if (known) await this.#checkIdentity(known, state);
    await this.#options.prepare(routes);
    await this.#load(known, routes, state, signal);
    if (signal.aborted) return;
    await this.#follow(routes, signal);
    // A clean stop leaves the newest position behind, so that nothing looks outstanding.
    const { applied } = this.progress;
    if (applied !== undefined && this.#stored !== undefined && applied > this.#stored) {
      await target.commit(this.source, applied, []);
      this.#storedIs(applied);
    }
  }

  leave(): void {
    this.#membership.leave();
  }

  /**
   * Stops behind the last transaction that ends at or before `position` ('now': after the epoch that is being applied) and resolves when it
   * stands there; rejects when it is past it, or does not stream within `ms`. A hold at a position takes the place of the earlier one, so that
   * one can stand still first and go to an exact position then; 'now' is refused while somebody else holds it.
   */
  async hold(position: Position | 'now', ms: number): Promise<void> {
    const { clock, replica } = this.#options;
    const untilMs = clock.monotonic() + ms;
    while (!this.#gatherer && clock.monotonic() < untilMs) await clock.sleep(50);
    const { applied } = this.progress;
    const goal = position === 'now' ? asPosition(0n) : position;
    const idle = new MillraceError('VERIFY_IMPOSSIBLE', `replica "${replica}" does not stream from "${this.source}" at the moment`);
    if (!this.#gatherer) throw idle;
    if (position === 'now' && this.#hold) throw new MillraceError('VERIFY_IMPOSSIBLE', `replica "${replica}" stands still for another comparison at the moment`, { hint: 'try again' });
    this.#hold?.broken();
    return new Promise((resolve, reject) => {
      const passed = (at: Position): void => {
        const text = this.#options.feed.source.formatPosition;
        reject(new MillraceError('VERIFY_IMPOSSIBLE', `replica "${this.#options.replica}" stands at ${text(at)}, past ${text(goal)} already`));
      };
      this.#hold = { goal, until: this.#options.clock.monotonic() + ms, reached: resolve, passed: position === 'now' ? () => undefined : passed, broken: () => reject(idle) };
      if (this.#gatherer) this.#gatherer.hold = goal;
      if (position !== 'now' && applied !== undefined && applied > goal) passed(applied);
      // An idle source may have nothing to say for long: the reader that waits for it stands still already.
      else if (applied === goal || (position === 'now' && this.#gatherer?.isIdle)) resolve();
      this.#wake?.();
    });
  }

  release(): void {
    this.#hold?.broken();
    this.#hold = undefined;
    if (this.#gatherer) this.#gatherer.hold = undefined;
    this.#wake?.();
  }

  async #checkIdentity(known: ConsumerPosition, state: SourceState): Promise<void> {
    const { feed, replica } = this.#options;
    const position = (at: Position): string => feed.source.formatPosition(at);
    const same: SourceIdentity = known.identity;
    if (same.systemId !== '' && same.systemId !== state.identity.systemId) {
      throw new MillraceError('SOURCE_CHANGED', `source "${this.source}" is another server than the one that replica "${replica}" was filled from`, {
        detail: `system identifier ${state.identity.systemId}, before ${same.systemId}`,
      });
    }
    const left = state.branches.find((branch) => branch.timeline === same.timeline);
    const end = await feed.source.end();
    if (known.position > end || (left && known.position > left.at)) {
      throw new MillraceError('SOURCE_CHANGED', `source "${this.source}" is behind what replica "${replica}" has of it: it was restored from an older state`, {
        detail: `${left ? `it left timeline ${left.timeline} at ${position(left.at)}` : `its log ends at ${position(end)}`}, the replica stands at ${position(known.position)}`,
        hint: `run \`millrace resync ${replica}\` to read its tables again`,
      });
    }
    // The slot stays fresh for as long as this process is connected; a replica that was filled since then stands behind its beginning.
    if (state.fresh && known.position < state.oldest) {
      throw new MillraceError('SLOT_LOST', `the replication slot of source "${this.source}" was gone and has been made again at ${position(state.oldest)}`, {
        detail: `replica "${replica}" stands at ${position(known.position)}; the changes between are lost to it`,
        hint: `run \`millrace resync ${replica}\` to read its tables again`,
      });
    }
  }

  /** Checks that the stream has everything behind `position`. */
  #checkGap(position: Position): void {
    const { feed, replica } = this.#options;
    const { start } = feed.stream;
    if (start === undefined || position >= start) return;
    throw new MillraceError('POSITION_GAP', `replica "${replica}" stands at ${feed.source.formatPosition(position)}, but source and log begin at ${feed.source.formatPosition(start)}`, {
      hint: `run \`millrace resync ${replica}\` to read its tables again`,
    });
  }

  async #load(known: ConsumerPosition | undefined, routes: Routes, state: SourceState, signal: AbortSignal): Promise<void> {
    const { feed, target, logger, metrics, replica } = this.#options;
    this.#snapshots.clear();
    this.progress.loading.clear();
    const tables = await target.tables(this.source);
    const missing: Relation[] = [];
    const current = state.relations.flatMap((relation) => routes.for(relation).map((route) => ({ source: tableAddress(relation), target: tableAddress(route.target) })));
    await target.forgetOthers(this.source, current);
    for (const relation of state.relations) {
      for (const route of routes.for(relation)) {
        const record = tables.find((table) => table.source === tableAddress(relation) && table.target === tableAddress(route.target));
        // Dropped and made again: the stream has nothing of what was in it before it was published.
        if (record?.done && (record.oid === 0 || record.oid === relation.oid)) {
          this.#snapshots.set(tableAddress(relation), record.snapshotPosition);
          this.progress.snapshotRows.set(tableAddress(relation), record.rows);
        } else if (!missing.includes(relation)) missing.push(relation);
      }
    }
    if (known) {
      this.#checkGap(known.position);
      this.#storedIs(known.position);
      this.progress.applied = known.position;
    }
    if (known && missing.length === 0) return;
    this.progress.phase = 'snapshot';
    const ranks = await target.loadRanks(missing.flatMap((relation) => routes.for(relation).map((route) => route.target)));
    const rankOf = (relation: Relation): number => Math.max(0, ...routes.for(relation).map((route) => ranks.get(tableAddress(route.target)) ?? 0));
    const snapshot = await feed.source.snapshot(missing, signal);
    try {
      if (!known) {
        // From now on a restart reads the stream from here; tables that are loaded later have newer snapshots of their own.
        await target.commit(this.source, snapshot.position, []);
        this.#storedIs(snapshot.position);
        this.progress.applied = snapshot.position;
      }
      for (const relation of snapshot.relations.toSorted((a, b) => rankOf(a) - rankOf(b))) {
        const address = tableAddress(relation);
        crashPoint('snapshot.before-table');
        this.progress.loading.add(address);
        // It may have changed, or have been made again, since the source was opened.
        const changed = routes.for(relation)[0]?.relation.version !== relation.version;
        if (changed) routes.relationChanged(relation);
        this.#tables.set(relation.oid, address);
        const first = await firstOf(snapshot.read(relation, signal));
        if (signal.aborted) return;
        if (first.value) routes.probe(relation, first.value);
        if (changed || first.value) await this.#options.prepare(routes);
        let batches = first.all;
        for (const route of routes.for(relation)) {
          logger.info('loading', { table: address, to: tableAddress(route.target), rowsEstimate: snapshot.estimate(relation) });
          let rows = 0;
          const steps = (async function* (read: AsyncIterable<Run>): AsyncGenerator<TableStep> {
            for await (const run of read) {
              const write = route.write(run.batches[0] as Run['batches'][number], run);
              if (write) yield { kind: 'rows', writes: [write] };
            }
          })(this.#asRuns(batches, snapshot.position, (count) => {
            rows += count;
            this.progress.snapshotRows.set(address, rows);
            metrics.add('snapshotRows', { replica, table: address }, count);
          }));
          const loaded = await target.load({ part: this.source, from: relation, target: route.target, position: snapshot.position, steps }, signal);
          this.progress.rows += loaded.rows;
          if (signal.aborted) return;
          batches = snapshot.read(relation, signal);
        }
        this.#snapshots.set(address, snapshot.position);
        this.progress.loading.delete(address);
      }
    } finally {
      await snapshot.close();
    }
  }

  /** Snapshot rows as the rows of a transaction that commits at the snapshot's position: that is what their meta columns say. */
  async *#asRuns(batches: AsyncIterable<Run['batches'][number]>, position: Position, onRows: (count: number) => void): AsyncGenerator<Run> {
    const timeUs = BigInt(Math.round(this.#options.clock.now())) * 1000n;
    for await (const batch of batches) {
      yield { transactions: [{ xid: 0, commit: position, end: position, timeUs, firstSeq: 0 }], batches: [batch], open: false, position };
      onRows(batch.count);
    }
  }

  async #follow(routes: Routes, signal: AbortSignal): Promise<void> {
    const { feed } = this.#options;
    while (!signal.aborted) {
      const from = this.progress.applied as Position;
      const reader = feed.stream.read(feed.stream.end !== undefined && from > feed.stream.end ? feed.stream.end : from);
      const close = (): void => reader.close();
      signal.addEventListener('abort', close, { once: true });
      this.#gatherer = new Gatherer(reader, limits, this.#options.clock, signal);
      this.#gatherer.hold = this.#hold?.goal;
      try {
        await this.#apply(this.#gatherer, routes, signal);
      } catch (error) {
        if (!(error instanceof AbandonedTransaction)) {
          this.release();
          throw error;
        }
      } finally {
        signal.removeEventListener('abort', close);
        reader.close();
        this.#gatherer = undefined;
      }
    }
    this.release();
  }

  async #apply(gatherer: Gatherer, routes: Routes, signal: AbortSignal): Promise<void> {
    const { target, clock, metrics, replica } = this.#options;
    const consistentFrom = [...this.#snapshots.values()].reduce((a, b) => (a > b ? a : b), 0n);
    let ahead: Epoch | undefined;
    while (!signal.aborted) {
      if ((this.progress.applied as Position) >= consistentFrom) {
        this.#snapshots.clear();
        this.progress.phase = 'streaming';
      }
      const gathered: Gathered | undefined = ahead?.gathered ?? (await this.#nextEpoch(gatherer));
      if (!gathered) {
        if (signal.aborted || !(await this.#standStill(signal))) return;
        continue;
      }
      const first = gathered.runs.find((run) => run.transactions.length > 0);
      this.progress.pendingSinceUs = first?.transactions[0]?.timeUs ?? 0n;
      const steps: readonly TableStep[] = ahead?.steps ?? (await this.#stepsOf(gathered, routes));
      ahead = undefined;
      let looking: Promise<Epoch | undefined> | undefined;
      const idle = steps.length === 0;
      if (!idle || clock.monotonic() - this.#storedAtMs >= idleCommitEveryMs) {
        const committing = target.commit(this.source, gathered.position, steps);
        if (gathered.rows >= aheadRowsMin) looking = this.#lookAhead(gatherer, gathered.position, routes);
        looking?.catch(() => undefined); // whatever is wrong with the next epoch, this one is finished first; it is awaited below
        const committed = await committing;
        this.#storedIs(gathered.position);
        this.progress.rows += committed.rows;
        metrics.add('replicaRows', { replica }, committed.rows);
        metrics.add('replicaEpochs', { replica });
      }
      this.progress.applied = gathered.position;
      this.progress.pendingSinceUs = 0n;
      // What was gathered before the hold was set may have gone past it.
      if (this.#hold && gathered.position > this.#hold.goal) this.#hold.passed(gathered.position);
      else if (this.#hold && gathered.position === this.#hold.goal) this.#hold.reached();
      ahead = await looking;
    }
  }

  /** What the runs of an epoch do to the target. The target's tables follow new shapes first. */
  async #stepsOf(gathered: Gathered, routes: Routes): Promise<TableStep[]> {
    const steps: TableStep[] = [];
    for (const gatheredRun of gathered.runs) {
      const run = this.#withoutNew(gatheredRun);
      await this.#followShapes(run, routes);
      steps.push(...routes.steps(this.#withoutLoaded(run)));
    }
    return steps;
  }

  /**
   * Makes the next epoch of what is there already, while the one before it is on its way to the target: under load neither side waits for the
   * other. A table in a new shape is left for later, since the target's table must follow only then.
   */
  async #lookAhead(gatherer: Gatherer, from: Position, routes: Routes): Promise<Epoch | undefined> {
    const gathered = await gatherer.ahead(from);
    if (!gathered) return undefined;
    if (this.#snapshots.size > 0 || gathered.runs.some((run) => newShapes(run, routes).length > 0)) return { gathered };
    const steps = await this.#stepsOf(gathered, routes);
    this.#options.target.prepare?.(steps);
    return { gathered, steps };
  }

  /** The next epoch. While none comes, the position of an idle source is written to the target, so that the source can forget what lies before it. */
  async #nextEpoch(gatherer: Gatherer): Promise<Gathered | undefined> {
    const { clock, target } = this.#options;
    const applied = this.progress.applied as Position;
    const next = gatherer.next(applied);
    if (applied === this.#stored) return next;
    next.catch(() => undefined); // it is awaited below, unless the commit fails first
    const came = new AbortController();
    const idle = clock.sleep(Math.max(0, this.#storedAtMs + idleCommitEveryMs - clock.monotonic()), came.signal).then(() => 'idle' as const);
    const first = await Promise.race([next, idle]);
    came.abort();
    if (first !== 'idle') return first;
    await target.commit(this.source, applied, []);
    this.#storedIs(applied);
    return next;
  }

  /** At a hold: waits for its release or its end. False when there is no hold, so that the reader was closed by someone else. */
  async #standStill(signal: AbortSignal): Promise<boolean> {
    const hold = this.#hold;
    if (!hold) return false;
    const { applied } = this.progress;
    if (applied !== undefined && applied > hold.goal) hold.passed(applied);
    hold.reached();
    const timeout = this.#options.clock.sleep(Math.max(0, hold.until - this.#options.clock.monotonic()), signal);
    await Promise.race([timeout, new Promise<void>((resolve) => (this.#wake = resolve))]);
    this.#wake = undefined;
    if (this.#hold === hold && this.#options.clock.monotonic() >= hold.until) this.release();
    return true;
  }

  /** A table that is new, or has a new name, is read at the next start; until then its changes are passed over, since its earlier rows are not there. */
  #withoutNew(run: Run): Run {
    const isKnown = (relation: Relation): boolean => {
      const address = tableAddress(relation);
      const known = this.#tables.get(relation.oid) === address;
      if (!known && !this.#passedOver.has(address)) {
        this.#passedOver.add(address);
        this.#options.logger.warn('a table is new or has a new name: it is read at the next start', { table: address });
      }
      return known;
    };
    if (run.batches.every((batch) => isKnown(batch.relation)) && (run.truncate?.relations ?? []).every(isKnown)) return run;
    const { truncate, ...rest } = run;
    const relations = truncate?.relations.filter(isKnown) ?? [];
    return { ...rest, batches: run.batches.filter((batch) => isKnown(batch.relation)), ...(truncate && relations.length > 0 ? { truncate: { ...truncate, relations } } : {}) };
  }

  /** Lets the target follow when a run brings a table in a new shape. */
  async #followShapes(run: Run, routes: Routes): Promise<void> {
    const changed = newShapes(run, routes);
    for (const relation of changed) routes.relationChanged(relation);
    if (changed.length > 0) await this.#options.prepare(routes);
  }

  /** A run without the rows that a table's snapshot has already. */
  #withoutLoaded(run: Run): Run {
    if (this.#snapshots.size === 0) return run;
    const batches = run.batches.flatMap((batch) => {
      const loaded = this.#snapshots.get(tableAddress(batch.relation));
      if (loaded === undefined) return [batch];
      const firstNew = run.transactions.find((transaction) => transaction.end > loaded);
      if (!firstNew) return [];
      let from = 0;
      while (from < batch.count && (batch.seqs[from] as number) < firstNew.firstSeq) from += 1;
      return from === batch.count ? [] : [batchFrom(batch, from)];
    });
    const last = run.transactions.at(-1);
    const { truncate, ...rest } = run;
    const relations = truncate?.relations.filter((relation) => {
      const loaded = this.#snapshots.get(tableAddress(relation));
      return loaded === undefined || (last !== undefined && last.end > loaded);
    });
    return truncate && relations && relations.length > 0 ? { ...rest, batches, truncate: { ...truncate, relations } } : { ...rest, batches };
  }

  #storedIs(position: Position): void {
    this.#stored = position;
    this.#storedAtMs = this.#options.clock.monotonic();
    this.#membership.holds(position);
  }
}

/** Relations of a run that the routes know in another shape. */
const newShapes = (run: Run, routes: Routes): Relation[] =>
  run.batches.flatMap(({ relation }) => {
    const known = routes.for(relation)[0]?.relation;
    return known && known.version !== relation.version ? [relation] : [];
  });

/** The first element, and all elements. */
async function firstOf<T>(items: AsyncIterable<T>): Promise<{ value: T | undefined; all: AsyncIterable<T> }> {
  const iterator = items[Symbol.asyncIterator]();
  const first = await iterator.next();
  async function* all(): AsyncGenerator<T> {
    if (first.done) return;
    yield first.value;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  return { value: first.done ? undefined : first.value, all: all() };
}
