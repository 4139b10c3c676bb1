// Dead letters as they are written: the refused row in its own bytes, with all that is needed to apply it again, and as people read it.
import { MillraceError } from '../../../base/index.ts';
import { typeCodec } from '../../../codec/index.ts';
import { type Column, fieldOf, Format, formatLsn, opNames, type Position, tableAddress, type TableName } from '../../../data/index.ts';
import type { TableWrite, TargetTable } from '../../../flow/index.ts';
import { PgError } from '../../../wire/index.ts';
import { text } from './fence.ts';
import { State } from './fold.ts';
import type { Table } from './apply.ts';
import type { OrderedRow } from './ordered.ts';
import type { Session } from './session.ts';

/** What is kept beside the bytes, so that they can be read years later: format 1. */
export interface LetterRelation {
  readonly format: 1;
  readonly target: TargetTable;
  readonly from: TableName;
  readonly columns: readonly Column[];
  readonly formats: readonly number[];
  readonly fields: readonly number[];
}

export interface Letter {
  readonly write: TableWrite;
  readonly row: number;
  readonly op: 'upsert' | 'update' | 'delete' | (typeof opNames)[number];
  /** A COPY row of the key columns, in the batch's form. */
  readonly key: Buffer;
  /** The key under which the target holds the row, where it is another one. */
  readonly oldKey: Buffer | undefined;
  readonly tuple: Buffer | undefined;
  readonly state: 'open' | 'joined';
  readonly error: PgError | MillraceError;
}

const sql = `insert into millrace.dead_letters
  (consumer, source_table, target_table, key, key_bytes, old_key, op, position, seq, code, message, "column", "row", tuple, relation, state)
  values ($1, $2, $3, $4::jsonb, $5::bytea, $6::bytea, $7, $8, $9::int8, $10, $11, $12, $13::jsonb, $14::bytea, $15::jsonb, $16) returning id::text`;

const hex = (bytes: Buffer | undefined): string | null => (bytes ? `\\x${bytes.toString('hex')}` : null);

/** Writes a letter in the open transaction; the promise gives its number. */
export async function writeLetter(session: Session, consumer: string, position: Position, letter: Letter): Promise<string> {
  const { write, row, error } = letter;
  const relation: LetterRelation = {
    format: 1, target: write.target, from: { schema: write.from.schema, name: write.from.name }, columns: write.batch.relation.columns,
    formats: [...write.batch.formats], fields: [...write.fields],
  };
  const code = error instanceof PgError ? error.code : error.code === 'ROW_MISSING' ? 'ROW_MISSING' : 'ROW_REJECTED';
  const column = error instanceof PgError ? (error.column ?? /column ([^:\n,]+)/.exec(error.context ?? '')?.[1] ?? null) : null;
  const promise = session.execute(
    sql,
    text(
      consumer, tableAddress(write.from), tableAddress(write.target), JSON.stringify(keyTexts(write, letter.key)), hex(letter.key), hex(letter.oldKey), letter.op,
      formatLsn(position), String(write.batch.seqs[row]), code, error.message, column, letter.tuple ? JSON.stringify(rowTexts(write, letter.tuple)) : null,
      hex(letter.tuple), JSON.stringify(relation), letter.state,
    ),
  );
  session.track({ what: 'letters', promise });
  return (await promise).rows[0]?.[0]?.toString() ?? '';
}

/** The letter of an entry of a fold; undefined for one that was only moved away (the letter of its new key has it as `oldKey`). */
export function letterOf({ fold }: Table, entry: number, unit: readonly number[], state: Letter['state'], error: Letter['error']): Letter | undefined {
  const { write, row } = fold.last(entry);
  const key = (at: number): Buffer => Buffer.from(fold.keyBytes.subarray(fold.keyStart(at), fold.keyEnd(at)));
  const gone = fold.state[entry] === State.gone;
  if (gone && unit.some((other) => fold.state[other] !== State.gone)) return undefined;
  const from = fold.moves.findLast((_, i) => i % 2 === 0 && fold.moves[i + 1] === entry);
  return {
    write, row, state, error,
    op: gone ? 'delete' : fold.state[entry] === State.full ? 'upsert' : 'update',
    key: key(entry),
    oldKey: from === undefined || gone ? undefined : key(firstOf(fold.moves, from)),
    tuple: gone ? undefined : Buffer.from(fold.rowBytes(entry).subarray(fold.rowStart(entry), fold.rowEnd(entry))),
  };
}

/** Where a chain of key changes began. */
function firstOf(moves: readonly number[], entry: number): number {
  let at = entry;
  for (let steps = 0; steps < moves.length; steps += 2) {
    const before = moves.findIndex((to, i) => i % 2 === 1 && to === at);
    if (before < 0) break;
    at = moves[before - 1] as number;
  }
  return at;
}

export function orderedLetter({ write, row, layout }: OrderedRow, error: Letter['error']): Letter {
  const { batch } = write;
  const slice = (block: { bytes: Buffer; offsets: Uint32Array }): Buffer | undefined => {
    const [start, end] = [block.offsets[row] as number, block.offsets[row + 1] as number];
    return end > start ? Buffer.from(block.bytes.subarray(start, end)) : undefined;
  };
  const [after, before] = [slice(batch.after), slice(batch.before)];
  const key = (tuple: Buffer): Buffer => keyOf(tuple, layout.key.length > 0 ? layout.keyFields : Int32Array.from(write.fields));
  const op = opNames[batch.ops[row] as 0 | 1 | 2 | 3];
  return { write, row, op, key: key((after ?? before) as Buffer), oldKey: before ? key(before) : undefined, tuple: after, state: 'open', error };
}

function keyOf(tuple: Buffer, fields: Int32Array): Buffer {
  const parts: Buffer[] = [Buffer.from([fields.length >> 8, fields.length & 255])];
  for (const field of fields) {
    const value = fieldOf(tuple, 0, field);
    const head = Buffer.alloc(4);
    head.writeInt32BE(value ? value.length : -1);
    parts.push(head, ...(value ? [value] : []));
  }
  return Buffer.concat(parts);
}

export function rowTexts({ target, batch, fields }: TableWrite, tuple: Buffer): Record<string, string | null> {
  const out: Record<string, string | null> = {};
  for (const [i, column] of target.columns.entries()) {
    const field = fields[i] as number;
    const value = fieldOf(tuple, 0, field);
    if (value !== undefined) out[column.name] = value === null ? null : valueText(column, batch.formats[field] as number, value);
  }
  return out;
}

export function keyTexts({ target, batch, fields }: TableWrite, key: Buffer): (string | null)[] {
  const columns = target.key.length > 0 ? target.key : target.columns.map((_, i) => i);
  return columns.map((i, n) => {
    const value = fieldOf(key, 0, n);
    return value ? valueText(target.columns[i] as Column, batch.formats[fields[i] as number] as number, value) : null;
  });
}

/** For people: what cannot be shown as text is shown as hex, and a zero byte, which jsonb has no place for, as \0. */
function valueText(column: Pick<Column, 'type'>, format: number, value: Buffer): string {
  let shown: string;
  try {
    shown = format === Format.text ? value.toString() : typeCodec(column.type).toText(value);
  } catch {
    shown = `\\x${value.toString('hex')}`;
  }
  return shown.replaceAll('\0', '\\0');
}
