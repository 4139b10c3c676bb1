// How the rows of an epoch are shared among lanes. Whatever must stay in order is in one lane: a table, or where nothing but its key binds the
// rows of a table to each other, a key of it. It is decided anew for each epoch, since no lane begins the next one before all have this one.
import { assert } from '../../../base/index.ts';
import { Before, fieldOf, Op, tableAddress, type TableName } from '../../../data/index.ts';
import type { TableStep, TableWrite } from '../../../flow/index.ts';
import type { Layout } from './layout.ts';

export interface Sharing {
  readonly lanes: number;
  /** Tables that are shared by key → their key's columns, as text; tables that go to one lane → its number. The others go where their names lead. */
  readonly tables: Readonly<Record<string, string | number>>;
}

export interface SharingLimits {
  /** Epochs of fewer rows are left to one session: the commits of several cost more than they bring. */
  readonly rowsMin: number;
  /** Tables with fewer rows in an epoch go to one lane. */
  readonly tableRowsMin: number;
}

export interface KnownTables {
  layoutOf(write: TableWrite): Layout;
  /** Whether it has open dead letters. */
  hasLetters(table: TableName): boolean;
}

const rowsOf = (writes: readonly TableWrite[]): number => writes.reduce((sum, { batch, rows, rejected }) => sum + (rows?.length ?? batch.count) + (rejected?.batch.count ?? 0), 0);

const byTable = (steps: readonly TableStep[]): Map<string, TableWrite[]> =>
  Map.groupBy(steps.flatMap((step) => (step.kind === 'rows' ? step.writes.filter((write) => write.rows?.length !== 0 || write.rejected) : [])), (write) => tableAddress(write.target));

/** Whether an epoch is large enough to be shared at all. A TRUNCATE goes between the rows of all tables. */
export const mayBeShared = (steps: readonly TableStep[], { rowsMin }: SharingLimits): boolean =>
  steps.every((step) => step.kind === 'rows') && rowsOf(steps.flatMap((step) => step.writes)) >= rowsMin;

export function shareTables(steps: readonly TableStep[], lanes: number, { tableRowsMin }: SharingLimits, known: KnownTables): Sharing {
  const tables: Record<string, string | number> = {};
  for (const [address, writes] of byTable(steps)) {
    // Letters are known to the first lane: what joins them, ends them or makes new ones by a rule is for it alone.
    if (writes.some((write) => write.rejected || known.hasLetters(write.target))) tables[address] = 0;
    else if (rowsOf(writes) >= tableRowsMin) {
      const key = keyOf(writes, known);
      if (key !== undefined && !writes.some((write) => movesKeys(write, known.layoutOf(write)))) tables[address] = key;
    }
  }
  return { lanes, tables };
}

/** Tables whose rows would not go to the lanes by which they are shared, since their keys are not what they were: addresses at the source. */
export function sharedOtherwise(steps: readonly TableStep[], sharing: Sharing, known: KnownTables): string[] {
  return [...byTable(steps)].flatMap(([address, writes]) => {
    const key = sharing.tables[address];
    return typeof key === 'string' && key !== keyOf(writes, known) ? [...new Set(writes.map(({ from }) => tableAddress(from)))] : [];
  });
}

/** What each lane has to do. */
export function shareOut(steps: readonly TableStep[], { lanes, tables }: Sharing, known: KnownTables): TableStep[][] {
  const shares = Array.from({ length: lanes }, (): TableStep[] => []);
  for (const step of steps) {
    assert(step.kind === 'rows', 'a TRUNCATE cannot be shared');
    const writes = shares.map((): TableWrite[] => []);
    for (const write of step.writes) {
      if (write.rows?.length === 0 && !write.rejected) continue;
      const address = tableAddress(write.target);
      const place = tables[address] ?? hash(Buffer.from(address)) % lanes;
      if (typeof place === 'number') writes[place]?.push(write);
      else for (const [lane, rows] of rowsByLane(write, known.layoutOf(write), lanes).entries()) if (rows.length > 0) writes[lane]?.push({ ...write, rows: Uint32Array.from(rows) });
    }
    for (const [lane, its] of writes.entries()) if (its.length > 0) shares[lane]?.push({ kind: 'rows', writes: its });
  }
  return shares;
}

/** The key's columns and how their values come; undefined: the table is not shared by key. */
function keyOf(writes: readonly TableWrite[], known: KnownTables): string | undefined {
  const keys = new Set(writes.map((write) => {
    const layout = known.layoutOf(write);
    if (!layout.sharedByKey) return undefined;
    return JSON.stringify(layout.key.map((i) => [layout.columns[i]?.name, layout.columns[i]?.stageText, write.batch.formats[layout.columns[i]?.field ?? 0]]));
  }));
  const [key] = keys;
  return keys.size === 1 ? key : undefined;
}

/** Whether a row comes under another key than it had. */
function movesKeys(write: TableWrite, { keyFields }: Layout): boolean {
  const { batch } = write;
  for (const row of rowsOfWrite(write)) {
    if (batch.ops[row] !== Op.update || batch.befores[row] === Before.none) continue;
    for (const field of keyFields) {
      const after = fieldOf(batch.after.bytes, batch.after.offsets[row] as number, field);
      const before = fieldOf(batch.before.bytes, batch.before.offsets[row] as number, field);
      if (after !== undefined && before !== undefined && !(after === before || (after && before && after.equals(before)))) return true;
    }
  }
  return false;
}

function rowsByLane(write: TableWrite, { keyFields }: Layout, lanes: number): number[][] {
  const { batch } = write;
  const rows = Array.from({ length: lanes }, (): number[] => []);
  for (const row of rowsOfWrite(write)) {
    const block = batch.ops[row] === Op.delete ? batch.before : batch.after;
    let sum = hashStart;
    for (const field of keyFields) {
      // A value that did not change may have been left out behind the old row.
      const value = fieldOf(block.bytes, block.offsets[row] as number, field) ?? fieldOf(batch.before.bytes, batch.before.offsets[row] as number, field);
      sum = hash(value ?? Buffer.alloc(0), sum);
    }
    rows[sum % lanes]?.push(row);
  }
  return rows;
}

function* rowsOfWrite({ batch, rows }: TableWrite): Generator<number> {
  const count = rows?.length ?? batch.count;
  for (let i = 0; i < count; i++) yield rows?.[i] ?? i;
}

const hashStart = 0x811c9dc5;

/** FNV-1a, with the length, and mixed at the end so that the low bits depend on all of it. Lanes that are begun rest on it: it must stay what it is. */
function hash(bytes: Buffer, start = hashStart): number {
  let sum = Math.imul(start ^ bytes.length, 0x01000193);
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 15), 0x85ebca6b);
  return (sum ^ (sum >>> 13)) >>> 0;
}
