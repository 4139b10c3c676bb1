// Routes of a replica with its target at hand: what a `row` transform returns is stored in the types that the target's columns have, and
// shapes are told from those in which rows came last.
import { readShapes, readTables, TypeCatalog } from '../connect/index.ts';
import { parseTablePattern, quoteIdent, type Relation, tableAddress, type TablePattern } from '../data/index.ts';
import type { PgConnection } from '../wire/index.ts';
import { compileRoutes, type Routes } from './rules/routes.ts';
import type { ReplicaSpec } from './spec.ts';

/** compileRoutes, knowing the tables that are there already. `shapes`: in which rows came last, if not those that the target remembers. */
export async function compileForTarget(
  spec: ReplicaSpec, source: string, relations: readonly Relation[], target: PgConnection, shapes?: Awaited<ReturnType<typeof readShapes>>,
): Promise<Routes> {
  shapes ??= await readShapes(target, spec.name, source, new Map(relations.map((relation) => [tableAddress(relation), relation.oid])));
  const routes = await compileRoutes(spec, source, relations, { shapes });
  if (!spec.rules.some((rule) => rule.row)) return routes;
  const patterns = routes.targets.map((table) => parseTablePattern(`${quoteIdent(table.schema)}.${quoteIdent(table.name)}`) as TablePattern);
  const tables = new Map((await readTables(target, patterns, new TypeCatalog())).map(({ relation }) => [tableAddress(relation), relation.columns.map(({ number: _ofTarget, ...column }) => column)]));
  return compileRoutes(spec, source, relations, { shapes, existing: (table) => tables.get(tableAddress(table)) });
}
