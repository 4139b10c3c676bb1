// The indexes of a part's target tables: made between a table's load and its stream, or, of tables that are followed already, beside the stream.
import { asMillraceError, Backoff, type Clock, type Logger, MillraceError, Random } from '../base/index.ts';
import { type Position, tableAddress } from '../data/index.ts';
import type { IndexMaker, LoadedTable, MissingIndex, TargetTable } from '../flow/index.ts';
import type { SnapshotLimits } from './loader.ts';
import { inParallel } from './parallel.ts';
import type { PartProgress } from './progress.ts';
import type { Routes } from './rules/routes.ts';
import type { TableStates } from './table-states.ts';

export interface IndexingOptions {
  readonly indexes: IndexMaker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly snapshots: SnapshotLimits;
  /** Aborts when the replica ends. */
  readonly stopping: AbortSignal;
  /** How many source tables of the whole replica go to a table. */
  sharers(target: string): number;
  /** Hears that the indexes of a table are others now. */
  indexesChanged(): void;
}

/** What others may have made meanwhile is looked at this often; what the server has refused, seldom. */
const lookAgainMs = 3000;
const lookSeldomMs = 30_000;
const lookAtUniqueMs = 1000;

export class Indexing {
  readonly #options: IndexingOptions;
  readonly #states: TableStates;
  readonly #progress: Pick<PartProgress, 'loading'>;
  /** Those that are made beside the stream, by address; of each the newest shape. */
  readonly #beside = new Map<string, { target: TargetTable; sources: readonly string[] }>();
  /** What the server will not make in this process's life, unless the table is read again; by index. */
  readonly #refused = new Set<string>();
  readonly #toMake = new Set<string>();
  #working: Promise<void> | undefined;
  #wake = new AbortController();

  constructor(options: IndexingOptions, states: TableStates, progress: Pick<PartProgress, 'loading'>) {
    this.#options = options;
    this.#states = states;
    this.#progress = progress;
  }

  /** Whether some are still made beside the stream. */
  get busy(): boolean {
    return this.#toMake.size > 0;
  }

  /** Resolves when nothing is done any more, after `stopping`. */
  async ended(): Promise<void> {
    await this.#working;
  }

  /**
   * Of tables that are loaded already. Where an attempt ended between a table's load and its indexes, nothing of its stream is applied yet: then they
   * are made before that. All others are made beside the stream.
   */
  async resume(routes: Routes, readRecords: () => Promise<readonly LoadedTable[]>, applied: Position | undefined, signal: AbortSignal, begins: () => void): Promise<void> {
    const wanted = routes.targets.filter((target) => target.indexes);
    if (wanted.length === 0) return;
    const records = await readRecords();
    const loaded = wanted.filter((target) => records.some((record) => record.done && record.target === tableAddress(target)));
    if (loaded.length === 0) return;
    const missing = await this.#options.indexes.missing(loaded);
    const isFresh = (target: TargetTable): boolean => !this.#beside.has(tableAddress(target))
      && records.filter((record) => record.target === tableAddress(target)).every((record) => record.done && (applied === undefined || applied <= record.snapshotPosition));
    const fresh = missing.filter(({ table, index }) => isFresh(table) && !this.#refused.has(index.name));
    if (fresh.length > 0) begins();
    await this.#make(fresh, routes, new Set(routes.relations.map(tableAddress)), signal);
    for (const target of loaded) if (missing.some(({ table }) => table === target)) this.#makeBeside(target, routes.sourcesOf(tableAddress(target)));
  }

  /** Of what has been loaded just now (addresses at the source) and is not followed yet. Resolves when they are there, or cannot be made. */
  async afterLoad(routes: Routes, loaded: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const wanted = routes.targets.filter((target) => target.indexes && routes.sourcesOf(tableAddress(target)).some((source) => loaded.has(source)));
    if (wanted.length === 0 || signal.aborted) return;
    for (const { indexes } of wanted) for (const { name } of indexes ?? []) this.#refused.delete(name);
    await this.#make(await this.#options.indexes.missing(wanted), routes, loaded, signal);
  }

  /** @param quiet Tables of the source that are not followed now. */
  async #make(missing: readonly MissingIndex[], routes: Routes, quiet: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const { indexes, snapshots } = this.#options;
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const byTable = [...Map.groupBy(missing, ({ table }) => tableAddress(table))];
    await inParallel(byTable, snapshots.readers, () => failed.abort(), async ([address, those]) => {
      const sources = routes.sourcesOf(address);
      if (!indexes.allowed) {
        for (const { table } of those) this.#makeBeside(table, sources);
        return;
      }
      const written = those.some(({ table }) => table.guarded) || this.#options.sharers(address) > sources.filter((source) => quiet.has(source)).length;
      for (const source of sources) this.#progress.loading.add(source);
      try {
        for (const one of those) await this.#makeOne(one, sources, written, either);
      } finally {
        for (const source of sources) this.#progress.loading.delete(source);
      }
    });
  }

  /** Waits for locks as long as it takes; any other failure that may pass is thrown. */
  async #makeOne(one: MissingIndex, sources: readonly string[], written: boolean, signal: AbortSignal): Promise<void> {
    const { indexes, clock } = this.#options;
    while (!signal.aborted) {
      this.#tell(sources, one, { state: 'making' });
      try {
        await indexes.make(one, written, signal);
        return this.#made(sources, one);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asMillraceError(thrown);
        if (!error.retriable) return this.#refuse(sources, one, error);
        if (error.code !== 'TARGET_BUSY') throw error;
        this.#tell(sources, one, { state: 'making', reason: error.message });
        await clock.sleep(1000, signal);
      }
    }
  }

  #makeBeside(target: TargetTable, sources: readonly string[]): void {
    this.#beside.set(tableAddress(target), { target, sources });
    if (this.#options.indexes.allowed) for (const { name } of target.indexes ?? []) if (!this.#refused.has(name)) this.#toMake.add(name);
    this.#wake.abort();
    this.#begin();
  }

  #begin(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      if (this.#beside.size > 0 && !this.#options.stopping.aborted) this.#begin();
    });
  }

  /** One index after the other, until all are there. */
  async #work(): Promise<void> {
    const { indexes, clock, stopping } = this.#options;
    const backoff = new Backoff(new Random(process.pid));
    while (this.#beside.size > 0 && !stopping.aborted) {
      this.#wake = new AbortController();
      try {
        const missing = await indexes.missing([...this.#beside.values()].map(({ target }) => target));
        this.#forgetMade(missing);
        if (indexes.allowed) await this.#makeAll(missing.filter(({ index }) => !this.#refused.has(index.name)));
        else for (const one of missing) this.#pending(one);
        backoff.reset();
        if (this.#beside.size > 0) await clock.sleep(indexes.allowed ? lookSeldomMs : lookAgainMs, AbortSignal.any([stopping, this.#wake.signal]));
      } catch (error) {
        if (stopping.aborted) return;
        // The target may be away: the stream says so.
        this.#options.logger.info('indexes are tried again', { error: asMillraceError(error).message });
        await clock.sleep(backoff.next(), stopping);
      }
    }
  }

  async #makeAll(missing: readonly MissingIndex[]): Promise<void> {
    const { indexes, stopping } = this.#options;
    for (const one of missing) {
      const sources = this.#beside.get(tableAddress(one.table))?.sources ?? [];
      if (stopping.aborted) return;
      this.#tell(sources, one, { state: 'making' });
      // One that is unique refuses rows long before it is there.
      const looking = one.index.unique ? setInterval(() => this.#options.indexesChanged(), lookAtUniqueMs) : undefined;
      try {
        await indexes.make(one, true, stopping).finally(() => clearInterval(looking));
        this.#made(sources, one);
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (error.retriable) {
          this.#tell(sources, one, { state: 'making', reason: error.message });
          throw error;
        }
        this.#refuse(sources, one, error);
      }
    }
    this.#forgetMade(await indexes.missing([...this.#beside.values()].map(({ target }) => target)));
  }

  /** Also those that somebody else has made. */
  #forgetMade(missing: readonly MissingIndex[]): void {
    const left = new Set(missing.map(({ index }) => index.name));
    for (const [address, { target, sources }] of this.#beside) {
      const here = (target.indexes ?? []).filter(({ name }) => !left.has(name));
      for (const { name } of here) {
        this.#refused.delete(name);
        this.#toMake.delete(name);
        for (const source of sources) if (this.#states.indexThere(source, name)) this.#options.indexesChanged();
      }
      if (here.length === (target.indexes ?? []).length) this.#beside.delete(address);
    }
  }

  #made(sources: readonly string[], { index, sql }: MissingIndex): void {
    this.#toMake.delete(index.name);
    for (const source of sources) {
      this.#states.indexThere(source, index.name);
      this.#states.changed(source, `the index ${index.name} is there: ${sql}`);
    }
    this.#options.indexesChanged();
  }

  #refuse(sources: readonly string[], one: MissingIndex, error: MillraceError): void {
    const { index, table } = one;
    this.#toMake.delete(index.name);
    this.#refused.add(index.name);
    const reason = `the index ${index.name} could not be made: ${error.message}${error.detail === undefined ? '' : ` (${error.detail})`} [${error.code}]`;
    this.#options.logger.warn('the table goes on without an index', { table: tableAddress(table), reason, next: error.hint });
    for (const source of sources) this.#states.changed(source, reason);
    this.#tell(sources, one, { state: 'failed', reason, next: error.hint });
    // Somebody may mend it.
    this.#makeBeside(table, sources);
  }

  #pending(one: MissingIndex): void {
    const { index, table, sql } = one;
    const sources = this.#beside.get(tableAddress(table))?.sources ?? [];
    const reason = `the index ${index.name} is pending: --no-ddl leaves it to you`;
    if (sources.some((source) => !this.#states.knowsIndex(source, index.name))) this.#options.logger.warn('an index is pending', { table: tableAddress(table), next: sql });
    this.#tell(sources, one, { state: 'pending', reason, next: sql });
  }

  #tell(sources: readonly string[], { index }: MissingIndex, note: { state: 'making' | 'pending' | 'failed'; reason?: string; next?: string }): void {
    for (const source of sources) this.#states.index(source, { name: index.name, ...note });
  }
}
