// The columns that a transform returns, found by running it: first over a made-up row, then over the first rows that are read.
import { BatchBuilder, type Batch, Before, CalendarDate, Decimal, Format, Interval, Op, type PgType, type Relation, TimeOfDay, Timestamp, baseType } from '../../data/index.ts';
import { typeByOid } from '../../codec/index.ts';
import type { TargetColumn } from '../../flow/index.ts';
import type { RowFunction, TableRule } from '../spec.ts';
import { own } from './columns.ts';
import { Image } from './image.ts';
import type { PlannedColumn } from './making.ts';
import { madeColumn } from './mask.ts';
import { rowMaker, runTransform } from './row-shaper.ts';

/** Column of the returned row → a value of it; undefined as long as only NULLs were seen. */
export type Seen = Map<string, unknown>;

/** The first rows are enough to name the columns. */
const probedRowsMax = 100;

/** Adds the columns that the transform returns for rows of a batch. Rows that it fails for tell nothing. */
export function probe(relation: Relation, rule: TableRule, transform: RowFunction, batch: Batch, seen: Seen): void {
  const image = new Image(relation);
  const make = rowMaker(relation, rule);
  for (let row = 0; row < Math.min(batch.count, probedRowsMax); row++) {
    if (batch.after.offsets[row] === batch.after.offsets[row + 1]) continue;
    image.load(batch.after, row, batch.formats);
    let made: Readonly<Record<string, unknown>> | null;
    try {
      made = runTransform(transform, make(image));
    } catch {
      continue;
    }
    for (const [name, value] of Object.entries(made ?? {})) {
      if (seen.get(name) === undefined && typeof value !== 'symbol') seen.set(name, value ?? undefined);
    }
  }
}

/** A value of each type that no function should stumble over, as text. Types that are not here are NULL. */
const samples: Readonly<Record<string, string>> = {
  bool: 't', int2: '1', int4: '1', int8: '1', float4: '1', float8: '1', numeric: '1', text: 'a', varchar: 'a', bpchar: 'a', name: 'a', bytea: '\\x00',
  date: '2000-01-01', time: '00:00:00', timestamp: '2000-01-01 00:00:00', timestamptz: '2000-01-01 00:00:00+00', interval: '1 day', json: '{}', jsonb: '{}',
  uuid: '00000000-0000-0000-0000-000000000000',
};

/** Two rows: one with a value in each column, one with NULL wherever the column allows it. */
export function sampleRows(relation: Relation): Batch {
  const builder = new BatchBuilder(relation, new Uint8Array(relation.columns.length).fill(Format.text));
  for (const nulls of [false, true]) {
    builder.after.i16(relation.columns.length);
    for (const column of relation.columns) {
      const text = nulls && !column.notNull ? undefined : sampleOf(column.type);
      if (text === undefined) builder.after.i32(-1);
      else builder.after.i32(Buffer.byteLength(text)).text(text);
    }
    builder.add(Op.read, 0, Before.none, false);
  }
  return builder.build();
}

function sampleOf(type: PgType): string | undefined {
  const base = baseType(type);
  if (base.kind === 'enum') return base.labels?.[0];
  return base.kind === 'array' ? '{}' : samples[base.name];
}

/** The target columns of a transform: as the existing table has them, else as the source's column of that name, else by the value. */
export function returnedColumns(relation: Relation, rule: TableRule, seen: Seen, named: (name: string) => string, existing: readonly TargetColumn[] | undefined): PlannedColumn[] {
  return [...seen].map(([name, value]): PlannedColumn => {
    const target = named(name);
    const at = rule.drop.includes(name) || own(rule.mask, name) ? -1 : relation.columns.findIndex((column) => column.name === name);
    const actual = existing?.find((column) => column.name === target);
    const column = actual ?? (at >= 0 ? { ...(relation.columns[at] as TargetColumn), name: target } : byValue(target, value));
    return { column, making: { kind: 'returned', name, field: at >= 0 ? at : undefined } };
  });
}

function byValue(name: string, value: unknown): TargetColumn {
  const [oid, text] = typeFor(value);
  return madeColumn(name, typeByOid(oid) as PgType, text);
}

function typeFor(value: unknown): [oid: number, typeText: string] {
  if (typeof value === 'boolean') return [16, 'boolean'];
  if (typeof value === 'number') return [701, 'double precision'];
  if (typeof value === 'bigint') return [20, 'bigint'];
  if (typeof value === 'string' || value === undefined) return [25, 'text'];
  if (value instanceof Decimal) return [1700, 'numeric'];
  if (value instanceof Timestamp || value instanceof Date) return [1184, 'timestamp with time zone'];
  if (value instanceof CalendarDate) return [1082, 'date'];
  if (value instanceof TimeOfDay) return [1083, 'time without time zone'];
  if (value instanceof Interval) return [1186, 'interval'];
  if (value instanceof Uint8Array) return [17, 'bytea'];
  return [3802, 'jsonb'];
}
