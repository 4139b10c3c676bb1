// compileRoutes: rules and relations in, the way of every row out.
import { MillraceError } from '../../base/index.ts';
import { type Batch, type Relation, type Run, tableAddress, type TableName, type Truncate } from '../../data/index.ts';
import type { TableStep, TableTruncate, TableWrite, TargetColumn, TargetTable } from '../../flow/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import { rulesFor, takes, unmatched } from './choose.ts';
import { refuseUnknown } from './columns.ts';
import { makeRoute } from './make-route.ts';
import { type Plan, planTable } from './plan.ts';
import { problemError, Problems, type RuleProblem } from './problem.ts';
import { probe, type Seen } from './probe.ts';
import type { Route } from './route.ts';
import { share } from './share.ts';
import { loadGrammar } from './sql-expression.ts';

export interface CompileOptions {
  /** Columns of a table that the target has already: a `row` transform takes its types from there. */
  readonly existing?: (table: TableName) => readonly TargetColumn[] | undefined;
}

/** The ways of one source's rows to the tables of one replica. */
export class Routes {
  readonly #spec: ReplicaSpec;
  readonly #source: string;
  readonly #relations = new Map<number, Relation>();
  readonly #existing: (table: TableName) => readonly TargetColumn[] | undefined;
  /** What the transforms returned so far: per rule, per table. */
  readonly #seen = new Map<TableRule | undefined, Map<number, Seen>>();
  readonly #unmatched: readonly RuleProblem[];
  #routes = new Map<number, Route[]>();
  #targets: readonly TargetTable[] = [];
  #problems: readonly RuleProblem[] = [];
  #warnings: readonly RuleProblem[] = [];

  /** Use compileRoutes. */
  constructor(spec: ReplicaSpec, source: string, relations: readonly Relation[], options: CompileOptions) {
    this.#spec = spec;
    this.#existing = options.existing ?? (() => undefined);
    this.#source = source;
    for (const relation of relations) this.#relations.set(relation.oid, relation);
    this.#unmatched = unmatched(spec, source, relations);
    this.#compile();
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

  /** The routes of a relation, by its OID; empty when the replica does not take it. */
  for(relation: Relation): readonly Route[] {
    return this.#routes.get(relation.oid) ?? [];
  }

  /** A table has a new shape (or is new): its rules are compiled again. See `problems` afterwards. */
  relationChanged(relation: Relation): void {
    this.#relations.set(relation.oid, relation);
    this.#compile();
  }

  /** Shows the first rows of a table to its `row` transforms, which may return columns that no made-up row brought out. `targets` may be new afterwards. */
  probe(relation: Relation, batch: Batch): void {
    const rules = rulesFor(this.#spec, this.#source, relation).filter((rule) => rule?.row);
    if (rules.length === 0) return;
    const before = rules.map((rule) => this.#seenOf(rule, relation).size);
    for (const rule of rules) if (rule?.row) probe(relation, rule, rule.row, batch, this.#seenOf(rule, relation));
    if (rules.some((rule, i) => this.#seenOf(rule, relation).size !== before[i])) this.#compile();
  }

  /** The writes of a run, in order. A relation that it has in another shape is compiled first. Throws when a rule cannot work for a table of it. */
  steps(run: Run): TableStep[] {
    const steps: TableStep[] = [];
    const writes: TableWrite[] = [];
    for (const batch of run.batches) {
      this.#ensure(batch.relation);
      for (const route of this.for(batch.relation)) {
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
    const known = this.#relations.get(relation.oid);
    if (known !== relation && known?.version !== relation.version) this.relationChanged(relation);
    const address = tableAddress(relation);
    const problem = takes(this.#spec, this.#source, relation) ? this.#problems.find((one) => one.table === address) : undefined;
    if (problem) throw problemError(problem);
  }

  /** A TRUNCATE empties the targets, unless rows must stay there: with `deletes: ignore` it is passed over, otherwise it stops the replica. */
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

  #compile(): void {
    const relations = [...this.#relations.values()].filter((relation) => takes(this.#spec, this.#source, relation));
    const plans: Plan[] = [];
    const byRule = new Map<TableRule, Relation[]>();
    for (const relation of relations) {
      for (const rule of rulesFor(this.#spec, this.#source, relation)) {
        plans.push(planTable(this.#spec, rule, relation, this.#seenOf(rule, relation), this.#existing));
        if (rule) byRule.set(rule, [...(byRule.get(rule) ?? []), relation]);
      }
    }
    const unknown: RuleProblem[] = [];
    for (const [rule, tables] of byRule) {
      const problems = new Problems(tables.length === 1 ? tableAddress(tables[0] as Relation) : rule.tables.text, rule.place);
      refuseUnknown(rule, tables, problems);
      unknown.push(...problems.list);
    }
    const { placed, problems } = share(plans.filter((plan) => plan.problems.length === 0));
    this.#problems = [...this.#unmatched, ...unknown, ...plans.flatMap((plan) => plan.problems), ...problems];
    this.#warnings = plans.flatMap((plan) => plan.warnings);
    this.#targets = [...new Set(placed.map((one) => one.target))];
    this.#routes = new Map();
    for (const { plan, target } of placed) {
      const routes = this.#routes.get(plan.relation.oid) ?? [];
      routes.push(makeRoute(plan, target, this.#source));
      this.#routes.set(plan.relation.oid, routes);
    }
  }
}

const refusedTruncate = (relation: Relation, target: TargetTable, why: string): MillraceError =>
  new MillraceError('RULE_INVALID', `${tableAddress(relation)} was truncated, but it goes to ${tableAddress(target)}, ${why}`, {
    hint: `read the table again with \`millrace resync\`, or say \`deletes: ignore\` for it, which passes a TRUNCATE over`,
  });

/**
 * Compiles what a replica does with the tables of one source. Relations that the replica does not take are passed over.
 * Look at `problems` before anything runs: `check` prints them, `up` refuses to start.
 */
export async function compileRoutes(spec: ReplicaSpec, source: string, relations: readonly Relation[], options: CompileOptions = {}): Promise<Routes> {
  await loadGrammar();
  return new Routes(spec, source, relations, options);
}
