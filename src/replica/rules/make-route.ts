// Makes the route of a plan: the byte path where nothing is computed.
import type { TargetTable } from '../../flow/index.ts';
import type { Plan } from './plan.ts';
import type { Route } from './route.ts';

export function makeRoute(plan: Plan, target: TargetTable): Route {
  const { relation, rule, columns } = plan;
  const fields = Int32Array.from(columns, ({ making }) => making.field);
  return {
    relation,
    target,
    rule,
    columns,
    write: (batch) => (batch.count === 0 ? undefined : { target, from: relation, batch, fields }),
  };
}
