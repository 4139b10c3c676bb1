// Route: the way of one relation's rows to one target table.
import type { Relation, Run } from '../../data/index.ts';
import type { TableWrite, TargetTable } from '../../flow/index.ts';
import type { TableRule } from '../spec.ts';
import type { PlannedColumn } from './making.ts';

export interface Route {
  readonly relation: Relation;
  readonly target: TargetTable;
  readonly rule: TableRule | undefined;
  /** What each target column is made of, in the target's order. */
  readonly columns: readonly PlannedColumn[];
  /** The condition of `where` in SQL over the source table, when it was given in SQL. */
  readonly whereSql: string | undefined;
  /** The write for a batch of the relation; undefined when no row of it counts. */
  write(batch: Run['batches'][number], run: Run): TableWrite | undefined;
}
