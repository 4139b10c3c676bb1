// compileRoutes: rules and relations in, the way of every row out.
import { type Relation, type Run, tableAddress, type Truncate } from '../../data/index.ts';
import type { TableStep, TableTruncate, TableWrite, TargetTable } from '../../flow/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';
import { rulesFor, takes } from './choose.ts';
import { refuseUnknown } from './columns.ts';
import { makeRoute } from './make-route.ts';
import { type Plan, planTable } from './plan.ts';
import { problemError, Problems, type RuleProblem } from './problem.ts';
import type { Route } from './route.ts';
import { share } from './share.ts';

/** The ways of one source's rows to the tables of one replica. */
export class Routes {
  readonly #spec: ReplicaSpec;
  readonly #source: string;
  readonly #relations = new Map<number, Relation>();
  #routes = new Map<number, Route[]>();
  #targets: readonly TargetTable[] = [];
  #problems: readonly RuleProblem[] = [];

  /** Use compileRoutes. */
  constructor(spec: ReplicaSpec, source: string, relations: readonly Relation[]) {
    this.#spec = spec;
    this.#source = source;
    for (const relation of relations) this.#relations.set(relation.oid, relation);
    this.#compile();
  }

  /** The target tables that rows go to; several sources of one table share one object. */
  get targets(): readonly TargetTable[] {
    return this.#targets;
  }

  /** What the rules cannot do. A table with a problem has no route. */
  get problems(): readonly RuleProblem[] {
    return this.#problems;
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

  #truncate(truncate: Truncate): TableTruncate | undefined {
    const targets = new Set<TargetTable>();
    for (const relation of truncate.relations) {
      this.#ensure(relation);
      for (const route of this.for(relation)) targets.add(route.target);
    }
    return targets.size === 0 ? undefined : { targets: [...targets], cascade: truncate.cascade, restartIdentity: truncate.restartIdentity };
  }

  #compile(): void {
    const relations = [...this.#relations.values()].filter((relation) => takes(this.#spec, this.#source, relation));
    const plans: Plan[] = [];
    const byRule = new Map<TableRule, Relation[]>();
    for (const relation of relations) {
      for (const rule of rulesFor(this.#spec, this.#source, relation)) {
        plans.push(planTable(this.#spec, rule, relation));
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
    this.#problems = [...unknown, ...plans.flatMap((plan) => plan.problems), ...problems];
    this.#targets = [...new Set(placed.map((one) => one.target))];
    this.#routes = new Map();
    for (const { plan, target } of placed) {
      const routes = this.#routes.get(plan.relation.oid) ?? [];
      routes.push(makeRoute(plan, target));
      this.#routes.set(plan.relation.oid, routes);
    }
  }
}

/**
 * Compiles what a replica does with the tables of one source. Relations that the replica does not take are passed over.
 * Look at `problems` before anything runs: `check` prints them, `up` refuses to start.
 */
export async function compileRoutes(spec: ReplicaSpec, source: string, relations: readonly Relation[]): Promise<Routes> {
  return new Routes(spec, source, relations);
}
