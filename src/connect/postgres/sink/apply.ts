// Sends what a fold holds to the target, in one pipelined flush: deletes, updates of partial rows, upserts, inserts.
import { type ByteWriter, ByteWriter as Writer, crashPoint } from '../../../base/index.ts';
import { locateFields, UNCHANGED_FIELD } from '../../../data/index.ts';
import { type Fold, State } from './fold.ts';
import { nearKeyOrder } from './key-order.ts';
import type { Layout, LayoutColumn } from './layout.ts';
import { CopyStream, keyArrays, rowArrays, writeKeys, writeRows } from './rows.ts';
import type { Sent, Session } from './session.ts';
import { allColumns, arrayRelation, completeSql, copyTarget, deleteOneKeySql, deleteSql, insertSql, overwriteSql, updateSql, upsertSql } from './statements.ts';

/**
 * Above this many rows a COPY beats arrays. Measured on PostgreSQL 18 over loopback, 10 columns with jsonb, ms a commit of half inserts and half
 * updates, arrays : COPY — 100 rows 2.1 : 3.2, 200 rows 3.6 : 3.9, 400 rows 6.4 : 6.2, 800 rows 12.8 : 10.8 (each half counts for itself).
 */
const arrayRowsMax = 200;

export type Mode =
  /** Inserts go straight into the table, updates by ON CONFLICT. */
  | 'fast'
  /** Every touched key is deleted, then what remains is inserted: any legal transaction passes, whatever unique constraints the table has. */
  | 'safe';

export interface Table {
  readonly fold: Fold;
  readonly layout: Layout;
  /** What a fast commit of all entries will send, made ahead. */
  ahead?: { readonly work: Work; readonly upserts: readonly Buffer[]; readonly inserts: readonly Buffer[] };
}

interface Work {
  readonly deletes: readonly number[];
  readonly updates: ReadonlyMap<string, readonly number[]>;
  readonly upserts: readonly number[];
  readonly inserts: readonly number[];
}

/** Entries whose missing values must be read from the target before anything of the table is deleted. */
export function incomplete({ fold }: Table, mode: Mode, entries: readonly number[]): number[] {
  return entries.filter((entry) => fold.state[entry] === State.partial && (mode === 'safe' || fold.origin[entry] !== entry));
}

/**
 * Reads the old rows of partial entries at their keys before the commit and puts the rows together. Needs a round trip.
 * Returns the entries whose rows are not at the target.
 */
export async function complete(session: Session, { fold, layout }: Table, entries: readonly number[]): Promise<number[]> {
  const keyColumns = ['n', ...layout.key.map((i) => `c${i}`)];
  const stage = session.stage(
    layout,
    keyColumns,
    (emit) => {
      const stream = new CopyStream(emit);
      const keys = fold.keyBytes;
      for (const [n, entry] of entries.entries()) {
        const origin = fold.origin[entry] as number;
        stream.out.i16(keyColumns.length).i32(4).i32(n).bytes(keys, fold.keyStart(origin) + 2, fold.keyEnd(origin));
        stream.rowAdded();
      }
      stream.end();
    },
    { what: 'other' },
  );
  const chunks: Buffer[] = [];
  for await (const chunk of session.connection.copyOut(completeSql(layout, `${stage} s`))) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const found = new Uint8Array(entries.length);
  const starts = new Int32Array(layout.columns.length + 1);
  const lengths = new Int32Array(layout.columns.length + 1);
  for (let at = 19; bytes.readInt16BE(at) !== -1; at = rowEnd(starts, lengths)) {
    locateFields(bytes, at, bytes.length, starts, lengths);
    const n = bytes.readInt32BE(starts[0] as number);
    found[n] = 1;
    fillIn(fold, layout, entries[n] as number, bytes, starts, lengths);
  }
  return entries.filter((_, n) => found[n] === 0);
}

const rowEnd = (starts: Int32Array, lengths: Int32Array): number => (starts.at(-1) as number) + Math.max(0, lengths.at(-1) as number);

/** The entry's row with the target's values where it has none. Fields that are not written become NULL: nobody reads them. */
function fillIn(fold: Fold, layout: Layout, entry: number, old: Buffer, oldStarts: Int32Array, oldLengths: Int32Array): void {
  const columnOf = new Int32Array(layout.fieldCount).fill(-1);
  for (const [i, column] of layout.columns.entries()) columnOf[column.field] = i;
  const starts = new Int32Array(layout.fieldCount);
  const lengths = new Int32Array(layout.fieldCount);
  const row = Buffer.from(fold.rowBytes(entry).subarray(fold.rowStart(entry), fold.rowEnd(entry)));
  locateFields(row, 0, row.length, starts, lengths);
  fold.complete(entry, (made: ByteWriter) => {
    made.i16(layout.fieldCount);
    for (let field = 0; field < layout.fieldCount; field++) {
      const mine = lengths[field] !== UNCHANGED_FIELD;
      const column = (columnOf[field] as number) + 1;
      const length = mine ? (lengths[field] as number) : column === 0 ? -1 : (oldLengths[column] as number);
      const start = (mine ? starts[field] : oldStarts[column]) as number;
      made.i32(length);
      if (length > 0) made.bytes(mine ? row : old, start, start + length);
    }
  });
}

function sort({ fold, layout }: Table, mode: Mode, entries: readonly number[]): Work {
  const deletes: number[] = [];
  const updates = new Map<string, number[]>();
  const upserts: number[] = [];
  const inserts: number[] = [];
  const replaces = layout.key.length > 0 && (mode === 'safe' || layout.path === 'replace');
  for (const entry of entries) {
    const state = fold.state[entry];
    if (state === State.partial) {
      const mask = fold.mask(entry);
      const group = updates.get(mask);
      if (group) group.push(entry);
      else updates.set(mask, [entry]);
    } else if (state === State.gone) deletes.push(entry);
    else if (replaces) {
      if (mode === 'safe' || fold.existed[entry] === 1) deletes.push(entry);
      inserts.push(entry);
    } else if (fold.existed[entry] === 1) upserts.push(entry);
    else inserts.push(entry);
  }
  if (!layout.rewrites || upserts.length <= arrayRowsMax) return { deletes: nearKeyOrder(fold, deletes), updates, upserts: nearKeyOrder(fold, upserts), inserts };
  const rewritten = entries.filter((entry) => fold.state[entry] === State.full);
  return { deletes: nearKeyOrder(fold, [...deletes, ...upserts]), updates, upserts: [], inserts: nearKeyOrder(fold, rewritten) };
}

/** Makes the COPY streams of a table's entries before they can be sent. Partial rows are left: their values may have to be read first. */
export function encodeAhead(table: Table): void {
  const { fold, layout } = table;
  const work = sort(table, 'fast', [...Array(fold.count).keys()]);
  if (work.updates.size > 0) return;
  const chunks = (entries: readonly number[], copied: boolean): Buffer[] => {
    const made: Buffer[] = [];
    if (copied && entries.length > arrayRowsMax) writeRows(fold, layout, entries, allColumns(layout), (chunk) => made.push(chunk));
    return made;
  };
  table.ahead = { work, upserts: chunks(work.upserts, true), inserts: chunks(work.inserts, layout.direct) };
}

/** Sends the entries' changes; no entry may be incomplete or missing. Outcomes are found by `session.settle()`. */
export function send(session: Session, table: Table, mode: Mode, entries: readonly number[]): void {
  const { fold, layout } = table;
  const ahead = mode === 'fast' && entries.length === fold.count ? table.ahead : undefined;
  const work = ahead?.work ?? sort(table, mode, entries);
  const columns = allColumns(layout);
  const write = (rows: readonly number[], made: readonly Buffer[] | undefined) => (emit: (chunk: Buffer) => void): void =>
    made ? made.forEach(emit) : writeRows(fold, layout, rows, columns, emit);
  const scans = !layout.keyIndexed && (work.deletes.length > 0 || work.updates.size > 0);
  if (scans) session.tell('other', 'set local enable_hashjoin = on');
  if (work.deletes.length > 0) {
    const sent: Omit<Sent, 'promise'> = { what: 'rows', layout, entries: work.deletes };
    if (layout.key.every((i) => layout.columns[i]?.arrayable)) {
      const params = keyArrays(fold, layout, work.deletes);
      const sql = layout.key.length === 1 && layout.keyIndexed ? deleteOneKeySql(layout) : deleteSql(layout, arrayRelation(layout, layout.key));
      session.track({ ...sent, promise: session.execute(sql, params, arrayTypes(params)) });
    } else {
      const stage = session.stage(layout, layout.key.map((i) => `c${i}`), (emit) => writeKeys(fold, work.deletes, emit), sent);
      session.track({ ...sent, promise: session.execute(deleteSql(layout, `${stage} s`), []) });
    }
  }
  for (const [mask, group] of work.updates) {
    const present = columns.filter((i) => mask[(layout.columns[i] as LayoutColumn).field] === '1' || layout.key.includes(i));
    sendRows(session, table, group, present, 'update', (from, rows) => updateSql(layout, from, present, rows));
  }
  if (scans) session.tell('other', 'set local enable_hashjoin = off');
  if (work.upserts.length > arrayRowsMax) {
    const stage = session.stage(layout, columns.map((i) => `c${i}`), write(work.upserts, ahead?.upserts), { what: 'rows', layout, entries: work.upserts });
    const rows = [new Writer(8).i64(BigInt(work.upserts.length)).view()];
    session.track({ what: 'rows', layout, entries: work.upserts, promise: session.execute(overwriteSql(layout, `${stage} s`, '$1'), rows, [20]) });
  } else if (work.upserts.length > 0) sendRows(session, table, work.upserts, columns, 'rows', (from) => upsertSql(layout, from));
  crashPoint('apply.mid-copy');
  if (work.inserts.length > arrayRowsMax && layout.direct) {
    const promise = session.copy(copyTarget(layout), write(work.inserts, ahead?.inserts));
    session.track({ what: 'rows', layout, entries: work.inserts, promise });
  } else if (work.inserts.length > 0) sendRows(session, table, work.inserts, columns, 'rows', (from) => insertSql(layout, from));
}

/** Rows as arrays or through a temporary table, whichever suits their number. */
function sendRows(
  session: Session, { fold, layout }: Table, entries: readonly number[], columns: readonly number[], what: 'rows' | 'update',
  sql: (from: string, rows: string) => string,
): void {
  const sent = { what, layout, entries };
  const count = what === 'update' ? [new Writer(8).i64(BigInt(entries.length)).view()] : [];
  if (entries.length <= arrayRowsMax && columns.every((i) => layout.columns[i]?.arrayable)) {
    const params = rowArrays(fold, layout, entries, columns);
    const text = sql(arrayRelation(layout, columns), `$${params.length + 1}`);
    session.track({ ...sent, promise: session.execute(text, [...params, ...count], [...arrayTypes(params), ...count.map(() => 20)]) });
  } else {
    const stage = session.stage(layout, columns.map((i) => `c${i}`), (emit) => writeRows(fold, layout, entries, columns, emit), sent);
    session.track({ ...sent, promise: session.execute(sql(`${stage} s`, '$1'), count, count.map(() => 20)) });
  }
}

/** The casts in the statement say what the arrays are. */
const arrayTypes = (params: readonly unknown[]): number[] => params.map(() => 0);
