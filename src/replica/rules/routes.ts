// compileRoutes: rules and relations in, the way of every row out.
import { isDeepStrictEqual } from 'node:util';
import { asMillraceError, MillraceError } from '../../base/index.ts';
import { type Batch, type Relation, type Run, splitName, tableAddress, type TableName, type Truncate } from '../../data/index.ts';
import { shapeOf, TablesRefused, type TableShape, type TableStep, type TableTruncate, type TableWrite, type TargetColumn, type TargetTable } from '../../flow/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import { rulesFor, takes, unmatched } from './choose.ts';
import { refuseUnknown } from './columns.ts';
import { planIndexes } from './indexes.ts';
import { makeRoute } from './make-route.ts';
import { planPast } from './past.ts';
import { type Plan, planTable } from './plan.ts';
import { problemError, Problems, type RuleProblem } from './problem.ts';
import { reshape } from './reshape.ts';
import { probe, type Seen } from './probe.ts';
import type { Route } from './route.ts';
import { share } from './share.ts';
import { loadGrammar } from './sql-expression.ts';

export interface CompileOptions {
  /** Columns of a table that the target has already: a `row` transform takes its types from there. */
  readonly existing?: (table: TableName) => readonly TargetColumn[] | undefined;
  /** In which shape rows came last, by addresses: source → target. */
  readonly shapes?: ReadonlyMap<string, ReadonlyMap<string, TableShape>>;
}

/** The ways of one source's rows to the tables of one replica. */
export class Routes {
  readonly #spec: ReplicaSpec;
  /** The source's name. */
  readonly source: string;
  readonly #relations = new Map<number, Relation>();
  readonly #existing: (table: TableName) => readonly TargetColumn[] | undefined;
  /** What the transforms returned so far: per rule, per table. */
  readonly #seen = new Map<TableRule | undefined, Map<number, Seen>>();
  readonly #unmatched: readonly RuleProblem[];
  readonly #shapes: Map<string, Map<string, TableShape>>;
  readonly #stopped = new Set<string>();
  /** Columns that target tables have been given, by address. */
  readonly #had = new Map<string, Set<string>>();
  /** Shapes that are over, and their routes: OID and version. */
  readonly #past = new Map<string, { readonly relation: Relation; readonly routes?: Route[] }>();
  #routes = new Map<number, Route[]>();
  /** By the target's address; made when it is asked for. */
  #sources: ReadonlyMap<string, readonly Route[]> | undefined;
  #targets: readonly TargetTable[] = [];
  #problems: readonly RuleProblem[] = [];
  #warnings: readonly RuleProblem[] = [];
  #notes: readonly { readonly table: string; readonly what: string }[] = [];

  /** Use compileRoutes. */
  constructor(spec: ReplicaSpec, source: string, relations: readonly Relation[], options: CompileOptions) {
    this.#spec = spec;
    this.#existing = options.existing ?? (() => undefined);
    this.source = source;
    for (const relation of relations) this.#relations.set(relation.oid, relation);
    // What was replicated once is no slip of the pen, but a table that is gone.
    this.#unmatched = unmatched(spec, source, [...relations, ...[...(options.shapes ?? new Map<string, never>()).keys()].map(nameOf)]);
    this.#shapes = new Map([...(options.shapes ?? [])].map(([table, shapes]) => [table, new Map(shapes)]));
    for (const shapes of this.#shapes.values()) for (const [target, shape] of shapes) this.#has(target, [...shape.columns, ...(shape.gone ?? [])].map((column) => column.name));
    this.#compile(true);
  }

  /** The target tables that rows go to; several sources of one table share one object. */
  get targets(): readonly TargetTable[] {
    return this.#targets;
  }

  /** The source's tables in the shapes known last. */
  get relations(): readonly Relation[] {
    return [...this.#relations.values()];
  }

  /** What the rules cannot do. A table with a problem has no route. */
  get problems(): readonly RuleProblem[] {
    return this.#problems;
  }

  /** What works, but may cost dead letters: the rule depends on large values that an update need not carry. */
  get warnings(): readonly RuleProblem[] {
    return this.#warnings;
  }

  /** What `schemaChanges: freeze` leaves out, by the source table's address. */
  get notes(): readonly { readonly table: string; readonly what: string }[] {
    return this.#notes;
  }

  /** Passes over a table (its address) from now on. */
  stop(table: string): void {
    this.#stopped.add(table);
    this.#compile();
  }

  /** Addresses of the source tables that go to a target table. */
  sourcesOf(target: string): string[] {
    this.#sources ??= Map.groupBy([...this.#routes.values()].flat(), (route) => tableAddress(route.target));
    return (this.#sources.get(target) ?? []).map((route) => tableAddress(route.relation));
  }

  /** Tables whose shape is another one than that in which their rows came last, now that the target has it. They are given once. */
  takeShapes(): Pick<Route, 'relation' | 'target'>[] {
    return [...this.#routes.values()].flat().filter(({ relation, target }) => {
      const [source, to, shape] = [tableAddress(relation), tableAddress(target), shapeOf(target)];
      const known = this.#shapes.get(source) ?? new Map<string, TableShape>();
      if (isDeepStrictEqual(known.get(to), shape)) return false;
      this.#shapes.set(source, known.set(to, shape));
      this.#has(to, shape.columns.map((column) => column.name));
      return true;
    });
  }

  #has(target: string, columns: readonly string[]): void {
    this.#had.set(target, new Set([...(this.#had.get(target) ?? []), ...columns]));
  }

  /** Whether this is the shape known last. */
  isKnown(relation: Relation): boolean {
    return this.#relations.get(relation.oid)?.version === relation.version;
  }

  /** Whether a table is to be followed into this shape. */
  isNew(relation: Relation): boolean {
    const known = this.#relations.get(relation.oid);
    return known !== undefined && known.version !== relation.version && this.for(relation).length > 0 && !this.#past.has(versionOf(relation));
  }

  /** Whether the shape known last has every column of this one, under whatever name, or the targets have it still. */
  covers(relation: Relation): boolean {
    const known = this.#relations.get(relation.oid);
    const routes = this.for(relation);
    const isGone = (number: number): boolean => routes.length > 0 && routes.every(({ target }) => target.gone?.some((one) => one.number === number));
    return known !== undefined && relation.columns.every(({ number }) => number !== undefined && (known.columns.some((column) => column.number === number) || isGone(number)));
  }

  /** Rows in this shape are older than the shape known last. */
  isPast(relation: Relation): void {
    this.#past.set(versionOf(relation), { relation });
  }

  /** What was noted by `isPast` counts no more: the same shape may come again as the newest one. */
  forgetPast(): void {
    this.#past.clear();
  }

  /** Whether rows that its target table has before the replica first takes it count as those of the source. */
  keepsExisting({ rule }: Route): boolean {
    return (rule?.existing ?? this.#spec.existing) === 'keep';
  }

  /** The routes of a relation, by its OID; empty when the replica does not take it. */
  for(relation: Relation): readonly Route[] {
    return this.#routes.get(relation.oid) ?? [];
  }

  /** A table has a new shape (or is new): its rules are compiled again. See `problems` afterwards. */
  relationChanged(relation: Relation): void {
    const address = tableAddress(relation);
    // One that was dropped and made again, or gave its name away.
    for (const [oid, other] of this.#relations) if (oid !== relation.oid && tableAddress(other) === address) this.#relations.delete(oid);
    this.#relations.set(relation.oid, relation);
    for (const [key, past] of this.#past) this.#past.set(key, { relation: past.relation });
    this.#past.delete(versionOf(relation));
    this.#compile();
  }

  /** Shows the first rows of a table to its `row` transforms, which may return columns that no made-up row brought out. `targets` may be new afterwards. */
  probe(relation: Relation, batch: Batch): void {
    const rules = rulesFor(this.#spec, this.source, relation).filter((rule) => rule?.row);
    if (rules.length === 0) return;
    const before = rules.map((rule) => this.#seenOf(rule, relation).size);
    for (const rule of rules) if (rule?.row) probe(relation, rule, rule.row, batch, this.#seenOf(rule, relation));
    if (rules.some((rule, i) => this.#seenOf(rule, relation).size !== before[i])) this.#compile();
  }

  /** The writes of a run, in order. A relation that it has in another shape is compiled first. Throws TablesRefused when a rule cannot work for a table of it. */
  steps(run: Run): TableStep[] {
    const steps: TableStep[] = [];
    const writes: TableWrite[] = [];
    for (const batch of run.batches) {
      this.#ensure(batch.relation);
      for (const route of this.#past.has(versionOf(batch.relation)) ? this.#pastRoutes(batch.relation) : this.for(batch.relation)) {
        const write = route.write(batch, run);
        if (write) writes.push(write);
      }
    }
    if (writes.length > 0) steps.push({ kind: 'rows', writes });
    const truncate = run.truncate && this.#truncate(run.truncate);
    if (truncate) steps.push({ kind: 'truncate', truncate });
    return steps;
  }

  #ensure(relation: Relation): void {
    if (this.#stopped.has(tableAddress(relation))) {
      this.#relations.set(relation.oid, relation);
      return;
    }
    if (this.#past.has(versionOf(relation))) return;
    const known = this.#relations.get(relation.oid);
    if (known !== relation && known?.version !== relation.version) this.relationChanged(relation);
    const address = tableAddress(relation);
    const problem = takes(this.#spec, this.source, relation) ? this.#problems.find((one) => one.table === address) : undefined;
    if (problem) throw new TablesRefused('source', [address], problemError(problem));
  }

  /** Older shapes of which there are rows that cannot be written: with the error when a rule cannot work for it, else the target's table of today has no place for them. */
  pastProblems(): { relation: Relation; error?: MillraceError }[] {
    return [...this.#past.values()].flatMap(({ relation }) => {
      try {
        return this.#pastRoutes(relation).length === this.for(relation).length ? [] : [{ relation }];
      } catch (error) {
        return [{ relation, error: asMillraceError(error) }];
      }
    });
  }

  /** Of the targets that have a place for the older shape. Throws when a rule cannot work for it. */
  #pastRoutes(relation: Relation): readonly Route[] {
    let routes = this.#past.get(versionOf(relation))?.routes;
    if (!routes) {
      routes = this.for(relation).flatMap((now) => {
        const old = planTable(this.#spec, now.rule, relation, this.#seenOf(now.rule, relation), this.#existing);
        if (old.problems[0]) throw problemError(old.problems[0]);
        const past = planPast(old, now, this.#had.get(tableAddress(now.target)) ?? new Set());
        return past ? [makeRoute(past.plan, past.target, this.source)] : [];
      });
      this.#past.set(versionOf(relation), { relation, routes });
    }
    return routes;
  }

  /** A TRUNCATE empties the targets, unless rows must stay there: with `deletes: ignore` it is passed over, otherwise the table is refused. */
  #truncate(truncate: Truncate): TableTruncate | undefined {
    const emptied = new Set(truncate.relations.map((relation) => relation.oid));
    const targets = new Set<TargetTable>();
    for (const relation of truncate.relations) {
      this.#ensure(relation);
      for (const { target, rule } of this.for(relation)) {
        if (rule?.deletes === 'ignore') continue;
        const sharer = [...this.#routes.values()].flat().find((other) => other.target === target && !emptied.has(other.relation.oid));
        if (rule?.deletes === 'soft') throw refusedTruncate(relation, target, 'whose deletes are soft');
        if (sharer) throw refusedTruncate(relation, target, `which has the rows of ${tableAddress(sharer.relation)} too`);
        targets.add(target);
      }
    }
    return targets.size === 0 ? undefined : { targets: [...targets], cascade: truncate.cascade, restartIdentity: truncate.restartIdentity };
  }

  #seenOf(rule: TableRule | undefined, relation: Relation): Seen {
    let tables = this.#seen.get(rule);
    if (!tables) this.#seen.set(rule, (tables = new Map()));
    let seen = tables.get(relation.oid);
    if (!seen) tables.set(relation.oid, (seen = new Map()));
    return seen;
  }

  /** @param first A rule for many tables may name a column that none of them has only later on: then it is no slip of the pen. */
  #compile(first = false): void {
    const relations = [...this.#relations.values()].filter((relation) => takes(this.#spec, this.source, relation) && !this.#stopped.has(tableAddress(relation)));
    const plans: Plan[] = [];
    const byRule = new Map<TableRule, Relation[]>();
    for (const relation of relations) {
      for (const rule of rulesFor(this.#spec, this.source, relation)) {
        plans.push(planTable(this.#spec, rule, relation, this.#seenOf(rule, relation), this.#existing));
        if (rule) byRule.set(rule, [...(byRule.get(rule) ?? []), relation]);
      }
    }
    const unknown: RuleProblem[] = [];
    for (const [rule, tables] of byRule) {
      if (tables.length > 1 && !first) continue;
      const problems = new Problems(tables.length === 1 ? tableAddress(tables[0] as Relation) : rule.tables.text, rule.place);
      refuseUnknown(rule, tables, problems);
      unknown.push(...problems.list);
    }
    const reshaped = plans.filter((plan) => plan.problems.length === 0).map((plan) => {
      const shape = this.#shapes.get(tableAddress(plan.relation))?.get(tableAddress(plan.target));
      return { ...reshape(plan, shape, plan.rule?.schemaChanges ?? this.#spec.schemaChanges), isNew: shape === undefined };
    });
    const indexed = planIndexes(reshaped.map(({ plan, history, isNew }) => ({ plan, isNew, left: [...(history.left ?? []), ...(history.gone ?? []).map(({ name }) => name)] })));
    const fitting = reshaped.filter((one) => one.problems.length === 0 && !indexed.problems.some(({ table }) => table === tableAddress(one.plan.relation)));
    const { placed, problems } = share(fitting.map(({ plan, history }) => ({ plan, history: { ...history, ...indexed.of(plan) } })));
    this.#problems = [...this.#unmatched, ...unknown, ...plans.flatMap((plan) => plan.problems), ...reshaped.flatMap((one) => one.problems), ...indexed.problems, ...problems];
    this.#notes = [...reshaped.flatMap(({ plan, notes }) => notes.map((what) => ({ table: tableAddress(plan.relation), what }))), ...indexed.notes];
    this.#warnings = plans.flatMap((plan) => plan.warnings);
    this.#targets = [...new Set(placed.map((one) => one.target))];
    this.#routes = new Map();
    this.#sources = undefined;
    for (const { plan, target } of placed) {
      const routes = this.#routes.get(plan.relation.oid) ?? [];
      routes.push(makeRoute(plan, target, this.source));
      this.#routes.set(plan.relation.oid, routes);
    }
  }
}

const nameOf = (address: string): TableName => {
  const [schema, name] = splitName(address) ?? [];
  return { schema: schema?.text ?? '', name: name?.text ?? '' };
};

const versionOf = (relation: Relation): string => `${relation.oid} ${relation.version}`;

const refusedTruncate = (relation: Relation, target: TargetTable, why: string): TablesRefused =>
  new TablesRefused('source', [tableAddress(relation)], new MillraceError('RULE_INVALID', `${tableAddress(relation)} was truncated, but it goes to ${tableAddress(target)}, ${why}`, {
    hint: `read the table again with \`millrace resync\`, or say \`deletes: ignore\` for it, which passes a TRUNCATE over`,
  }));

/**
 * Compiles what a replica does with the tables of one source. Relations that the replica does not take are passed over.
 * Look at `problems` before anything runs: `check` prints them, `up` refuses to start.
 */
export async function compileRoutes(spec: ReplicaSpec, source: string, relations: readonly Relation[], options: CompileOptions = {}): Promise<Routes> {
  await loadGrammar();
  return new Routes(spec, source, relations, options);
}
