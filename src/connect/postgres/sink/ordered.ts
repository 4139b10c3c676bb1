// The careful path: row by row in source order across tables, pipelined. For tables whose foreign keys or triggers cannot be switched off,
// where only the source's order is right, and for tables whose rows have no key and are found by their full old row.
import { assert } from '../../../base/index.ts';
import { Before, fieldOf, Op } from '../../../data/index.ts';
import type { TableWrite } from '../../../flow/index.ts';
import type { Layout, LayoutColumn } from './layout.ts';
import type { Session } from './session.ts';
import { allColumns } from './statements.ts';

export interface OrderedWrite {
  readonly step: number;
  readonly layout: Layout;
  readonly write: TableWrite;
}

export interface OrderedRow {
  readonly layout: Layout;
  readonly write: TableWrite;
  readonly row: number;
}

/** The rows of several writes in source order. */
export function inOrder(writes: readonly OrderedWrite[]): OrderedRow[] {
  const rows: (OrderedRow & { step: number; seq: number })[] = [];
  for (const { step, layout, write } of writes) {
    const count = write.rows?.length ?? write.batch.count;
    for (let i = 0; i < count; i++) {
      const row = write.rows?.[i] ?? i;
      rows.push({ layout, write, row, step, seq: write.batch.seqs[row] as number });
    }
  }
  return rows.sort((a, b) => a.step - b.step || a.seq - b.seq);
}

/** Sends one row's change. A change that needs a row which isn't there fails with 22012 under `update`. */
export function sendOrdered(session: Session, { layout, write, row }: OrderedRow): void {
  const { batch } = write;
  const op = batch.ops[row];
  const columns = allColumns(layout);
  const after = columns.filter((i) => op !== Op.delete && value(layout, batch.after.bytes, batch.after.offsets[row] as number, i) !== undefined);
  const hasBefore = batch.befores[row] !== Before.none;
  const oldBlock = hasBefore ? batch.before : batch.after;
  const keyed = layout.key.length > 0;
  assert(keyed || op === Op.insert || op === Op.read || batch.befores[row] === Before.full, 'a row without a key needs its full old row');
  const old = keyed ? layout.key : columns;
  const params = [
    ...(op === Op.insert || op === Op.read ? [] : old.map((i) => value(layout, oldBlock.bytes, oldBlock.offsets[row] as number, i) ?? null)),
    ...after.map((i) => value(layout, batch.after.bytes, batch.after.offsets[row] as number, i) as Buffer | null),
  ];
  const whole = after.length === columns.length;
  const sql = statement(layout, op === Op.insert || op === Op.read ? 'insert' : op === Op.delete ? 'delete' : 'update', after, whole);
  session.track({ what: op === Op.update && !(keyed && whole) ? 'update' : 'rows', layout, promise: session.execute(sql, params, params.map(() => 0)) });
}

/** null: NULL; undefined: unchanged. */
const value = (layout: Layout, bytes: Buffer, start: number, i: number): Buffer | null | undefined =>
  fieldOf(bytes, start, (layout.columns[i] as LayoutColumn).field);

function statement(layout: Layout, op: 'insert' | 'update' | 'delete', after: readonly number[], whole: boolean): string {
  const column = (i: number): LayoutColumn => layout.columns[i] as LayoutColumn;
  const param = (i: number, n: number): string => {
    const { stageText, typeText } = column(i);
    return stageText === typeText ? `$${n}::${stageText}` : `$${n}::${stageText}::${typeText}`;
  };
  const keyed = layout.key.length > 0;
  const old = keyed ? layout.key : allColumns(layout);
  const first = op === 'insert' ? 1 : old.length + 1;
  const names = after.map((i) => column(i).name).join(', ');
  const values = after.map((i, n) => param(i, first + n)).join(', ');
  const found = keyed
    ? `t.ctid is not null and ${old.map((i, n) => `t.${column(i).name} = ${param(i, n + 1)}`).join(' and ')}`
    : '(t.tableoid, t.ctid) = (d.o, d.c)';
  // One of the rows that are the same as the old one: where `=` does not tell, by their text.
  const one = keyed
    ? ''
    : `d as (select t.tableoid as o, t.ctid as c from ${layout.table} t where ${old
      .map((i, n) => (column(i).comparable ? `t.${column(i).name} is not distinct from ${param(i, n + 1)}` : `t.${column(i).name}::text is not distinct from ${param(i, n + 1)}::text`))
      .join(' and ')} limit 1)`;
  const set = after.filter((i) => !column(i).identityAlways).map((i) => `${column(i).name} = ${param(i, first + after.indexOf(i))}`).join(', ');
  if (op === 'insert') {
    const insert = `insert into ${layout.table} (${names}) overriding system value values (${values})`;
    if (layout.path !== 'ordered' || !keyed || !arbiter(layout)) return insert;
    const rest = after.filter((i) => !column(i).isKey && !column(i).identityAlways).map((i) => `${column(i).name} = excluded.${column(i).name}`);
    return `${insert} on conflict (${layout.key.map((i) => column(i).name).join(', ')}) do ${rest.length > 0 ? `update set ${rest.join(', ')}` : 'nothing'}`;
  }
  if (op === 'delete') return keyed ? `delete from ${layout.table} t where ${found}` : `with ${one} delete from ${layout.table} t using d where ${found}`;
  if (!keyed) return `with ${one}, u as (update ${layout.table} t set ${set} from d where ${found} returning 1) select 1 / count(*) from u`;
  const update = `u as (update ${layout.table} t set ${set} where ${found} returning 1)`;
  if (!whole) return `with ${update} select 1 / count(*) from u`;
  return `with ${update} insert into ${layout.table} (${names}) overriding system value select ${values} where not exists (select from u)`;
}

/** Whether a unique index on the key lets an insert find the row that is there. */
export const arbiter = (layout: Layout): boolean => {
  const names = layout.target.key.map((i) => layout.target.columns[i]?.name as string);
  return layout.shape.uniques.some((unique) => unique.immediate && unique.columns.length === names.length && unique.columns.every((name) => names.includes(name)));
};
