// Batches for tests, from the text form of values: what the wire would carry.
import { createHash } from 'node:crypto';
import { typeByOid, typeCodec } from '../../src/codec/index.ts';
import { type Batch, BatchBuilder, Before, type Column, Format, NULL_FIELD, Op, type PgType, type Relation, UNCHANGED_FIELD } from '../../src/data/index.ts';
import type { TableStep, TableWrite, TargetTable } from '../../src/flow/index.ts';

export const unchanged = Symbol('unchanged');
/** Text form, NULL, or a TOAST value that was not sent. */
export type Value = string | null | typeof unchanged;
export type Change = { readonly insert: readonly Value[] } | { readonly update: readonly Value[]; readonly old?: readonly Value[] } | { readonly delete: readonly Value[] } | { readonly read: readonly Value[] };

/** Columns as `name type` with built-in types or given ones, e.g. `{ id: 23, name: 25 }`. */
export function testRelation(name: string, columns: Readonly<Record<string, number | PgType>>, key: readonly number[] = [0], identity: Relation['identity'] = 'default'): Relation {
  const list = Object.entries(columns).map(([column, type]): Column => {
    const resolved = typeof type === 'number' ? (typeByOid(type) as PgType) : type;
    return { name: column, type: resolved, typmod: -1, typeText: resolved.name, notNull: false };
  });
  const shape = { oid: 20000, schema: 'public', name, columns: list, identity, key };
  return { ...shape, version: createHash('md5').update(JSON.stringify(shape)).digest('hex') };
}

let seq = 0;

/** A batch of the changes; `old` and `delete` give the key's columns (others null), or the whole row under replica identity full. */
export function makeBatch(relation: Relation, changes: readonly Change[], textColumns: readonly string[] = []): Batch {
  const formats = Uint8Array.from(relation.columns, (column) => (textColumns.includes(column.name) ? Format.text : Format.binary));
  const builder = new BatchBuilder(relation, formats);
  const put = (side: 'after' | 'before', row: readonly Value[]): void => {
    const out = builder[side].i16(row.length);
    for (const [i, value] of row.entries()) {
      const at = out.length;
      out.i32(value === null ? NULL_FIELD : value === unchanged ? UNCHANGED_FIELD : 0);
      if (typeof value !== 'string') continue;
      if (formats[i] === Format.text) out.text(value);
      else typeCodec((relation.columns[i] as Column).type).encodeText(value, out);
      out.patchI32(at, out.length - at - 4);
    }
  };
  const kind = relation.identity === 'full' ? Before.full : Before.key;
  for (const change of changes) {
    if ('insert' in change) {
      put('after', change.insert);
      builder.add(Op.insert, seq++, Before.none, false);
    } else if ('read' in change) {
      put('after', change.read);
      builder.add(Op.read, seq++, Before.none, false);
    } else if ('delete' in change) {
      put('before', change.delete);
      builder.add(Op.delete, seq++, kind, false);
    } else {
      if (change.old) put('before', change.old);
      put('after', change.update);
      builder.add(Op.update, seq++, change.old ? kind : Before.none, change.update.includes(unchanged));
    }
  }
  return builder.build();
}

export const targetOf = (relation: Relation): TargetTable => ({ schema: relation.schema, name: relation.name, columns: relation.columns, key: relation.key });

export const writeOf = (batch: Batch, target: TargetTable = targetOf(batch.relation)): TableWrite => ({
  target,
  from: batch.relation,
  batch,
  fields: Int32Array.from(target.columns, (_, i) => i),
});

export const rowsStep = (...batches: readonly Batch[]): TableStep => ({ kind: 'rows', writes: batches.map((batch) => writeOf(batch)) });
