// The snapshot path of a part: which tables the target does not have yet, and how one gets there.
import { type Clock, crashPoint, type Logger, type Metrics } from '../base/index.ts';
import { type Batch, type Position, type Relation, type Run, tableAddress } from '../data/index.ts';
import type { Feed, Snapshot, SourceState, TableStep } from '../flow/index.ts';
import type { PartProgress } from './progress.ts';
import type { Route } from './rules/route.ts';
import type { Routes } from './rules/routes.ts';
import type { SourceTables } from './source-tables.ts';
import type { ReplicaTarget } from './target.ts';

export interface LoaderOptions {
  readonly replica: string;
  readonly feed: Feed;
  readonly target: ReplicaTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Called when the shape of target tables must follow. */
  prepare(routes: Routes): Promise<void>;
}

export class Loader {
  readonly #options: LoaderOptions;
  readonly #routes: Routes;
  readonly #tables: SourceTables;
  readonly #progress: PartProgress;

  constructor(options: LoaderOptions, routes: Routes, tables: SourceTables, progress: PartProgress) {
    this.#options = options;
    this.#routes = routes;
    this.#tables = tables;
    this.#progress = progress;
  }

  /** The relations that some target table has not got, or has from before a break in what was sent of it. The snapshots of the others are noted. */
  async missing({ relations, since }: Pick<SourceState, 'relations' | 'since'>): Promise<Relation[]> {
    const { feed, target } = this.#options;
    const source = feed.source.name;
    const records = await target.tables(source);
    const routed = relations.flatMap((relation) => this.#routes.for(relation).map((route) => ({ relation, source: tableAddress(relation), target: tableAddress(route.target) })));
    const whole = (relation: Relation, address: string): boolean => !records.some((table) => table.done && table.source === address && table.snapshotPosition < since(relation));
    await target.forgetOthers(source, routed.filter((each) => whole(each.relation, each.source)).map((each) => ({ source: each.source, target: each.target })));
    const missing = new Set<Relation>();
    for (const { relation, source: address, target: to } of routed) {
      const record = records.find((table) => table.source === address && table.target === to);
      // Dropped and made again: the stream has nothing of what was in it before it was published.
      if (record?.done && (record.oid === 0 || record.oid === relation.oid) && whole(relation, address)) {
        this.#tables.loaded(relation, record.snapshotPosition);
        this.#progress.snapshotRows.set(address, record.rows);
      } else missing.add(relation);
    }
    return [...missing];
  }

  /** Loads the tables of a snapshot, those first that others refer to at the target. Returns early when the signal aborts. */
  async load(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const ranks = await this.#options.target.loadRanks(snapshot.relations.flatMap((relation) => this.#routes.for(relation).map((route) => route.target)));
    const rankOf = (relation: Relation): number => Math.max(0, ...this.#routes.for(relation).map((route) => ranks.get(tableAddress(route.target)) ?? 0));
    for (const relation of snapshot.relations.toSorted((a, b) => rankOf(a) - rankOf(b))) {
      await this.#loadTable(snapshot, relation, signal);
      if (signal.aborted) return;
    }
  }

  async #loadTable(snapshot: Snapshot, relation: Relation, signal: AbortSignal): Promise<void> {
    const address = tableAddress(relation);
    crashPoint('snapshot.before-table');
    this.#progress.loading.add(address);
    // It may have changed, or have been made again, since the source was opened.
    const changed = this.#routes.for(relation)[0]?.relation.version !== relation.version;
    if (changed) this.#routes.relationChanged(relation);
    this.#tables.add(relation);
    const first = await firstOf(snapshot.read(relation, signal));
    if (signal.aborted) return;
    if (first.value) this.#routes.probe(relation, first.value);
    if (changed || first.value) await this.#options.prepare(this.#routes);
    let batches = first.all;
    for (const route of this.#routes.for(relation)) {
      this.#options.logger.info('loading', { table: address, to: tableAddress(route.target), rowsEstimate: snapshot.estimate(relation) });
      await this.#loadInto(route, relation, batches, snapshot.position, signal);
      if (signal.aborted) return;
      batches = snapshot.read(relation, signal);
    }
    this.#tables.loaded(relation, snapshot.position);
    this.#progress.loading.delete(address);
  }

  async #loadInto(route: Route, from: Relation, batches: AsyncIterable<Batch>, position: Position, signal: AbortSignal): Promise<void> {
    const { feed, target, metrics, replica } = this.#options;
    const table = tableAddress(from);
    let rows = 0;
    const steps = this.#steps(route, batches, position, (count) => {
      rows += count;
      this.#progress.snapshotRows.set(table, rows);
      metrics.add('snapshotRows', { replica, table }, count);
    });
    const loaded = await target.load({ part: feed.source.name, from, target: route.target, position, steps }, signal);
    this.#progress.rows += loaded.rows;
  }

  /** Snapshot rows are written as those of a transaction that commits at the snapshot's position: that is what their meta columns say. */
  async *#steps(route: Route, batches: AsyncIterable<Batch>, position: Position, onRows: (count: number) => void): AsyncGenerator<TableStep> {
    const timeUs = BigInt(Math.round(this.#options.clock.now())) * 1000n;
    for await (const batch of batches) {
      const run: Run = { transactions: [{ xid: 0, commit: position, end: position, timeUs, firstSeq: 0 }], batches: [batch], open: false, position };
      const write = route.write(batch, run);
      if (write) yield { kind: 'rows', writes: [write] };
      onRows(batch.count);
    }
  }
}

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
