// Brings rules and target into line with the shapes of a part's tables. A table that does not fit is stopped; the others go on.
import type { MillraceError } from '../base/index.ts';
import { type Position, type Relation, type Run, tableAddress } from '../data/index.ts';
import type { LoadedTable, TableStop } from '../flow/index.ts';
import { problemError } from './rules/problem.ts';
import type { Routes } from './rules/routes.ts';
import type { TableStates } from './table-states.ts';

/** What became of the target. Tables are named by their addresses there. */
export interface Prepared {
  /** One that cannot be written; nothing was changed then. */
  readonly refused?: { readonly table: string; readonly error: MillraceError };
  readonly changes: readonly { readonly table: string; readonly what: string }[];
  /** Marked to be read again: their rows do not show what became of them at the source. */
  readonly readAgain: readonly string[];
}

export interface FittingOptions {
  readonly replica: string;
  readonly source: string;
  readonly states: TableStates;
  /** Up to here the source's tables had the shapes that the routes began with, or older ones. */
  readonly shapesFrom: Position;
  prepare(routes: Routes): Promise<Prepared>;
  /** Marks tables of the source to be read again. */
  forget(tables: readonly string[]): Promise<void>;
  keepStop(table: string, stop: TableStop): Promise<void>;
}

/** A table in one shape. */
export const shapeKey = (relation: Relation): string => `${relation.oid} ${relation.version}`;

export class Fitting {
  readonly #options: FittingOptions;
  readonly #routes: Routes;
  /** Tables that have been loaded once. Of the others nothing would be lost by giving up, so that a slip in a new rule shows at once. */
  readonly #loaded: Set<string>;

  constructor(options: FittingOptions, routes: Routes, records: readonly LoadedTable[]) {
    this.#options = options;
    this.#routes = routes;
    this.#loaded = new Set(records.map((record) => record.source));
    options.states.begin();
    for (const { source, stopped } of records) {
      if (stopped?.waits !== 'resync') continue;
      routes.stop(source);
      options.states.stopped(source, stopped);
    }
  }

  /** Everything is loaded. */
  streams(): void {
    for (const relation of this.#routes.relations) this.#loaded.add(tableAddress(relation));
  }

  /**
   * Relations of runs in a shape that is newer than the one known last; of a table the last one. The others of these runs are noted as past, and
   * so is what is in `seen`, and what the catalog had passed already when it was read.
   */
  newShapes(runs: readonly Run[], seen: ReadonlySet<string> = new Set()): Relation[] {
    const routes = this.#routes;
    const last = new Map<number, Relation>();
    const met: Relation[] = [];
    for (const run of runs) {
      for (const relation of [...run.batches.map((batch) => batch.relation), ...(run.truncate?.relations ?? [])]) {
        const isOld = seen.has(shapeKey(relation)) || (run.position <= this.#options.shapesFrom && routes.covers(relation));
        if (isOld && !routes.isKnown(relation)) routes.isPast(relation);
        else {
          met.push(relation);
          last.set(relation.oid, relation);
        }
      }
    }
    for (const relation of met) if (last.get(relation.oid)?.version !== relation.version) routes.isPast(relation);
    return [...last.values()].filter((relation) => routes.isNew(relation));
  }

  /**
   * Lets the target follow the newest shapes of an epoch before anything of it is applied; rows in older ones go to the table as it is then.
   * Returns the tables that must be read again.
   */
  async follow(runs: readonly Run[]): Promise<string[]> {
    const routes = this.#routes;
    routes.forgetPast();
    const changed = this.newShapes(runs);
    for (const relation of changed) routes.relationChanged(relation);
    return [...(changed.length > 0 ? await this.fit() : []), ...(await this.leavePast())];
  }

  /** Stops tables whose rules cannot work for an older shape of which there are rows, and returns those that must be read again because the target has no place for such rows. */
  async leavePast(): Promise<string[]> {
    const readAgain = new Set<string>();
    for (const { relation, error } of this.#routes.pastProblems()) {
      const table = tableAddress(relation);
      // Its rules are made for the newer shape.
      if (error) await this.#stop([table], error, { reason: `${error.message} [${error.code}]`, next: error.hint, waits: 'fit' });
      else readAgain.add(table);
    }
    if (readAgain.size > 0) await this.#options.forget([...readAgain]);
    for (const table of readAgain) this.#options.states.changed(table, 'rows of an earlier shape have no column in common with it any more: it is read again');
    return [...readAgain];
  }

  /** Returns the tables that must be read again. Throws what concerns a table that has never been loaded, or no table at all, or may pass. */
  async fit(): Promise<string[]> {
    const routes = this.#routes;
    for (;;) {
      const [problem] = routes.problems;
      if (problem) {
        const waits = problem.code === 'SCHEMA_CHANGED' ? 'resync' : 'fit';
        const next = waits === 'resync' ? `millrace resync ${this.#options.replica}.${problem.table}` : problem.hint;
        await this.#stop([problem.table], problemError(problem), { reason: `${problem.message} [${problem.code}]`, next, waits });
        continue;
      }
      const { refused, changes, readAgain } = await this.#options.prepare(routes);
      if (!refused) {
        for (const { table, what } of changes) for (const source of routes.sourcesOf(table)) this.#options.states.changed(source, what);
        for (const { table, what } of routes.notes) this.#options.states.changed(table, what);
        return readAgain.flatMap((table) => routes.sourcesOf(table));
      }
      const { table, error } = refused;
      const sources = routes.sourcesOf(table);
      const again = `millrace resync ${this.#options.replica}.${sources[0]}`;
      // That a statement failed says nothing about when it will not.
      const stop: Pick<TableStop, 'next' | 'waits'> = error.code === 'TARGET_MISMATCH' ? { next: error.hint, waits: 'fit' }
        : error.code === 'PRIVILEGE_MISSING' ? { next: `${error.hint}; then ${again}`, waits: 'start' }
        : { next: `let the statement succeed at the target: ${error.where ?? ''}; then ${again}`, waits: 'start' };
      await this.#stop(sources, error, { reason: `${error.message} [${error.code}]`, ...stop });
    }
  }

  /** Stops tables that cannot go on. Throws the error if one of them is none of this part's, or has never been loaded. */
  async #stop(tables: readonly string[], error: MillraceError, stop: TableStop): Promise<void> {
    if (tables.length === 0 || !tables.every((table) => this.#loaded.has(table))) throw error;
    for (const table of tables) {
      // First it is noted that the table must be read again; then its changes may be passed over.
      await this.#options.keepStop(table, stop);
      this.#routes.stop(table);
      this.#options.states.stopped(table, stop);
    }
  }
}
