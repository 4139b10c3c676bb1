// Dead letters as they are written: the refused row in its own bytes, with all that is needed to apply it again, and as people read it.
import { ByteWriter, MillraceError } from '../../../base/index.ts';
import { typeCodec } from '../../../codec/index.ts';
import { type Column, fieldOf, Format, formatLsn, NULL_FIELD, Op, opNames, type Position, type RowBlock, tableAddress, type TableName, UNCHANGED_FIELD } from '../../../data/index.ts';
import type { RejectedRows, TableWrite, TargetTable } from '../../../flow/index.ts';
import { PgError } from '../../../wire/index.ts';
import { text } from './fence.ts';
import type { Table } from './apply.ts';
import type { Fold } from './fold.ts';
import { plainText } from './layout.ts';
import { fatesOf, type KeyChange } from './live.ts';
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

/** A change as a letter keeps it. Rows and keys are in the target's layout: what the rules leave out or hide is not in them. */
export interface KeptChange {
  readonly target: TargetTable;
  readonly from: TableName;
  readonly seq: number;
  /** `Format` per target column. */
  readonly formats: readonly number[];
  /** `upsert`: an update that carries the whole row; `update`: a part of it. */
  readonly op: 'upsert' | (typeof opNames)[number];
  /** A COPY row of the key columns; undefined: not known, since the rule fails on it too. */
  readonly key: Buffer | undefined;
  /** The key under which the row was before, where it is another one. Of a table without a key: the whole old row. */
  readonly oldKey: Buffer | undefined;
  readonly tuple: Buffer | undefined;
  readonly rejectedBy?: 'rule';
}

export interface Letter extends KeptChange {
  readonly error: PgError | MillraceError;
  /** The open letter that it waits behind; absent: it is open itself. */
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
      letter.tuple ? JSON.stringify(rowTexts(letter, letter.tuple)) : null, hex(letter.tuple), JSON.stringify(relation), letter.joins === undefined ? 'open' : 'joined', letter.joins ?? null,
    ),
  );
  session.track({ what: 'letters', promise });
  return (await promise).rows[0]?.[0]?.toString() ?? '';
}

/** The column that an error is about, where the server tells. */
const columnOf = (error: Letter['error']): string | undefined =>
  error instanceof PgError ? (error.column ?? /column ([^:\n,]+)/.exec(error.context ?? '')?.[1]) : undefined;

/**
 * The changes that made units of a fold, in their order; those that later ones of the unit have made pointless are left out. Not where a key has
 * several spellings: a replay folds changes again, which goes by the spelling.
 */
export function changesOf({ fold, layout }: Table, units: readonly (readonly number[])[]): KeptChange[][] {
  const unitOf = new Map(units.flatMap((unit, i) => unit.map((entry) => [entry, i] as const)));
  const changes: KeptChange[][] = units.map(() => []);
  for (const { entry, write, row } of fold.changesOf(unitOf)) changes[unitOf.get(entry) as number]?.push(changeOf(write, row));
  return layout.keyPlain ? changes.map((each) => living(merged(each))) : changes;
}

/** A part of a row goes into the change right before it, where that has written the row: one letter a row, however often it changes in a commit. */
function merged(changes: readonly KeptChange[]): KeptChange[] {
  const out: KeptChange[] = [];
  /** Key → where in `out` it was named last. */
  const last = new Map<string, number>();
  for (const change of changes) {
    const { key, old } = keysOf(change);
    const at = key === undefined || old !== undefined || change.op !== 'update' ? undefined : last.get(key);
    const base = at === undefined ? undefined : (out[at] as KeptChange);
    if (at !== undefined && base?.tuple && keysOf(base).key === key) {
      const tuple = overlaid(base.tuple, change.tuple as Buffer, change.target.columns.length);
      out[at] = { ...base, seq: change.seq, tuple, op: base.op === 'update' && !isPartial(tuple, change.target) ? 'upsert' : base.op };
      continue;
    }
    for (const each of [key, old]) if (each !== undefined) last.set(each, out.length);
    out.push(change);
  }
  return out;
}

function living(changes: readonly KeptChange[]): KeptChange[] {
  const fates = changes.length > 1 ? fatesOf(changes.map(keysOf)) : [];
  return changes.flatMap((change, i): KeptChange[] => {
    if (fates[i] === 'dead') return [];
    if (fates[i] === 'freed') return [{ ...change, oldKey: undefined }];
    return fates[i] === 'removal' ? [{ ...change, op: 'delete', key: change.oldKey, oldKey: undefined, tuple: undefined }] : [change];
  });
}

/** A change as far as keys go. Rows without a key have nothing to do with each other; what a rule rejected takes no values: it cannot be applied. */
export function keysOf(change: KeptChange): KeyChange {
  if (change.target.key.length === 0) return { key: undefined, old: undefined, reads: false };
  return { key: change.key && keyText(change, change.key), old: change.oldKey && keyText(change, change.oldKey), reads: change.op === 'update' && !change.rejectedBy };
}

/** A row of the batch as one of the target. */
const picked = ({ fields }: TableWrite, bytes: Buffer, start: number): Buffer => rowOf(Array.from(fields, (field) => fieldOf(bytes, start, field)));

const overlaid = (base: Buffer, part: Buffer, count: number): Buffer =>
  rowOf(Array.from({ length: count }, (_, i) => {
    const value = fieldOf(part, 0, i);
    return value === undefined ? fieldOf(base, 0, i) : value;
  }));

const isPartial = (tuple: Buffer, target: TargetTable): boolean => target.columns.some((_, i) => fieldOf(tuple, 0, i) === undefined);

/** A change of a batch. */
export function changeOf(write: TableWrite, row: number): KeptChange {
  const { batch, target, from, fields } = write;
  const slice = (block: RowBlock): Buffer | undefined =>
    block.offsets[row] === block.offsets[row + 1] ? undefined : picked(write, block.bytes, block.offsets[row] as number);
  const before = slice(batch.before);
  let after = slice(batch.after);
  // A key that is a large value of its own and has not changed is in the old row.
  if (after && before && target.key.some((i) => fieldOf(after as Buffer, 0, i) === undefined)) {
    const known = rowOf(target.columns.map((_, i) => (target.key.includes(i) ? fieldOf(before, 0, i) : undefined)));
    after = overlaid(known, after, target.columns.length);
  }
  const keyed = target.key.length > 0;
  const keyOf = (tuple: Buffer): Buffer => (keyed ? rowOf(target.key.map((i) => fieldOf(tuple, 0, i))) : tuple);
  const key = keyOf((after ?? before) as Buffer);
  const old = after && before ? keyOf(before) : undefined;
  const name = opNames[batch.ops[row] as 0 | 1 | 2 | 3];
  const op = keyed && name === 'update' && after && !isPartial(after, target) ? 'upsert' : name;
  return {
    target, from, seq: batch.seqs[row] as number, formats: Array.from(fields, (field) => batch.formats[field] as number), op, key,
    oldKey: keyed && old?.equals(key) ? undefined : old, tuple: after,
  };
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
    target, from: write.from, seq: batch.seqs[row] as number, formats, op: opNames[batch.ops[row] as 0 | 1 | 2 | 3], key: known, oldKey: key && oldKey && !oldKey.equals(key) ? oldKey : undefined,
    tuple: batch.ops[row] === Op.delete ? undefined : rowOf(values), error: errors[row] as MillraceError, rejectedBy: 'rule',
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
function keyTexts({ target, formats }: Pick<Letter, 'target' | 'formats'>, key: Buffer): (string | null)[] {
  const columns = target.key.length > 0 ? target.key : target.columns.map((_, i) => i);
  return columns.map((i, n) => {
    const value = fieldOf(key, 0, n);
    return value ? valueText(target.columns[i] as Column, formats[i] as number, value) : null;
  });
}

/**
 * A key as a text by which it is compared. A source may send the same key in binary form today and as text tomorrow, and keys that PostgreSQL
 * takes for equal are the same one at the target, however they are written (1.0 and 1.00).
 */
export const keyText = (letter: Pick<Letter, 'target' | 'formats'>, key: Buffer): string => {
  const { columns, key: keyColumns } = letter.target;
  return JSON.stringify(keyTexts(letter, key).map((value, n) => value && plainText((columns[keyColumns[n] as number] as Column).type, value)));
};

/** A key, or old key, as a letter keeps it (hex). */
export const keptKey = (kept: LetterRelation, hex: string): string =>
  keyText({ target: kept.target, formats: kept.fields.map((field) => kept.formats[field] as number) }, Buffer.from(hex, 'hex'));

/** The key of an entry of a fold. */
export function entryKey(fold: Fold, entry: number): string {
  const { target, batch, fields } = fold.last(entry).write;
  const key = fold.keyBytes.subarray(fold.keyStart(entry), fold.keyEnd(entry));
  return keyText({ target, formats: Array.from(fields, (field) => batch.formats[field] as number) }, key);
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
