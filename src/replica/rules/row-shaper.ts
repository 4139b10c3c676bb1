// The shaper of a transform in TypeScript: a function of a row.
import { type ByteWriter, MillraceError } from '../../base/index.ts';
import { type TypeCodec, typeCodec } from '../../codec/index.ts';
import { Format, quoteIdent, type Relation, Unchanged } from '../../data/index.ts';
import type { AnyRow, RowFunction, TableRule } from '../spec.ts';
import { own } from './columns.ts';
import type { Image } from './image.ts';
import { type ChangeFacts, formatOf, guards, hashed, type PlannedColumn, valueWriter, type WriteField, writerOf } from './making.ts';
import { describe, type Selects, transformFailed } from './select.ts';
import { Shaped, type Shaper } from './shaper.ts';

/** Makes the object that a transform sees: the source's columns, without the dropped ones, masked where the rule says so. */
export function rowMaker(relation: Relation, rule: TableRule): (image: Image) => Record<string, unknown> {
  const reads: [name: string, read: (image: Image) => unknown][] = [];
  for (const [field, column] of relation.columns.entries()) {
    if (rule.drop.includes(column.name)) continue;
    const mask = own(rule.mask, column.name);
    if (!mask) reads.push([column.name, (image) => image.value(field)]);
    else if (mask.kind === 'hash') {
      reads.push([column.name, (image) => (image.isUnchanged(field) ? Unchanged : image.isNull(field) ? null : hashed(mask.salt, image.text(field)))]);
    } else {
      const value = mask.kind === 'null' ? null : mask.value;
      reads.push([column.name, () => value]);
    }
  }
  return (image) => {
    const row: Record<string, unknown> = {};
    for (const [name, read] of reads) row[name] = read(image);
    return row;
  };
}

/** Runs a transform. It throws TRANSFORM_FAILED for what is neither a row nor null. */
export function runTransform(transform: RowFunction, row: AnyRow): AnyRow | null {
  let made: unknown;
  try {
    made = transform(row);
  } catch (thrown) {
    throw transformFailed('the transform', thrown);
  }
  if (made === null) return null;
  if (typeof made !== 'object' || Array.isArray(made) || made instanceof Promise) {
    throw new MillraceError('TRANSFORM_FAILED', `the transform returned ${describe(made)} instead of a row or null`);
  }
  return made as AnyRow;
}

export function rowShaper(
  relation: Relation, rule: TableRule, transform: RowFunction, columns: readonly PlannedColumn[], key: readonly number[], named: (name: string) => string,
  where: Selects | undefined,
): Shaper {
  const full = relation.identity === 'full';
  const makeRow = rowMaker(relation, rule);
  const made = (image: Image): AnyRow | null => (where && !where(image) ? null : runTransform(transform, makeRow(image)));
  const returned = new Set(columns.flatMap(({ column, making }) => (making.kind === 'returned' ? [column.name] : [])));
  const writers = columns.map((planned, i): ((image: Image, row: AnyRow, facts: ChangeFacts, out: ByteWriter) => boolean) => {
    if (planned.making.kind === 'returned') return returnedWriter(relation, planned, planned.making.field, key.includes(i) && !full);
    const write: WriteField = writerOf(planned, relation);
    return (image, _row, facts, out) => write(image, facts, out);
  });
  const byName = (row: AnyRow): AnyRow => {
    const out: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(row)) {
      const target = named(name);
      if (!returned.has(target)) {
        if (value === undefined) continue;
        throw new MillraceError('TRANSFORM_FAILED', `the transform returned a column ${quoteIdent(target)}, which the target table does not have`);
      }
      out[target] = value;
    }
    return out;
  };
  return {
    selective: true,
    formats: (formats) => Uint8Array.from(columns, (column) => formatOf(column, formats)),
    selects: (image) => made(image) !== null,
    shape(image, facts, out) {
      const result = made(image);
      if (result === null) return Shaped.out;
      const row = byName(result);
      out.i16(columns.length);
      let partial = false;
      for (const write of writers) if (write(image, row, facts, out)) partial = true;
      return partial ? Shaped.partial : Shaped.whole;
    },
    key(image, facts, rest, out) {
      // Under the full identity the old row is there and the transform tells its key; else key columns are the source's own.
      const result = full ? made(image) : {};
      if (result === null) throw new MillraceError('TRANSFORM_FAILED', 'the transform leaves out a row whose key is needed');
      const row = byName(result);
      out.i16(columns.length);
      for (const [i, write] of writers.entries()) {
        const { making, column } = columns[i] as PlannedColumn;
        if (key.includes(i) && !full && making.kind === 'returned') image.copyAs(making.field as number, formatFor(column), out);
        else if (key.includes(i) || guards(making) || (making.kind === 'meta' && rest !== -1)) write(image, row, facts, out);
        else out.i32(rest);
      }
    },
  };
}

const formatFor = (column: PlannedColumn['column']): number => (typeCodec(column.type).binary ? Format.binary : Format.text);

/** A value that the transform passed on is copied as bytes; any other is encoded. `pinned`: a key column, which must be passed on as it is. */
function returnedWriter(relation: Relation, { column, making }: PlannedColumn, field: number | undefined, pinned: boolean): (image: Image, row: AnyRow, facts: ChangeFacts, out: ByteWriter) => boolean {
  const write = valueWriter(column);
  const codec: TypeCodec = typeCodec(column.type);
  const format = codec.binary ? Format.binary : Format.text;
  const source = field === undefined ? undefined : relation.columns[field];
  const sameBytes = source !== undefined && making.kind === 'returned' && source.type.oid === column.type.oid && source.type.name === column.type.name;
  return (image, row, _facts, out) => {
    const value = row[column.name];
    if (field !== undefined && sameBytes && value === image.value(field)) return image.copyAs(field, format, out);
    if (pinned) {
      throw new MillraceError('TRANSFORM_FAILED', `the key column ${quoteIdent(column.name)} must be passed on as it is, unless the replica identity is full`);
    }
    const length = out.length;
    try {
      write(value, out);
    } catch (thrown) {
      out.truncate(length);
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      throw new MillraceError('TRANSFORM_FAILED', `the transform's ${quoteIdent(column.name)}: ${message}`, { cause: thrown });
    }
    return value === Unchanged;
  };
}
