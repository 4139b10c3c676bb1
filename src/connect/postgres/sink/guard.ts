// The guard of tables that others write too: what the target has newer than a change is left as it is.
//
// The rows of the keys that a commit touches are read and locked in its transaction, before anything is written. A row that is not there yet
// cannot be locked: where somebody inserts it meanwhile, the insert fails, and the commit is tried again, with the row there.
import { Before, fieldOf, Op, parseLsn, type Position, asPosition } from '../../../data/index.ts';
import { guardColumns, type TableWrite } from '../../../flow/index.ts';
import type { Table } from './apply.ts';
import { Fold } from './fold.ts';
import type { Layout } from './layout.ts';
import type { OrderedRow } from './ordered.ts';
import { CopyStream } from './rows.ts';
import type { Session } from './session.ts';
import { stampsSql } from './statements.ts';

interface Stamp {
  readonly source: string;
  readonly lsn: Position;
}

/** The entries whose rows the target has nothing newer of. */
export async function notOlder(session: Session, table: Table, entries: readonly number[]): Promise<readonly number[]> {
  if (!table.layout.target.guarded || entries.length === 0) return entries;
  const stamps = await stampsOf(session, table, entries);
  if (stamps.size === 0) return entries;
  return entries.filter((entry) => {
    const { write, row } = table.fold.last(entry);
    return !isOlder(write, row, stamps.get(entry));
  });
}

/**
 * The rows of the ordered path that are not older than what the target has. One whose key changes leaves a newer row under its old key alone: it
 * is inserted instead, if the whole of it came along.
 */
export async function notOlderRows(session: Session, ordered: readonly OrderedRow[]): Promise<readonly OrderedRow[]> {
  const kept = new Map<OrderedRow, OrderedRow | undefined>();
  const guarded = ordered.filter(({ layout }) => layout.target.guarded);
  for (const [layout, rows] of Map.groupBy(guarded, (row) => row.layout)) {
    const fold = new Fold(layout.keyFields, layout.fieldCount);
    for (const write of new Set(rows.map((row) => row.write))) fold.add(write);
    const stamps = await stampsOf(session, { fold, layout }, [...Array(fold.count).keys()]);
    if (stamps.size === 0) continue;
    const moves = new Map(Array.from({ length: fold.moves.length / 2 }, (_, i) => [fold.moves[2 * i + 1] as number, fold.moves[2 * i] as number]));
    const entryOf = new Map<TableWrite, Map<number, number>>();
    for (const { entry, write, row } of fold.changesOf({ has: () => true })) entryOf.set(write, (entryOf.get(write) ?? new Map<number, number>()).set(row, entry));
    for (const one of rows) {
      const { write, row } = one;
      const entry = entryOf.get(write)?.get(row) ?? -1;
      const old = write.batch.ops[row] === Op.update && write.batch.befores[row] !== Before.none ? moves.get(entry) : undefined;
      if (isOlder(write, row, stamps.get(entry))) kept.set(one, undefined);
      else if (old !== undefined && isOlder(write, row, stamps.get(old))) kept.set(one, write.batch.partial[row] === 1 ? undefined : inserted(one));
    }
  }
  return ordered.flatMap((row) => (kept.has(row) ? (kept.get(row) ?? []) : [row]));
}

function inserted(one: OrderedRow): OrderedRow {
  const { batch } = one.write;
  const [ops, befores] = [batch.ops.slice(), batch.befores.slice()];
  ops[one.row] = Op.insert;
  befores[one.row] = Before.none;
  return { ...one, write: { ...one.write, batch: { ...batch, ops, befores } } };
}

function isOlder(write: TableWrite, row: number, there: Stamp | undefined): boolean {
  if (!there) return false;
  const { batch, target } = write;
  const block = batch.ops[row] === Op.delete ? batch.before : batch.after;
  const value = (name: string): Buffer | null | undefined =>
    fieldOf(block.bytes, block.offsets[row] as number, write.fields[target.columns.findIndex((column) => column.name === name)] as number);
  const [source, lsn] = [value(guardColumns.source), value(guardColumns.lsn)];
  // Positions of different sources do not compare.
  return lsn?.length === 8 && source?.toString() === there.source && there.lsn > asPosition(lsn.readBigUInt64BE(0));
}

async function stampsOf(session: Session, { fold, layout }: Pick<Table, 'fold' | 'layout'>, entries: readonly number[]): Promise<Map<number, Stamp>> {
  const columns = ['n', ...layout.key.map((i) => `c${i}`)];
  const stage = session.stage(layout, columns, (emit) => {
    const stream = new CopyStream(emit);
    const keys = fold.keyBytes;
    for (const entry of entries) {
      stream.out.i16(columns.length).i32(4).i32(entry).bytes(keys, fold.keyStart(entry) + 2, fold.keyEnd(entry));
      stream.rowAdded();
    }
    stream.end();
  }, { what: 'other' });
  const { rows } = await read(session, layout, stage);
  return new Map(rows.flatMap(([n, source, lsn]) => (n && source && lsn ? [[Number(n.toString()), { source: source.toString(), lsn: parseLsn(lsn.toString()) }] as const] : [])));
}

function read(session: Session, layout: Layout, stage: string): ReturnType<Session['execute']> {
  const promise = session.execute(stampsSql(layout, `${stage} s`, guardColumns.source, guardColumns.lsn), [], []);
  session.track({ what: 'other', promise });
  return promise;
}
