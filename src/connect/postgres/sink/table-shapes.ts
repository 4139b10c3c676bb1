// What the target remembers of each table that a replica has loaded: the shape in which its rows came last, and why it was stopped.
import { shapeOf, type TableShape, type TableStop, type TargetTable } from '../../../flow/index.ts';
import { tableAddress } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';

/**
 * The shapes of a source's tables, by addresses: source → target → shape. Empty where the target has never been written to.
 * @param oids Of the tables that have these addresses now: another one has nothing but names in common with what is remembered.
 */
export async function readShapes(connection: PgConnection, consumer: string, part: string, oids: ReadonlyMap<string, number>): Promise<Map<string, Map<string, TableShape>>> {
  const shapes = new Map<string, Map<string, TableShape>>();
  const [there] = await connection.rows<{ there: string }>(
    `select exists (select from pg_catalog.pg_attribute where attrelid = pg_catalog.to_regclass('millrace.tables') and attname = 'shape')::text as there`);
  if (there?.there !== 'true') return shapes;
  const rows = await connection.rows<Record<'source' | 'target' | 'oid', string> & { shape: string | null }>(
    `select source_table as source, target_table as target, shape::text as shape, coalesce(source_oid, 0)::text as oid from millrace.tables where consumer = $1 and source = $2`, [consumer, part]);
  for (const { source, target, shape, oid } of rows) {
    const targets = shapes.get(source) ?? new Map<string, TableShape>();
    shapes.set(source, targets);
    if (shape === null) continue;
    const known = JSON.parse(shape) as TableShape;
    targets.set(target, [0, oids.get(source) ?? 0].includes(Number(oid)) ? known : byName(known));
  }
  return shapes;
}

const byName = ({ columns, gone: _gone, unsent: _unsent, partitions: _partitions, ...shape }: TableShape): TableShape => ({ ...shape, remade: true, columns: columns.map(({ number: _, ...column }) => column) });

/** What tells a record of millrace.tables whose target table was made for it, and never written since. */
export const neverFilled = "(state = 'copying' and source_oid is null and rows is null)";

/** A table of a source (its address), and its target in the shape that it has now. */
export interface KeptShape {
  readonly source: string;
  readonly target: TargetTable;
  /** The target's table was made just now. */
  readonly made: boolean;
}

/** Remembers the shapes of tables that have been loaded; of those that were made just now too, so that they can follow before they are. */
export async function keepShapes(connection: PgConnection, consumer: string, part: string, shapes: readonly KeptShape[]): Promise<void> {
  const list = (some: readonly KeptShape[]): string => JSON.stringify(some.map(({ source, target }) => ({ source, target: tableAddress(target), shape: shapeOf(target) })));
  const [made, others] = [shapes.filter((one) => one.made), shapes.filter((one) => !one.made)];
  const given = 'pg_catalog.json_to_recordset($3::json) as g(source text, target text, shape jsonb)';
  if (made.length > 0) {
    await connection.rows(`insert into millrace.tables (consumer, source, source_table, target_table, state, shape) select $1, $2, g.source, g.target, 'copying', g.shape from ${given}
      on conflict (consumer, source, source_table, target_table) do update set shape = excluded.shape`, [consumer, part, list(made)]);
  }
  if (others.length > 0) {
    await connection.rows(`update millrace.tables t set shape = g.shape from ${given} where t.consumer = $1 and t.source = $2 and t.source_table = g.source and t.target_table = g.target`, [consumer, part, list(others)]);
  }
}

/** Marks a table as stopped: its changes are passed over from now on, so that it must be read again. */
export async function keepStop(connection: PgConnection, consumer: string, part: string, source: string, stop: TableStop): Promise<void> {
  await connection.rows(
    `update millrace.tables set state = 'copying', stopped = $4::jsonb, updated_at = pg_catalog.now() where consumer = $1 and source = $2 and source_table = $3`,
    [consumer, part, source, JSON.stringify(stop)],
  );
}
