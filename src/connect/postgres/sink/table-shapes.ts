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

/** Remembers the shape of a table that has been loaded; of one that was made just now too, so that it can follow before it is. */
export async function keepShape(connection: PgConnection, consumer: string, part: string, source: string, target: TargetTable, made: boolean): Promise<void> {
  const params = [consumer, part, source, tableAddress(target), JSON.stringify(shapeOf(target))];
  if (made) {
    await connection.rows(`insert into millrace.tables (consumer, source, source_table, target_table, state, shape) values ($1, $2, $3, $4, 'copying', $5::jsonb)
      on conflict (consumer, source, source_table, target_table) do update set shape = excluded.shape`, params);
  } else await connection.rows('update millrace.tables set shape = $5::jsonb where consumer = $1 and source = $2 and source_table = $3 and target_table = $4', params);
}

/** Marks a table as stopped: its changes are passed over from now on, so that it must be read again. */
export async function keepStop(connection: PgConnection, consumer: string, part: string, source: string, stop: TableStop): Promise<void> {
  await connection.rows(
    `update millrace.tables set state = 'copying', stopped = $4::jsonb, updated_at = pg_catalog.now() where consumer = $1 and source = $2 and source_table = $3`,
    [consumer, part, source, JSON.stringify(stop)],
  );
}
