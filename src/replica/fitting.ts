// Brings rules and target into line with the shapes of a part's tables. A table that does not fit is stopped; the others go on.
import type { MillraceError } from '../base/index.ts';
import { type Position, type Relation, type Run, tableAddress } from '../data/index.ts';
import type { LoadedTable, Source, TablesRefused, TableStop } from '../flow/index.ts';
import { problemError, type RuleProblem } from './rules/problem.ts';
import type { Routes } from './rules/routes.ts';
import type { TableStates } from './table-states.ts';

/** A table of the target, by its address, that cannot be written. */
export interface TableRefusal {
  readonly table: string;
  readonly error: MillraceError;
}

/** What became of the target. Tables are named by their addresses there. */
export interface Prepared {
  /** One that cannot be written; nothing was changed then. */
  readonly refused?: TableRefusal;
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
  compile(relations: readonly Relation[]): Promise<Routes>;
  prepare(routes: Routes): Promise<Prepared>;
  refusals(routes: Routes): Promise<readonly TableRefusal[]>;
  /** Relations as they are at the source now. */
  current(relations: readonly Relation[]): Promise<readonly Relation[]>;
  /** Marks tables of the source to be read again. */
  forget(tables: readonly string[]): Promise<void>;
  keepStop(table: string, stop: TableStop): Promise<void>;
}

/** The tables of the stream in the shapes that they have by now, which may not be those of when the source was opened. */
export async function currentShapes(source: Source, relations: readonly Relation[]): Promise<Relation[]> {
  const current = new Map((await source.readRelations()).map((relation) => [relation.oid, relation]));
  return relations.map((relation) => {
    const now = current.get(relation.oid);
    return now && tableAddress(now) === tableAddress(relation) ? now : relation;
  });
}

/** A table in one shape. */
export const shapeKey = (relation: Relation): string => `${relation.oid} ${relation.version}`;

export class Fitting {
  readonly #options: FittingOptions;
  readonly #routes: Routes;
  /** Up to here the source's tables had the shapes that the routes have now, or older ones. */
  #shapesFrom: Position;
  /** The end of what was looked at last. */
  #followed: Position;
  /** Before anything was loaded, nothing would be lost by giving up: a slip in a rule shows at once. Later a table stops alone. */
  #mayStop: boolean;

  constructor(options: FittingOptions, routes: Routes, records: readonly LoadedTable[]) {
    this.#options = options;
    this.#routes = routes;
    this.#shapesFrom = this.#followed = options.shapesFrom;
    this.#mayStop = records.some((record) => record.done || record.rows > 0);
    options.states.begin();
    for (const { source, stopped } of records) {
      if (stopped?.waits !== 'resync') continue;
      routes.stop(source);
      options.states.stopped(source, stopped);
    }
  }

  /** Lets the target follow before anything is written. Tables that were stopped and fit again are read again. */
  async begin(records: readonly LoadedTable[]): Promise<void> {
    const { states, forget } = this.#options;
    await this.fit();
    this.#mayStop = true;
    const ended = new Set(records.filter((record) => record.stopped && !states.all.get(record.source)?.stop).map((record) => record.source));
    if (ended.size === 0) return;
    await forget([...ended]);
    for (const table of ended) states.changed(table, 'it fits again, and is read again');
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
      // A transaction that goes on in the next run does not end where the one before it did.
      const isBefore = ((run.open ? run.transactions.at(-1)?.commit : undefined) ?? run.position) <= this.#shapesFrom;
      for (const relation of [...run.batches.map((batch) => batch.relation), ...(run.truncate?.relations ?? [])]) {
        const isOld = seen.has(shapeKey(relation)) || (isBefore && routes.covers(relation));
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
    this.#followed = runs.at(-1)?.position ?? this.#followed;
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

  /** Returns the tables that must be read again. Throws what concerns no table of this part, or may pass. */
  async fit(): Promise<string[]> {
    const routes = this.#routes;
    for (;;) {
      const [problem] = routes.problems;
      if (problem) {
        await this.#stop([problem.table], problemError(problem), this.#stopFor(problem));
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
      await this.#stop(sources, error, this.#stopAt(error, sources[0]));
    }
  }

  /** Whether a stopped table would go on in a new attempt. What has taken the place of the reason for which another one was stopped is told. */
  async fitsAgain(): Promise<boolean> {
    const { states, compile, refusals, keepStop } = this.#options;
    const { waiting } = states;
    if (waiting.length === 0) return false;
    // As a new attempt would have them: of a change of a type the stream does not tell.
    const trial = await compile(await this.#options.current(this.#routes.relations));
    const refused = new Map((await refusals(trial)).flatMap(({ table, error }) => trial.sourcesOf(table).map((source) => [source, this.#stopAt(error, source)])));
    let fits = false;
    for (const table of waiting) {
      const problem = trial.problems.find((one) => one.table === table);
      const stop = problem ? this.#stopFor(problem) : refused.get(table);
      if (!stop) fits = true;
      else if (stop.reason !== states.all.get(table)?.stop?.reason) {
        await keepStop(table, stop);
        states.stopped(table, stop);
      }
    }
    return fits;
  }

  #stopFor(problem: RuleProblem): TableStop {
    const waits = problem.code === 'SCHEMA_CHANGED' ? 'resync' : 'fit';
    const next = waits === 'resync' ? `millrace resync ${this.#options.replica}.${problem.table}` : problem.hint;
    return { reason: `${problem.message} [${problem.code}]`, next, waits };
  }

  /** @param table That at the source. */
  #stopOf(refused: TablesRefused, table: string | undefined): TableStop {
    const reason = `${refused.message} [${refused.code}]`;
    // What a rule forbids, no new attempt makes better.
    if (refused.code === 'RULE_INVALID') return { reason, next: refused.hint, waits: 'resync' };
    // A table that somebody has changed at the target is mended by the next attempt.
    if (refused.code === 'TARGET_MISMATCH' && refused.side === 'target') return { reason, next: refused.hint, waits: 'fit' };
    return { reason, next: `${refused.hint.replace(/;$/, '')}; then millrace resync ${this.#options.replica}.${table}`, waits: 'start' };
  }

  /** @param table That at the source. */
  #stopAt(error: MillraceError, table: string | undefined): TableStop {
    const reason = `${error.message} [${error.code}]`;
    const again = `millrace resync ${this.#options.replica}.${table}`;
    const { hint } = error;
    if (error.code === 'TARGET_MISMATCH') return { reason, ...(hint === undefined ? {} : { next: hint }), waits: 'fit' };
    // That a statement failed says nothing about when it will not.
    if (error.code === 'PRIVILEGE_MISSING') return { reason, next: `${hint}; then ${again}`, waits: 'start' };
    return { reason, next: `let the statement succeed at the target: ${error.where ?? ''}; then ${again}`, waits: 'start' };
  }

  /** What is refused of some tables stops them; the routes have them no more. False: it is not only about tables of this part. */
  async refuse(refused: TablesRefused): Promise<boolean> {
    const sources = refused.side === 'source' ? refused.tables : refused.tables.flatMap((table) => this.#routes.sourcesOf(table));
    const isStopped = await this.#tryStop(sources, this.#stopOf(refused, sources[0]));
    // What has been followed comes again.
    this.#shapesFrom = this.#followed > this.#shapesFrom ? this.#followed : this.#shapesFrom;
    return isStopped;
  }

  /** Stops tables that cannot go on. Throws the error if one of them is none of this part's. */
  async #stop(tables: readonly string[], error: MillraceError, stop: TableStop): Promise<void> {
    if (!(await this.#tryStop(tables, stop))) throw error;
  }

  async #tryStop(tables: readonly string[], stop: TableStop): Promise<boolean> {
    const known = new Set(this.#routes.relations.map(tableAddress));
    if (!this.#mayStop || tables.length === 0 || !tables.every((table) => known.has(table))) return false;
    for (const table of tables) {
      // First it is noted that the table must be read again; then its changes may be passed over.
      await this.#options.keepStop(table, stop);
      this.#routes.stop(table);
      this.#options.states.stopped(table, stop);
    }
    return true;
  }
}
