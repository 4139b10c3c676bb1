// Making: what a target column is made of, and how its bytes are written.
import { hash } from 'node:crypto';
import { type ByteWriter, MillraceError } from '../../base/index.ts';
import { typeCodec } from '../../codec/index.ts';
import { Format, NULL_FIELD, type Position, quoteIdent, type Relation, Unchanged, UNCHANGED_FIELD } from '../../data/index.ts';
import type { TargetColumn } from '../../flow/index.ts';
import { fullIdentity } from './identity.ts';
import type { Image } from './image.ts';
import type { SqlExpression } from './sql-expression.ts';

export type Making =
  /** The bytes of a field of the source row. */
  | { readonly kind: 'field'; readonly field: number }
  /** The same bytes for all rows (null: NULL), in `format`; `sql` is their SQL. */
  | { readonly kind: 'constant'; readonly bytes: Buffer | null; readonly format: number; readonly sql: string }
  /** Lower-case hex SHA-256 of salt + text form. */
  | { readonly kind: 'hash'; readonly field: number; readonly salt: string }
  | { readonly kind: 'sql'; readonly expression: SqlExpression }
  | { readonly kind: 'meta'; readonly what: 'source' | 'op' | 'committedAt' | 'lsn' | 'deletedAt' }
  /** A column of the row that the transform returned; `field`: the source column of the same name and type. */
  | { readonly kind: 'returned'; readonly name: string; readonly field: number | undefined };

export interface PlannedColumn {
  readonly column: TargetColumn;
  readonly making: Making;
}

/** What is told of a change besides its row. */
export interface ChangeFacts {
  readonly source: string;
  readonly op: string;
  /** Microseconds since 1970-01-01 UTC; undefined when the row was read by a snapshot. */
  readonly committedUs: bigint | undefined;
  /** Where it committed; undefined when that is of no concern. */
  readonly commit: Position | undefined;
  readonly deleted: boolean;
}

/** Appends a field with its length word. Answers whether it is unchanged. */
export type WriteField = (image: Image, facts: ChangeFacts, out: ByteWriter) => boolean;

/** Whether a row that has only its key needs this too: what a guard goes by tells how old a delete is. */
export const guards = (making: Making): boolean => making.kind === 'meta' && (making.what === 'lsn' || making.what === 'source');

/** The form of a column's bytes when those of the source's fields have `formats`. */
export function formatOf({ making, column }: PlannedColumn, formats: Uint8Array): number {
  if (making.kind === 'field') return formats[making.field] as number;
  if (making.kind === 'constant') return making.format;
  return typeCodec(column.type).binary ? Format.binary : Format.text;
}

export function writerOf({ column, making }: PlannedColumn, relation: Relation): WriteField {
  switch (making.kind) {
    case 'field': {
      const { field } = making;
      return (image, _facts, out) => image.copy(field, out);
    }
    case 'constant': {
      const { bytes } = making;
      return (_image, _facts, out) => {
        if (bytes === null) out.i32(NULL_FIELD);
        else out.i32(bytes.length).bytes(bytes);
        return false;
      };
    }
    case 'hash': {
      const { field, salt } = making;
      return (image, _facts, out) => {
        if (image.isUnchanged(field)) return unchanged(out);
        if (image.isNull(field)) out.i32(NULL_FIELD);
        else out.i32(64).text(hashed(salt, image.text(field)));
        return false;
      };
    }
    case 'sql':
      return sqlWriter(column, making.expression, relation);
    case 'meta':
      return metaWriters[making.what];
    case 'returned':
      throw new Error('a returned column is written by its transform');
  }
}

/** The masked form of a value: lower-case hex SHA-256 of salt + text form. */
export const hashed = (salt: string, text: string): string => hash('sha256', salt + text, 'hex');

function unchanged(out: ByteWriter): boolean {
  out.i32(UNCHANGED_FIELD);
  return true;
}

function sqlWriter(column: TargetColumn, expression: SqlExpression, relation: Relation): WriteField {
  const write = valueWriter(column);
  return (image, _facts, out) => {
    // What depends only on values that did not change did not change either.
    if (expression.columns.length > 0 && expression.columns.every((field) => image.isUnchanged(field))) return unchanged(out);
    write(expression.run(reader(image, relation, `the column ${column.name}`)), out);
    return false;
  };
}

/** Reads values for an expression; one that the source did not send is an error. */
export function reader(image: Image, relation: Relation, who: string): (field: number) => unknown {
  return (field) => {
    const value = image.value(field);
    if (value === Unchanged) throw unchangedRead(relation, field, who);
    return value;
  };
}

/** A value was needed that the source did not send. */
export function unchangedRead(relation: Relation, field: number, reader: string): MillraceError {
  const name = relation.columns[field]?.name ?? '';
  return new MillraceError('TRANSFORM_FAILED', `${reader} needs ${quoteIdent(name)}, which the source did not send because the update left it unchanged`, {
    hint: `at the source: ${fullIdentity(relation)}`,
  });
}

/** Appends values of a column with their length word, null as NULL. */
export function valueWriter(column: TargetColumn): (value: unknown, out: ByteWriter) => void {
  const codec = typeCodec(column.type);
  return (value, out) => {
    if (value === null || value === undefined) {
      out.i32(NULL_FIELD);
      return;
    }
    if (value === Unchanged) {
      out.i32(UNCHANGED_FIELD);
      return;
    }
    const at = out.length;
    out.i32(0);
    if (codec.binary) codec.encode(value, out);
    else if (typeof value === 'string') out.text(value);
    else throw new MillraceError('VALUE_INVALID', `a value of type ${column.typeText} must be given as its text`);
    out.patchI32(at, out.length - at - 4);
  };
}

/** PostgreSQL counts from 2000-01-01. */
const pgEpochUs = 946_684_800_000_000n;

function time(us: bigint | undefined, out: ByteWriter): false {
  if (us === undefined) out.i32(NULL_FIELD);
  else out.i32(8).i64(us - pgEpochUs);
  return false;
}

function lsn(commit: Position | undefined, out: ByteWriter): false {
  if (commit === undefined) out.i32(NULL_FIELD);
  else out.i32(8).u64(commit);
  return false;
}

function text(value: string, out: ByteWriter): false {
  const bytes = Buffer.from(value);
  out.i32(bytes.length).bytes(bytes);
  return false;
}

const metaWriters: Readonly<Record<Extract<Making, { kind: 'meta' }>['what'], WriteField>> = {
  source: (_image, facts, out) => text(facts.source, out),
  op: (_image, facts, out) => text(facts.op, out),
  committedAt: (_image, facts, out) => time(facts.committedUs, out),
  lsn: (_image, facts, out) => lsn(facts.commit, out),
  deletedAt: (_image, facts, out) => time(facts.deleted ? facts.committedUs : undefined, out),
};
