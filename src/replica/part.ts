// One source of a replica: joins the stream, loads what is not loaded yet, then applies epoch after epoch.
import { assert } from '../base/index.ts';
import { AbandonedTransaction } from '../bus/index.ts';
import { cameThrough, type Origin, type Position, type Relation, type Run, tableAddress } from '../data/index.ts';
import { type Committed, type ConsumerPosition, type FeedMembership, type Piece, type SelectedTables, type SourceState, TablesRefused, type TableStep, type TableStop } from '../flow/index.ts';
import { checkGap, checkIdentity, checkPositionKept } from './checks.ts';
import { RowNotSent } from './chunks.ts';
import { Errands } from './errands.ts';
import { currentShapes, Fitting, shapeKey } from './fitting.ts';
import { type Gathered, Gatherer } from './gather.ts';
import { Holds } from './holds.ts';
import { Indexing } from './indexing.ts';
import { Loader } from './loader.ts';
import { Mender } from './mend/mender.ts';
import { NewShape } from './new-shape.ts';
import { aheadRowsMin, idleCommitEveryMs, idleCommitSoonMs, limits, type PartOptions } from './part-options.ts';
import type { PartProgress } from './progress.ts';
import type { Routes } from './rules/routes.ts';
import { sameTables, SourceTables } from './source-tables.ts';
import { tableNews } from './table-news.ts';
import { TableStates } from './table-states.ts';

interface Epoch {
  readonly gathered: Gathered;
  readonly steps?: readonly TableStep[];
}

export class Part {
  readonly progress: PartProgress = { applied: undefined, pendingSinceUs: 0n, phase: 'starting', rows: 0, snapshotRows: new Map(), loading: new Set(), snapshots: new Map() };
  readonly source: string;
  readonly states: TableStates;
  readonly errands: Errands;
  readonly indexing: Indexing;
  routes: Routes | undefined;
  #fitting: Fitting | undefined;
  /** The tables of this attempt, and those that the source has by now. */
  #tables: SelectedTables | undefined;
  #tablesNow: SelectedTables | undefined;
  /** Up to here the source's tables had the shapes that this attempt began with, or older ones. */
  #shapesFrom: Position | undefined;
  readonly #options: PartOptions;
  readonly #membership: FeedMembership;
  #stored: Position | undefined;
  /** While tables are read that the stream is read again for: from where. */
  #keepFrom: Position | undefined;
  #storedAtMs = 0;
  /** How long after that an idle position is stored. */
  #idleAfterMs = idleCommitEveryMs;
  #gatherer: Gatherer | undefined;
  readonly #holds: Holds;

  constructor(options: PartOptions) {
    this.#options = options;
    this.source = options.feed.source.name;
    this.states = new TableStates(options.clock, options.logger);
    this.indexing = new Indexing({ ...options, indexesChanged: () => options.target.tablesChanged() }, this.states, this.progress);
    this.errands = new Errands(options.clock, `replica "${options.replica}"`);
    // While tables join, what is read is not the stream of all tables.
    this.#holds = new Holds(options, this.progress, () => (this.#keepFrom === undefined ? this.#gatherer : undefined));
    this.#membership = options.feed.join(options.replica, (state) => this.#hear(state));
  }

  /** Runs until the signal aborts; then everything gathered is applied or dropped, never half. Throws what stops the replica. */
  async run(positions: readonly ConsumerPosition[], signal: AbortSignal): Promise<void> {
    const { feed, target } = this.#options;
    const state = await feed.opened(signal);
    if (!state) return;
    this.#tables = state;
    this.#shapesFrom = await feed.source.end();
    const routes = await this.#options.compile(await currentShapes(feed.source, state.relations));
    this.routes = routes;
    const found = positions.find((position) => position.part === this.source);
    if (found) await checkIdentity(found, state, feed.source, this.#options.replica);
    else checkPositionKept(await target.tables(this.source), feed.source, this.#options.replica);
    await this.#fitAtStart(routes, found !== undefined);
    let known = found?.position;
    if (found?.begun !== undefined) known = await this.#endBegun(found.position, found.begun, routes, state, signal);
    if (signal.aborted) return;
    do known = await this.#once(known, routes, state, signal);
    while (known !== undefined && !this.#beganAnew() && !signal.aborted);
    // A clean stop leaves the newest position behind, so that nothing looks outstanding.
    const { applied } = this.progress;
    if (applied !== undefined && this.#stored !== undefined && applied > this.#stored) {
      await target.commit(this.source, applied, []);
      this.#storedIs(applied);
    }
  }

  #loader(routes: Routes, tables: SourceTables): Loader {
    return new Loader({ ...this.#options, fit: () => this.#fit(), refuse: (refused) => this.#shapes.refuse(refused) }, routes, tables, this.progress);
  }

  /** Ends an epoch that an earlier attempt began, without the changes of tables that are to be read anyway. Returns where the part stands then. */
  async #endBegun(from: Position, end: Position, routes: Routes, state: SourceState, signal: AbortSignal): Promise<Position> {
    const { feed, replica, target, logger } = this.#options;
    checkGap(from, feed, replica);
    this.#storedIs(from);
    this.progress.applied = from;
    const tables = new SourceTables(state.relations, logger);
    tables.join(await this.#loader(routes, tables).missing(state, from));
    const { gatherer, close } = this.#read(signal);
    try {
      const gathered = await gatherer.upTo(from, end);
      if (!gathered) return from;
      const steps = await this.#stepsOf(gathered, routes, tables);
      this.#committed(await target.commit(this.source, end, steps, gathered.origin), end);
      this.#applied(end);
      return end;
    } catch (error) {
      if (!(error instanceof AbandonedTransaction) && !(error instanceof TablesRefused && (await this.#shapes.refuse(error)))) throw error;
      this.tryAgain();
      return from;
    } finally {
      close();
    }
  }

  /** Other tables than those of this attempt are taken in by a new one; what is being read is finished first. */
  #hear(state: SelectedTables): void {
    this.#tablesNow = state;
    if (this.progress.phase === 'streaming') this.#beganAnew();
  }

  #beganAnew(): boolean {
    const [tables, now] = [this.#tables, this.#tablesNow];
    if (!tables || !now || sameTables(tables, now)) return false;
    this.tryAgain();
    return true;
  }

  /** Lets the target follow before anything is written. Tables that were stopped and fit again are read again. */
  async #fitAtStart(routes: Routes, isFilled: boolean): Promise<void> {
    const { target } = this.#options;
    const records = await target.tables(this.source);
    const taken = new Set(routes.relations.filter((relation) => routes.for(relation).length > 0).map(tableAddress));
    if (isFilled) for (const { table, what } of tableNews(records, routes.relations, taken)) this.states.changed(table, what);
    const keepStop = (table: string, stop: TableStop): Promise<void> => target.stopTable(this.source, table, stop);
    this.#fitting = new Fitting({ ...this.#options, source: this.source, states: this.states, shapesFrom: this.#shapesFrom as Position, keepStop, current: (relations) => currentShapes(this.#options.feed.source, relations) }, routes, records);
    await this.#fitting.begin(records);
  }

  get #shapes(): Fitting {
    assert(this.#fitting, 'shapes before the start');
    return this.#fitting;
  }

  async #fit(): Promise<void> {
    if ((await this.#shapes.fit()).length > 0) this.tryAgain();
  }

  /** Whether a stopped table would go on in a new attempt. */
  async fitsAgain(): Promise<boolean> {
    return (await this.#fitting?.fitsAgain()) ?? false;
  }

  tryAgain(): void {
    this.progress.phase = 'starting';
    this.#options.again();
  }

  leave(): void {
    this.#membership.leave();
  }

  /** For rows of the source table `from` at the target table `to`. */
  mender(from: string, to: string, deletes: boolean, signal: AbortSignal): Mender {
    return new Mender({ ...this.#options, part: this, from, to, deletes }, signal);
  }

  /**
   * Stops behind the last transaction that ends at or before `position` ('now': after the epoch that is being applied) and resolves when it
   * stands there; rejects when it is past it, or does not stream within `ms`. A hold at a position takes the place of the earlier one, so that
   * one can stand still first and go to an exact position then; 'now' is refused while somebody else holds it.
   */
  hold(position: Position | 'now', ms: number): Promise<void> {
    return this.#holds.hold(position, ms);
  }

  release(): void {
    this.#holds.release();
  }

  /**
   * Loads what the target does not have, and follows the stream. When it does both at a time, it returns once that is loaded, with the position
   * from which the stream is to be followed again, now with the changes of all tables; else when the signal aborts.
   */
  async #once(known: Position | undefined, routes: Routes, state: SourceState, signal: AbortSignal): Promise<Position | undefined> {
    const { feed, replica, logger } = this.#options;
    this.progress.loading.clear();
    this.progress.snapshots.clear();
    const tables = new SourceTables(state.relations, logger);
    const loader = this.#loader(routes, tables);
    const missing = await loader.missing(state, known);
    if (known !== undefined) {
      checkGap(known, feed, replica);
      this.#storedIs(known);
      this.progress.applied = known;
    }
    await this.indexing.resume(routes, () => this.#options.target.tables(this.source), known, signal, () => (this.progress.phase = 'snapshot'));
    if (signal.aborted) return undefined;
    if (missing.length > 0 || known === undefined) {
      this.progress.phase = 'snapshot';
      if (known !== undefined && !(await loader.canResume(missing))) return this.#join(missing, known, routes, state, tables, signal);
      await this.#load(missing, known, loader, routes, signal);
    }
    if (signal.aborted) return undefined;
    await this.#follow(routes, tables, signal);
    return undefined;
  }

  /** Loads before anything is followed. Returns early when the signal aborts. */
  async #load(missing: readonly Relation[], known: Position | undefined, loader: Loader, routes: Routes, signal: AbortSignal): Promise<void> {
    const { feed, target } = this.#options;
    const snapshot = await feed.source.snapshot(missing, signal);
    if (known === undefined) {
      // From now on a restart reads the stream from here; tables that are loaded later have newer snapshots of their own.
      await target.commit(this.source, snapshot.position, []).catch(async (error: unknown) => {
        await snapshot.close();
        throw error;
      });
      this.#storedIs(snapshot.position);
      this.progress.applied = snapshot.position;
    }
    const left = await loader.load(snapshot, false, signal);
    if (left) throw left;
    await this.indexing.afterLoad(routes, new Set(missing.map(tableAddress)), signal);
  }

  /**
   * Loads tables while the others are followed. Behind their snapshots the stream is kept; when they are loaded it is read again from there, with
   * the changes of these tables only, since the others have theirs. Returns that position, or undefined when the signal aborts.
   */
  async #join(missing: readonly Relation[], known: Position, routes: Routes, state: SourceState, tables: SourceTables, signal: AbortSignal): Promise<Position | undefined> {
    const { feed, target, logger } = this.#options;
    const loaded = new SourceTables(state.relations, logger);
    const loader = this.#loader(routes, loaded);
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    this.#keepFrom = known;
    tables.join(missing);
    try {
      const loading = feed.source.snapshot(missing, either).then((snapshot) => {
        this.#keepFrom = snapshot.position;
        return loader.load(snapshot, true, either);
      }).then(async (left) => {
        if (!left) await this.indexing.afterLoad(routes, new Set(missing.map(tableAddress)), either);
        return left;
      }).finally(() => stop.abort());
      const following = this.#follow(routes, tables, either).finally(() => stop.abort());
      const [followed, read] = await Promise.allSettled([following, loading]);
      if (followed.status === 'rejected') throw followed.reason;
      if (signal.aborted) return undefined;
      if (read.status === 'rejected') throw read.reason;
      const applied = this.progress.applied as Position;
      const from = [loaded.oldest, applied].reduce<Position>((a, b) => (b !== undefined && b < a ? b : a), applied);
      logger.info('tables join the stream', { tables: missing.length, from: feed.source.formatPosition(from), applied: feed.source.formatPosition(applied) });
      await target.join(this.source, from, applied);
      this.#storedIs(from);
      this.progress.applied = from;
      if (read.value) throw read.value;
      return from;
    } finally {
      this.#keepFrom = undefined;
    }
  }

  async #follow(routes: Routes, tables: SourceTables, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if ((await this.#apply(routes, tables, signal)) === 'tooLarge') await this.#applyInPieces(routes, tables, signal);
      } catch (error) {
        if (error instanceof AbandonedTransaction || (error instanceof TablesRefused && (await this.#shapes.refuse(error)))) continue;
        this.release();
        if (error instanceof RowNotSent) await this.#forget(error.relation);
        throw error;
      }
    }
    this.release();
  }

  /** Lets a table be read again by the next attempt. */
  async #forget(relation: Relation): Promise<void> {
    const { target } = this.#options;
    const records = await target.tables(this.source);
    await target.forgetOthers(this.source, records.filter(({ source }) => source !== tableAddress(relation)));
  }

  /** A reader behind what is applied; it closes itself when the signal aborts. */
  #read(signal: AbortSignal): { readonly gatherer: Gatherer; close(): void } {
    const { feed, clock, epochBytesMax } = this.#options;
    const from = this.progress.applied as Position;
    const reader = feed.stream.read(feed.stream.end !== undefined && from > feed.stream.end ? feed.stream.end : from);
    const abort = (): void => reader.close();
    signal.addEventListener('abort', abort, { once: true });
    const gatherer = new Gatherer(reader, { ...limits, bytesMax: epochBytesMax, wholeBytesMax: 2 * epochBytesMax, leavesOut: (origin) => this.#leadsBack(origin) }, clock, signal);
    gatherer.hold = this.#holds.goal;
    this.#gatherer = gatherer;
    const close = (): void => {
      signal.removeEventListener('abort', abort);
      reader.close();
      this.#gatherer = undefined;
    };
    return { gatherer, close };
  }

  /** Changes that came from the target, or through it, have been there: they are not sent back. */
  #leadsBack(origin: Origin): boolean {
    const { database } = this.#options.target;
    return database !== undefined && cameThrough(origin, database);
  }

  /** Applies epoch after epoch, until the signal aborts or one comes that cannot be held at once. */
  async #apply(routes: Routes, tables: SourceTables, signal: AbortSignal): Promise<'tooLarge' | undefined> {
    const { gatherer, close } = this.#read(signal);
    try {
      return await this.#applyEpochs(gatherer, routes, tables, signal);
    } finally {
      close();
    }
  }

  async #applyEpochs(gatherer: Gatherer, routes: Routes, tables: SourceTables, signal: AbortSignal): Promise<'tooLarge' | undefined> {
    const { target, clock } = this.#options;
    const { consistentFrom } = tables;
    let ahead: Epoch | undefined;
    while (!signal.aborted) {
      if ((this.progress.applied as Position) >= consistentFrom) {
        tables.forgetSnapshots();
        this.progress.phase = tables.someJoining ? 'snapshot' : 'streaming';
        if (!tables.someJoining) this.#beganAnew();
      }
      await this.errands.do(this.progress.applied);
      const gathered: Gathered | undefined = ahead?.gathered ?? (await this.#nextOrErrand(gatherer));
      if (!gathered) {
        if (signal.aborted || !(await this.#holds.standStill(signal))) return;
        continue;
      }
      if (gathered.tooLarge) return 'tooLarge';
      this.#pending(gathered.runs);
      const steps: readonly TableStep[] = ahead?.steps ?? (await this.#stepsOf(gathered, routes, tables));
      ahead = undefined;
      let looking: Promise<Epoch | undefined> | undefined;
      const idle = steps.length === 0;
      if (!idle || clock.monotonic() - this.#storedAtMs >= this.#idleAfterMs) {
        const committing = target.commit(this.source, gathered.position, steps, gathered.origin);
        if (gathered.rows >= aheadRowsMin) looking = this.#lookAhead(gatherer, gathered.position, routes, tables);
        looking?.catch(() => undefined); // whatever is wrong with the next epoch, this one is finished first; it is awaited below
        this.#committed(await committing, gathered.position);
      }
      this.#applied(gathered.position);
      ahead = await looking;
    }
    return undefined;
  }

  #pending(runs: readonly Run[]): void {
    const first = runs.find((run) => run.transactions.length > 0);
    this.progress.pendingSinceUs = first?.transactions[0]?.timeUs ?? 0n;
  }

  #committed({ rows }: Committed, position: Position): void {
    const { metrics, replica } = this.#options;
    this.#storedIs(position);
    this.#idleAfterMs = rows > 0 ? idleCommitSoonMs : idleCommitEveryMs;
    this.progress.rows += rows;
    metrics.add('replicaRows', { replica }, rows);
    metrics.add('replicaEpochs', { replica });
  }

  #applied(position: Position): void {
    this.progress.applied = position;
    this.progress.pendingSinceUs = 0n;
    this.#holds.applied(position);
  }

  /** One epoch, made piece by piece while the target takes it in one transaction. */
  async #applyInPieces(routes: Routes, tables: SourceTables, signal: AbortSignal): Promise<void> {
    const epoch = { end: this.progress.applied as Position, shapes: new Set<string>() };
    routes.forgetPast();
    for (;;) {
      try {
        const committed = await this.#options.target.commitPieces(this.source, () => this.#pieces(routes, tables, signal, epoch));
        this.#committed(committed, epoch.end);
        return this.#applied(epoch.end);
      } catch (error) {
        if (!(error instanceof NewShape)) throw error;
        // Runs in the old shape come again before those in the new one.
        for (const relation of error.relations) {
          for (const one of [relation, routes.for(relation)[0]?.relation]) if (one) epoch.shapes.add(shapeKey(one));
          routes.relationChanged(relation);
        }
        await this.#fit();
        if ((await this.#shapes.leavePast()).length > 0) this.tryAgain();
        if (signal.aborted) throw new AbandonedTransaction();
      }
    }
  }

  /** The pieces of the next epoch, from its beginning. Throws NewShape where the target's tables must follow first: not one of `epoch.shapes`. */
  async *#pieces(
    routes: Routes, tables: SourceTables, signal: AbortSignal, epoch: { end: Position; readonly shapes: ReadonlySet<string> },
  ): AsyncGenerator<Piece<TableStep>, void> {
    const { gatherer, close } = this.#read(signal);
    try {
      for await (const { runs, position, origin } of gatherer.pieces(this.progress.applied as Position)) {
        if (this.progress.pendingSinceUs === 0n) this.#pending(runs);
        const steps: TableStep[] = [];
        for (const gathered of runs) {
          const run = tables.withoutLoaded(tables.withoutNew(gathered));
          const changed = this.#shapes.newShapes([run], epoch.shapes);
          if (changed.length > 0 || routes.pastProblems().length > 0) throw new NewShape(changed);
          steps.push(...routes.steps(run));
        }
        epoch.end = position;
        yield { steps, position, origin };
      }
    } finally {
      close();
    }
  }

  /** What the runs of an epoch do to the target. The target's tables follow new shapes first. */
  async #stepsOf(gathered: Gathered, routes: Routes, tables: SourceTables): Promise<TableStep[]> {
    const runs = gathered.runs.map((run) => tables.withoutLoaded(tables.withoutNew(run)));
    if ((await this.#shapes.follow(runs)).length > 0) {
      this.tryAgain();
      throw new AbandonedTransaction();
    }
    return runs.flatMap((run) => routes.steps(run));
  }

  /**
   * Makes the next epoch of what is there already, while the one before it is on its way to the target: under load neither side waits for the
   * other. A table in a new shape is left for later, since the target's table must follow only then.
   */
  async #lookAhead(gatherer: Gatherer, from: Position, routes: Routes, tables: SourceTables): Promise<Epoch | undefined> {
    const gathered = await gatherer.ahead(from);
    if (!gathered) return undefined;
    if (tables.someLoaded || this.#shapes.newShapes(gathered.runs).length > 0) return { gathered };
    const steps = await this.#stepsOf(gathered, routes, tables);
    this.#options.target.prepare?.(steps);
    return { gathered, steps };
  }

  /** The next epoch. Errands that come before it is there are done meanwhile. */
  async #nextOrErrand(gatherer: Gatherer): Promise<Gathered | undefined> {
    const next = this.#nextEpoch(gatherer);
    next.catch(() => undefined); // it is awaited below
    while ((await Promise.race([next.then(() => 'epoch'), this.errands.arrival()])) !== 'epoch') await this.errands.do(this.progress.applied);
    return next;
  }

  /** The next epoch. While none comes, the position of an idle source is written to the target, so that the source can forget what lies before it. */
  async #nextEpoch(gatherer: Gatherer): Promise<Gathered | undefined> {
    const { clock, target } = this.#options;
    const applied = this.progress.applied as Position;
    const next = gatherer.next(applied);
    if (applied === this.#stored) return next;
    next.catch(() => undefined); // it is awaited below, unless the commit fails first
    const came = new AbortController();
    const idle = clock.sleep(Math.max(0, this.#storedAtMs + this.#idleAfterMs - clock.monotonic()), came.signal).then(() => 'idle' as const);
    const first = await Promise.race([next, idle]);
    came.abort();
    if (first !== 'idle') return first;
    await target.commit(this.source, applied, []);
    this.#storedIs(applied);
    this.#idleAfterMs = idleCommitEveryMs;
    return next;
  }

  #storedIs(position: Position): void {
    this.#stored = position;
    this.#storedAtMs = this.#options.clock.monotonic();
    this.#membership.holds(this.#keepFrom !== undefined && this.#keepFrom < position ? this.#keepFrom : position);
  }
}
