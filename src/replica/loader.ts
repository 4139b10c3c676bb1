// The snapshot path of a part: which tables the target does not have yet, and how they get there, several at a time. A large table goes in chunks:
// by where its rows lie, all from one snapshot; a very large one by ranges of its key, each from a snapshot that is not old.
import { assert, type Clock, crashPoint, type Logger, type Metrics, MillraceError } from '../base/index.ts';
import { asPosition, type Batch, type KeyRange, type Position, rangesLeft, type Relation, type Run, tableAddress } from '../data/index.ts';
import { type Chunk, type ChunkedLoad, type Feed, type Load, type LoadedChunk, type Snapshot, type SourceState, TableChanged, TablesRefused, type TableStep } from '../flow/index.ts';
import { type Cut, Cuts } from './cuts.ts';
import { inParallel, Permits } from './parallel.ts';
import type { PartProgress, SnapshotProgress } from './progress.ts';
import type { Route } from './rules/route.ts';
import type { Routes } from './rules/routes.ts';
import type { SourceTables } from './source-tables.ts';
import type { ReplicaTarget } from './target.ts';

export interface SnapshotLimits {
  /** How many connections read at a time. */
  readonly readers: number;
  /** About how long a snapshot is open at the most, where a table can be read from several. */
  readonly ageMsMax: number;
  /** What snapshots may read; undefined: as fast as it goes. */
  readonly bytesPerSec: number | undefined;
}

export interface LoaderOptions {
  readonly replica: string;
  readonly feed: Feed;
  readonly target: ReplicaTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly snapshots: SnapshotLimits;
  /** Called when target tables must follow before the rows of this one are written. The table may be stopped then, and have no route. */
  fit(): Promise<void>;
  /** Stops tables that cannot be read or filled; false where that is no answer. */
  refuse(refused: TablesRefused): Promise<boolean>;
}

/** Tables up to this size are read at once. */
const wholeBytesMax = 32 << 20;
const chunkBytesMin = 1 << 20;
const chunkBytesMax = 256 << 20;
/** A table of this many bytes a second is taken to be readable in time, when nothing limits the rate. */
const bytesPerSecExpected = 20 << 20;

const between = (min: number, value: number, max: number): number => Math.max(min, Math.min(value, max));

export class Loader {
  readonly #options: LoaderOptions;
  readonly #routes: Routes;
  readonly #tables: SourceTables;
  readonly #progress: PartProgress;
  readonly #permits: Permits;
  #since: SourceState['since'] | undefined;
  #applied: Position | undefined;
  /** What has been loaded, or begun, or made for it: by the addresses at source and target. */
  #known: ReadonlySet<string> = new Set();
  #joins = false;
  /** One after the other. */
  #preparing: Promise<void> = Promise.resolve();

  constructor(options: LoaderOptions, routes: Routes, tables: SourceTables, progress: PartProgress) {
    this.#options = options;
    this.#routes = routes;
    this.#tables = tables;
    this.#progress = progress;
    this.#permits = new Permits(options.snapshots.readers);
  }

  /**
   * The relations that some target table has not got, or has from before a break in what was sent of it. The snapshots of the others are noted,
   * as far as `applied` has not passed them.
   */
  async missing({ relations, since }: Pick<SourceState, 'relations' | 'since'>, applied: Position | undefined): Promise<Relation[]> {
    const { feed, target } = this.#options;
    const source = feed.source.name;
    this.#since = since;
    this.#applied = applied;
    const records = await target.tables(source);
    const recordOf = new Map(records.map((table) => [`${table.source} ${table.target}`, table]));
    const bySource = Map.groupBy(records, (table) => table.source);
    this.#known = new Set(recordOf.keys());
    const routed = relations.flatMap((relation) => this.#routes.for(relation).map((route) => ({ relation, source: tableAddress(relation), target: tableAddress(route.target) })));
    const whole = (relation: Relation, address: string): boolean => !bySource.get(address)?.some((table) => table.done && table.snapshotPosition < since(relation));
    await target.forgetOthers(source, routed.filter((each) => whole(each.relation, each.source)).map((each) => ({ source: each.source, target: each.target })));
    const missing = new Set<Relation>();
    for (const { relation, source: address, target: to } of routed) {
      const record = recordOf.get(`${address} ${to}`);
      // Dropped and made again: the stream has nothing of what was in it before it was published.
      if (record?.done && (record.oid === 0 || record.oid === relation.oid) && whole(relation, address)) {
        const passed = applied !== undefined && applied >= record.snapshotPosition;
        this.#tables.loaded(relation, record.snapshotPosition, passed ? [] : await target.chunks(source, address, to));
        this.#progress.snapshotRows.set(address, record.rows);
      } else missing.add(relation);
    }
    return [...missing];
  }

  /** Whether an earlier attempt has left chunks of these tables that can be gone on with, as long as the stream stands where it did. */
  async canResume(relations: readonly Relation[]): Promise<boolean> {
    const { feed, target } = this.#options;
    for (const relation of relations) {
      for (const route of this.#routes.for(relation)) {
        const chunks = await target.chunks(feed.source.name, tableAddress(relation), tableAddress(route.target));
        if (chunks.length > 0 && chunks.every((chunk) => chunk.position >= (this.#applied ?? chunk.position))) return true;
      }
    }
    return false;
  }

  /**
   * Loads the tables of a snapshot, those first that others refer to at the target, and closes it. Returns early when the signal aborts. Returns why
   * a table could not be read that changed meanwhile: the others were read.
   * @param joins The stream goes on meanwhile; see ReplicaTarget.join.
   */
  async load(first: Snapshot, joins: boolean, signal: AbortSignal): Promise<TableChanged | undefined> {
    this.#joins = joins;
    const { target, feed, clock, snapshots } = this.#options;
    const failed = new AbortController();
    let left: TableChanged | undefined;
    const refused: TablesRefused[] = [];
    const loadOne = (relation: Relation): Promise<void> => this.#loadTable(cuts, relation, either).catch(async (error: unknown) => {
      const refusal = refusalOf(relation, error);
      if (refusal && (await this.#options.refuse(refusal))) refused.push(refusal);
      else if (error instanceof TableChanged) left = error;
      else throw error;
      this.#progress.loading.delete(tableAddress(relation));
      this.#progress.snapshots.delete(tableAddress(relation));
    });
    const either = AbortSignal.any([signal, failed.signal]);
    const cuts = new Cuts(first, () => feed.source.snapshot(first.relations, either), clock, snapshots.ageMsMax / 2);
    try {
      const ranks = await target.loadRanks(first.relations.flatMap((relation) => this.#routes.for(relation).map((route) => route.target)));
      const byRank = Map.groupBy(first.relations, (relation) => Math.max(0, ...this.#routes.for(relation).map((route) => ranks.get(tableAddress(route.target)) ?? 0)));
      for (const [, relations] of [...byRank].toSorted(([a], [b]) => a - b)) {
        await inParallel(relations, snapshots.readers, () => failed.abort(), loadOne);
        if (signal.aborted) return undefined;
      }
      // Nothing at all could be read at the first start: that is no matter of single tables.
      if (refused[0] && refused.length === first.relations.length && !joins && this.#applied === undefined) throw refused[0];
      return left;
    } finally {
      await cuts.close();
    }
  }

  async #loadTable(cuts: Cuts, known: Relation, all: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([all, failed.signal]);
    if (signal.aborted) return;
    const address = tableAddress(known);
    crashPoint('snapshot.before-table');
    this.#progress.loading.add(address);
    const cut = await cuts.enter();
    let left = false;
    const leave = async (): Promise<void> => {
      if (!left) await cuts.leave(cut);
      left = true;
    };
    try {
      const { snapshot } = cut;
      const relation = inCut(cut, known);
      await this.#prepareFor(snapshot, relation, signal);
      const size = snapshot.estimate(relation);
      const routes = this.#routes.for(relation);
      for (const route of routes) {
        const startedMs = this.#options.clock.monotonic();
        this.#progress.snapshots.set(address, { rows: 0, bytes: 0, rowsBefore: 0, rowsEstimate: size.rows, bytesEstimate: size.bytes, startedMs });
        this.#options.logger.info('loading', { table: address, to: tableAddress(route.target), rowsEstimate: size.rows });
        await this.#options.target.alone(route.target, async () => {
          const plan = signal.aborted ? undefined : await this.#chunksOf(snapshot, relation, route, routes.length === 1);
          // From here on ranges of keys look for a snapshot of their own.
          if (plan?.byKey) await leave();
          const loads = plan?.chunks ?? [undefined];
          const loaded: LoadedChunk[] = [...(plan?.done ?? [])];
          const loadOne = async (chunk: Chunk | undefined): Promise<void> => {
            if (signal.aborted) return;
            const inKeys = chunk && 'keys' in chunk;
            const own = inKeys ? await cuts.enter() : cut;
            try {
              const as = inCut(own, relation);
              if (inKeys && own !== cut && (await own.snapshot.shape(as)) !== plan?.load.shape) throw new TableChanged(relation);
              await this.#loadInto(route, as, own.snapshot, chunk, plan?.load, signal);
              if (inKeys) loaded.push({ keys: chunk.keys, position: own.snapshot.position, rows: 0, shape: '' });
            } finally {
              if (inKeys) await cuts.leave(own);
            }
          };
          await inParallel(loads, loads.length, () => failed.abort(), (chunk) => this.#permits.with(() => loadOne(chunk)));
          if (signal.aborted) return;
          const position = plan?.byKey ? loaded.reduce((max, chunk) => (chunk.position > max ? chunk.position : max), snapshot.position) : snapshot.position;
          if (plan) await this.#options.target.endChunks(plan.load, position);
          this.#tables.loaded(relation, position, loaded);
        });
        if (signal.aborted) return;
      }
      this.#progress.loading.delete(address);
      this.#progress.snapshots.delete(address);
    } finally {
      await leave();
    }
  }

  /** The routes and the target follow the shape that a table has in the snapshot: it may have changed, or have been made again, since the source was opened. */
  async #prepareFor(snapshot: Snapshot, relation: Relation, signal: AbortSignal): Promise<void> {
    this.#tables.add(relation);
    const before = this.#routes.targets;
    if (this.#routes.for(relation)[0]?.relation.version !== relation.version) this.#routes.relationChanged(relation);
    if (this.#routes.for(relation).some((route) => route.rule?.row)) {
      for await (const batch of snapshot.read(relation, signal, 'first')) this.#routes.probe(relation, batch);
    }
    if (signal.aborted || this.#routes.targets === before) return;
    const prepared = this.#preparing.then(() => this.#options.fit());
    this.#preparing = prepared.catch(() => undefined);
    await prepared;
  }

  /** How a table is cut, if it is; its load is begun then. */
  async #chunksOf(
    snapshot: Snapshot, relation: Relation, route: Route, isOnlyRoute: boolean,
  ): Promise<{ load: ChunkedLoad; byKey: boolean; chunks: readonly Chunk[]; done: readonly LoadedChunk[] } | undefined> {
    const { feed, target, snapshots } = this.#options;
    const { bytes } = snapshot.estimate(relation);
    const inTimeBytes = ((snapshots.bytesPerSec ?? bytesPerSecExpected) * snapshots.ageMsMax) / 2000;
    if (bytes <= Math.min(wholeBytesMax, inTimeBytes) || this.#keeps(route, relation)) return undefined;
    const keyBytes = between(chunkBytesMin, inTimeBytes / 16, chunkBytesMax);
    const bounds = isOnlyRoute && bytes > inTimeBytes ? await snapshot.bounds(relation, keyBytes) : undefined;
    const byKey = bounds !== undefined;
    const load: ChunkedLoad = {
      part: feed.source.name, from: relation, target: route.target, shape: await snapshot.shape(relation), resumes: byKey && !this.#joins, joins: this.#joins,
      // Behind older chunks the stream has gone on without them.
      since: [this.#since?.(relation), this.#applied].reduce<Position>((a, b) => (b !== undefined && b > a ? b : a), asPosition(0n)),
    };
    const done = await target.beginChunks(load);
    if (!done) return undefined;
    const progress = this.#progressOf(relation);
    progress.rows = progress.rowsBefore = done.reduce((sum, chunk) => sum + chunk.rows, 0);
    const chunks = bounds ? rangesLeft(done.map(({ keys }) => keys), bounds).map((keys: KeyRange) => ({ keys })) : await snapshot.places(relation, between(wholeBytesMax / 2, bytes / 16, chunkBytesMax));
    if (done.length > 0) this.#options.logger.info('going on with a snapshot', { table: tableAddress(relation), chunksDone: done.length, chunksLeft: chunks.length });
    return { load, byKey, chunks, done };
  }

  async #loadInto(route: Route, from: Relation, snapshot: Snapshot, chunk: Chunk | undefined, begun: ChunkedLoad | undefined, signal: AbortSignal): Promise<void> {
    const { feed, target } = this.#options;
    const { position } = snapshot;
    const steps = this.#steps(route, from, snapshot.read(from, signal, chunk), position);
    const note: Pick<Load, 'chunk' | 'keeps'> = this.#keeps(route, from) ? { keeps: true } : chunk && begun ? { chunk: { keys: 'keys' in chunk ? chunk.keys : chunk.place, shape: begun.shape } } : {};
    const loaded = await target.load({ part: feed.source.name, from, target: route.target, position, joins: this.#joins, steps, ...note }, signal);
    this.#progress.rows += loaded.rows;
  }

  /** Rows that were there before this replica are not touched, if that is wanted. */
  #keeps(route: Route, from: Relation): boolean {
    return this.#routes.keepsExisting(route) && !this.#known.has(`${tableAddress(from)} ${tableAddress(route.target)}`);
  }

  #progressOf(relation: Relation): SnapshotProgress {
    const progress = this.#progress.snapshots.get(tableAddress(relation));
    assert(progress, 'a table that is not being read');
    return progress;
  }

  /** Snapshot rows are written as those of a transaction that commits at the snapshot's position: that is what their meta columns say. */
  async *#steps(route: Route, from: Relation, batches: AsyncIterable<Batch>, position: Position): AsyncGenerator<TableStep> {
    const { clock, metrics, replica } = this.#options;
    const table = tableAddress(from);
    const progress = this.#progressOf(from);
    const timeUs = BigInt(Math.round(clock.now())) * 1000n;
    for await (const batch of batches) {
      const run: Run = { transactions: [{ xid: 0, commit: position, end: position, timeUs, firstSeq: 0 }], batches: [batch], open: false, position };
      const write = route.write(batch, run);
      if (write) yield { kind: 'rows', writes: [write] };
      progress.rows += batch.count;
      progress.bytes += batch.after.bytes.length;
      this.#progress.snapshotRows.set(table, progress.rows);
      metrics.add('snapshotRows', { replica, table }, batch.count);
    }
  }
}

/** Why a table cannot be read or filled, if it is not for something that all have in common or that may pass. */
function refusalOf(relation: Relation, error: unknown): TablesRefused | undefined {
  const isOfTable = error instanceof TablesRefused || (error instanceof MillraceError && !error.retriable && (error.code === 'PRIVILEGE_MISSING' || error.code === 'TARGET_MISMATCH'));
  return isOfTable ? new TablesRefused('source', [tableAddress(relation)], error) : undefined;
}

/** The table as a snapshot has it. */
function inCut({ snapshot }: Cut, known: Relation): Relation {
  const found = snapshot.relations.find((relation) => relation.oid === known.oid);
  if (!found) throw new TableChanged(known);
  return found;
}
