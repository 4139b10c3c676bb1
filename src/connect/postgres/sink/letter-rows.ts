// Dead letters as they are written: the refused row in its own bytes, with all that is needed to apply it again, and as people read it.
import { ByteWriter, MillraceError } from '../../../base/index.ts';
import { typeCodec } from '../../../codec/index.ts';
import { type Column, fieldOf, Format, formatLsn, NULL_FIELD, Op, opNames, type Position, type RowBlock, tableAddress, type TableName, UNCHANGED_FIELD } from '../../../data/index.ts';
import type { RejectedRows, TableWrite, TargetTable } from '../../../flow/index.ts';
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
  /** By a rule: what is kept is not the row that the target would get, so it can't be applied. Absent: by the target. */
  readonly rejectedBy?: 'rule';
}

/** Rows and keys of a letter are in the target's layout: what the rules leave out or hide is not in them. */
export interface Letter {
  readonly target: TargetTable;
  readonly from: TableName;
  readonly seq: number;
  /** `Format` per target column. */
  readonly formats: readonly number[];
  readonly op: 'upsert' | 'update' | 'delete' | (typeof opNames)[number];
  /** A COPY row of the key columns; undefined: not known, since the rule fails on it too. */
  readonly key: Buffer | undefined;
  /** The key under which the target holds the row, where it is another one. */
  readonly oldKey: Buffer | undefined;
  readonly tuple: Buffer | undefined;
  readonly state: 'open' | 'joined';
  readonly error: PgError | MillraceError;
  readonly rejectedBy?: 'rule';
  /** The open letter that it waits behind. */
  readonly joins?: string;
}

const sql = `insert into millrace.dead_letters
  (consumer, source_table, target_table, key, key_bytes, old_key, op, position, seq, code, message, "column", "row", tuple, relation, state, joins)
  values ($1, $2, $3, $4::jsonb, $5::bytea, $6::bytea, $7, $8, $9::int8, $10, $11, $12, $13::jsonb, $14::bytea, $15::jsonb, $16, $17::int8) returning id::text`;

const hex = (bytes: Buffer | undefined): string | null => (bytes ? `\\x${bytes.toString('hex')}` : null);

/** Writes a letter in the open transaction; the promise gives its number. */
export async function writeLetter(session: Session, consumer: string, position: Position, letter: Letter): Promise<string> {
  const { target, from, formats, error, rejectedBy } = letter;
  const relation: LetterRelation = {
    format: 1, target, from: { schema: from.schema, name: from.name }, columns: target.columns, formats, fields: target.columns.map((_, i) => i),
    ...(rejectedBy ? { rejectedBy } : {}),
  };
  const promise = session.execute(
    sql,
    text(
      consumer, tableAddress(from), tableAddress(target), JSON.stringify(letter.key ? keyTexts(letter, letter.key) : target.key.map(() => null)), hex(letter.key), hex(letter.oldKey),
      letter.op, formatLsn(position), String(letter.seq), error.code, error.message.replaceAll('\0', '\\0'), columnOf(error) ?? null,
      letter.tuple ? JSON.stringify(rowTexts(letter, letter.tuple)) : null, hex(letter.tuple), JSON.stringify(relation), letter.state, letter.joins ?? null,
    ),
  );
  session.track({ what: 'letters', promise });
  return (await promise).rows[0]?.[0]?.toString() ?? '';
}

/** The column that an error is about, where the server tells. */
const columnOf = (error: Letter['error']): string | undefined =>
  error instanceof PgError ? (error.column ?? /column ([^:\n,]+)/.exec(error.context ?? '')?.[1]) : undefined;

/**
 * The letters of a unit of a fold: one a row that is there afterwards, with the key that it had before, and one a row that is gone, unless its
 * key is such an old one.
 */
export function lettersOf({ fold, layout }: Table, unit: readonly number[], state: Letter['state'], error: Letter['error']): Letter[] {
  const letters: Letter[] = [];
  const left = new Set<number>();
  const keyOf = (entry: number): Buffer => Buffer.from(fold.keyBytes.subarray(fold.keyStart(entry), fold.keyEnd(entry)));
  const common = (entry: number): Pick<Letter, 'target' | 'from' | 'seq' | 'formats' | 'state' | 'error'> => {
    const { write, row } = fold.last(entry);
    return { ...headOf(write, row), state, error };
  };
  // Rows that take values from under an old key come before those that are written there.
  const takes = (entry: number): number => (fold.state[entry] === State.partial && fold.origin[entry] !== entry ? 0 : 1);
  for (const entry of unit.toSorted((a, b) => takes(a) - takes(b) || common(a).seq - common(b).seq)) {
    if (fold.state[entry] === State.gone) continue;
    const whole = fold.state[entry] === State.full;
    const from = whole ? movedFrom(fold.moves, entry) : fold.origin[entry];
    // A whole row needs nothing of the one under its old key; where that key has another row now, it is that row's.
    const old = from !== undefined && from !== entry && (fold.state[from] === State.gone || !whole) ? from : undefined;
    if (old !== undefined) left.add(old);
    const tuple = picked(fold.last(entry).write, fold.rowBytes(entry), fold.rowStart(entry));
    letters.push({
      ...common(entry), tuple, op: whole ? (layout.key.length > 0 ? 'upsert' : 'insert') : 'update', key: layout.key.length > 0 ? keyOf(entry) : tuple,
      oldKey: old === undefined ? undefined : keyOf(old),
    });
  }
  for (const entry of unit) {
    if (fold.state[entry] !== State.gone || left.has(entry) || (fold.existed[entry] === 0 && letters.length > 0)) continue;
    letters.push({ ...common(entry), op: 'delete', key: keyOf(entry), oldKey: undefined, tuple: undefined });
  }
  return letters;
}

const headOf = ({ target, from, batch, fields }: TableWrite, row: number): Pick<Letter, 'target' | 'from' | 'seq' | 'formats'> =>
  ({ target, from, seq: batch.seqs[row] as number, formats: Array.from(fields, (field) => batch.formats[field] as number) });

/** A row of the batch as one of the target. */
const picked = ({ fields }: TableWrite, bytes: Buffer, start: number): Buffer => rowOf(Array.from(fields, (field) => fieldOf(bytes, start, field)));

/** Where the chain of key changes that ends at an entry began. */
function movedFrom(moves: readonly number[], entry: number): number | undefined {
  let from: number | undefined;
  for (let i = moves.length - 2; i >= 0; i -= 2) if (moves[i + 1] === (from ?? entry)) from = moves[i];
  return from;
}

export function orderedLetter({ write, row }: OrderedRow, error: Letter['error']): Letter {
  const { batch, target } = write;
  const slice = (block: RowBlock): Buffer | undefined =>
    block.offsets[row] === block.offsets[row + 1] ? undefined : picked(write, block.bytes, block.offsets[row] as number);
  const [after, before] = [slice(batch.after), slice(batch.before)];
  const key = (tuple: Buffer): Buffer => (target.key.length > 0 ? rowOf(target.key.map((i) => fieldOf(tuple, 0, i))) : tuple);
  const op = opNames[batch.ops[row] as 0 | 1 | 2 | 3];
  return { ...headOf(write, row), op, key: key((after ?? before) as Buffer), oldKey: before ? key(before) : undefined, tuple: after, state: 'open', error };
}

/** The letter of a row that a rule rejected. Its key is that of the target's rows; of the others there is what the rule takes over as it is. */
export function rejectLetter(write: TableWrite, row: number): Letter {
  const { target } = write;
  const { batch, fields, keys, errors } = write.rejected as RejectedRows;
  const keyField = (block: RowBlock, i: number): Buffer | null | undefined =>
    block.offsets[row] === block.offsets[row + 1] ? undefined : fieldOf(block.bytes, block.offsets[row] as number, write.fields[i] as number);
  const keyOf = (block: RowBlock): Buffer | undefined => {
    const values = target.key.map((i) => keyField(block, i));
    return values.length === 0 || values.includes(undefined) ? undefined : rowOf(values);
  };
  const [key, oldKey] = [keyOf(keys.after), keyOf(keys.before)];
  const known = key ?? oldKey;
  const values = target.columns.map((_, i) => {
    if (known && target.key.includes(i)) return fieldOf(known, 0, target.key.indexOf(i));
    const field = fields[i] as number;
    return field < 0 || batch.ops[row] === Op.delete ? undefined : fieldOf(batch.after.bytes, batch.after.offsets[row] as number, field);
  });
  const formats = target.columns.map((_, i) =>
    (known && target.key.includes(i) ? keys.formats[write.fields[i] as number] : fields[i] === -1 ? Format.binary : batch.formats[fields[i] as number]) as number);
  return {
    target, from: write.from, seq: batch.seqs[row] as number, formats, op: opNames[batch.ops[row] as 0 | 1 | 2 | 3], key: known, oldKey: key && oldKey,
    tuple: batch.ops[row] === Op.delete ? undefined : rowOf(values), state: 'open', error: errors[row] as MillraceError, rejectedBy: 'rule',
  };
}

/** Values as a row: null is NULL, undefined unchanged. */
export function rowOf(values: readonly (Buffer | null | undefined)[]): Buffer {
  const out = new ByteWriter(64).i16(values.length);
  for (const value of values) {
    if (value) out.i32(value.length).bytes(value);
    else out.i32(value === null ? NULL_FIELD : UNCHANGED_FIELD);
  }
  return Buffer.from(out.view());
}

function rowTexts({ target, formats }: Pick<Letter, 'target' | 'formats'>, tuple: Buffer): Record<string, string | null> {
  const out: Record<string, string | null> = {};
  for (const [i, column] of target.columns.entries()) {
    const value = fieldOf(tuple, 0, i);
    if (value !== undefined) out[column.name] = value === null ? null : valueText(column, formats[i] as number, value);
  }
  return out;
}

/** The text forms of a key: keys that differ only in the form of their bytes are the same. */
export function keyTexts({ target, formats }: Pick<Letter, 'target' | 'formats'>, key: Buffer): (string | null)[] {
  const columns = target.key.length > 0 ? target.key : target.columns.map((_, i) => i);
  return columns.map((i, n) => {
    const value = fieldOf(key, 0, n);
    return value ? valueText(target.columns[i] as Column, formats[i] as number, value) : null;
  });
}

/** What stops a replica that keeps no letters. */
export function rejected(consumer: string, letter: Letter): MillraceError {
  const { error, target, from } = letter;
  const column = columnOf(error);
  const key = letter.key ? ` with key (${keyTexts(letter, letter.key).join(', ')})` : '';
  const what = letter.rejectedBy === 'rule' ? `a rule cannot make a row of ${tableAddress(from)}${key} for ${tableAddress(target)}` : `${tableAddress(target)} refused a row${key}`;
  const detail = error instanceof PgError ? [`SQLSTATE ${error.code}`, error.detail, error.context].filter(Boolean).join('\n') : error.detail;
  return new MillraceError('ROW_REJECTED', `${what}${column ? `, column ${column}` : ''}: ${error.message}`, {
    cause: error, ...(detail ? { detail } : {}),
    hint: letter.rejectedBy === 'rule'
      ? 'mend the rule or transform and start `millrace up` again; or set onBadRow: deadLetter, which leaves the row out'
      : `mend the cause, then \`millrace resume ${consumer}\`, or \`millrace up\` if it has ended; or set onBadRow: deadLetter, which leaves the row out`,
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
