// Changes as people and scripts read them: the rows of a run, decoded.
import { typeCodec } from '../codec/index.ts';
import { baseType, type Batch, Before, type Column, displayIdent, fieldOf, Format, formatLsn, opNames, type Relation, type Run, tableAddress, transactionOf, type Transaction } from '../data/index.ts';
import type { colorsFor } from './command.ts';

type Colors = ReturnType<typeof colorsFor>;
/** Column index → PostgreSQL's text, null for NULL, undefined for unchanged. */
type Fields = readonly (string | null | undefined)[];

export interface RowChange {
  readonly relation: Relation;
  readonly op: (typeof opNames)[number];
  readonly transaction: Transaction;
  /** The whole old row, or only its key columns. */
  readonly before: { readonly fields: Fields; readonly whole: boolean } | undefined;
  readonly after: Fields | undefined;
}

/** The changes of a run in their order, of the tables that are wanted. */
export function changesOf(run: Run, wanted: (relation: Relation) => boolean): RowChange[] {
  const rows = run.batches.filter((batch) => wanted(batch.relation)).flatMap((batch) => Array.from({ length: batch.count }, (_, row) => ({ batch, row })));
  rows.sort((a, b) => (a.batch.seqs[a.row] as number) - (b.batch.seqs[b.row] as number));
  return rows.map(({ batch, row }) => readChange(run, batch, row));
}

function readChange(run: Run, batch: Batch, row: number): RowChange {
  const before = batch.befores[row] as Before;
  const after = readRow(batch, batch.after, row);
  return {
    relation: batch.relation,
    op: opNames[batch.ops[row] as number] as RowChange['op'],
    transaction: transactionOf(run, batch.seqs[row] as number),
    before: before === Before.none ? undefined : { fields: readRow(batch, batch.before, row) ?? [], whole: before === Before.full },
    after,
  };
}

function readRow(batch: Batch, block: Batch['after'], row: number): Fields | undefined {
  const [start, end] = [block.offsets[row] as number, block.offsets[row + 1] as number];
  if (start === end) return undefined;
  return batch.relation.columns.map((column, i) => {
    const bytes = fieldOf(block.bytes, start, i);
    if (bytes === null || bytes === undefined) return bytes;
    return batch.formats[i] === Format.text ? bytes.toString() : typeCodec(column.type).toText(bytes);
  });
}

/** The values that identify the row: after the change, or before it for a delete. */
function keyOf({ relation, before, after }: RowChange): readonly number[] | undefined {
  return relation.key.length > 0 && (after ?? before) ? relation.key : undefined;
}

const PLAIN_NUMBERS = new Set(['int2', 'int4', 'float4', 'float8', 'oid']);

function jsonValue(column: Column, text: string | null): unknown {
  if (text === null) return null;
  const type = baseType(column.type);
  if (type.kind !== 'base' || type.schema !== 'pg_catalog') return text;
  if (type.name === 'bool') return text === 't';
  if (type.name === 'json' || type.name === 'jsonb') return JSON.parse(text);
  // NaN and Infinity are no JSON numbers: they stay text, as the types do whose values a double cannot hold.
  if (PLAIN_NUMBERS.has(type.name) && Number.isFinite(Number(text))) return Number(text);
  return text;
}

function jsonRow(relation: Relation, fields: Fields, columns: readonly number[] = relation.columns.map((_, i) => i)): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const i of columns) {
    const [column, value] = [relation.columns[i], fields[i]];
    if (column && value !== undefined) row[column.name] = jsonValue(column, value);
  }
  return row;
}

export function changeJson(source: string, change: RowChange): Record<string, unknown> {
  const { relation, op, transaction, before, after } = change;
  const key = keyOf(change);
  return {
    source,
    table: tableAddress(relation),
    op,
    position: formatLsn(transaction.end),
    time: timeText(transaction.timeUs),
    xid: transaction.xid,
    key: key ? jsonRow(relation, after ?? before?.fields ?? [], key) : {},
    before: before?.whole ? jsonRow(relation, before.fields) : null,
    after: after ? jsonRow(relation, after) : null,
    unchanged: after ? relation.columns.filter((_, i) => after[i] === undefined).map((column) => column.name) : [],
  };
}

/** Microseconds since 1970 as ISO 8601 with all six digits. */
function timeText(us: bigint): string {
  const ms = us / 1000n;
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${String(us - ms * 1000n).padStart(3, '0')}Z`;
}

const CUT = 60;
const opMarks = { read: '·', insert: '+', update: '~', delete: '−' } as const;

/** Cut to a line's worth: a value with line breaks or 4 kB of json would hide all others. */
function short(text: string | null | undefined): string {
  if (text === undefined) return '(unchanged)';
  if (text === null) return 'null';
  const line = text.replace(/\s+/g, ' ');
  return line.length > CUT ? `${line.slice(0, CUT - 1)}…` : line;
}

export function changeText(change: RowChange, c: Colors): string {
  const { relation, op, transaction, before, after } = change;
  const colour = op === 'delete' ? c.red : op === 'update' ? c.yellow : c.green;
  const key = keyOf(change) ?? [];
  const name = (i: number): string => displayIdent(relation.columns[i]?.name ?? '');
  const keyText = key.map((i) => {
    const [old, now] = [before?.fields[i], after?.[i]];
    const moved = before && after && old !== now;
    return `${name(i)} ${moved ? `${short(old)} → ` : ''}${short(after ? now : old)}`;
  });
  const values = relation.columns.flatMap((_, i) => {
    if (key.includes(i) || (!after && !before?.whole)) return [];
    if (!after) return [`${c.dim(name(i))} ${short(before?.fields[i])}`];
    if (after[i] === undefined) return [];
    if (!before?.whole) return [`${c.dim(name(i))} ${short(after[i])}`];
    return before.fields[i] === after[i] ? [] : [`${c.dim(name(i))} ${short(before.fields[i])} → ${short(after[i])}`];
  });
  const head = `${c.dim(timeText(transaction.timeUs).slice(11, 23))}  ${colour(`${opMarks[op]} ${op.padEnd(6)}`)}  ${tableAddress(relation)}`;
  return [head, c.bold(keyText.join(' ')), values.join('  '), c.dim(formatLsn(transaction.end))].filter((part) => part !== '' && part !== c.bold('')).join('  ');
}

export const truncateText = (relation: Relation, c: Colors): string => `              ${c.red('× truncate')}  ${tableAddress(relation)}`;
