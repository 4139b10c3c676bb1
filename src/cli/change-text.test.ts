import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createColors } from 'picocolors';
import { typeByOid } from '../codec/index.ts';
import { asPosition, BatchBuilder, Before, type Column, Format, NULL_FIELD, Op, type Relation, type Run, UNCHANGED_FIELD } from '../data/index.ts';
import { changeJson, changesOf, changeText } from './change-text.ts';

const column = (name: string, oid: number): Column => {
  const type = typeByOid(oid);
  assert.ok(type);
  return { name, type, typmod: -1, typeText: type.name, notNull: false };
};
const orders: Relation = {
  schema: 'public', name: 'Orders', oid: 16400, identity: 'full', key: [0], version: 'v1',
  columns: [column('id', 20), column('paid', 16), column('count', 23), column('details', 3802)],
};

type Value = string | null | undefined;
/** Fields as text; undefined is an unchanged one. */
function write(builder: BatchBuilder, side: 'after' | 'before', values: readonly Value[] | undefined): void {
  if (!values) return;
  const out = builder[side].i16(values.length);
  for (const value of values) {
    if (value === null) out.i32(NULL_FIELD);
    else if (value === undefined) out.i32(UNCHANGED_FIELD);
    else out.i32(Buffer.byteLength(value)).bytes(Buffer.from(value));
  }
}

function runOf(changes: readonly { op: Op; before?: readonly Value[]; kind?: Before; after?: readonly Value[] }[]): Run {
  const builder = new BatchBuilder(orders, new Uint8Array(4).fill(Format.text));
  changes.forEach(({ op, before, kind, after }, seq) => {
    write(builder, 'after', after);
    write(builder, 'before', before);
    builder.add(op, seq, kind ?? (before ? Before.full : Before.none), after?.includes(undefined) ?? false);
  });
  const transaction = { xid: 7, commit: asPosition(0x16b3700n), end: asPosition(0x16b3748n), timeUs: 1_700_000_000_123_456n, firstSeq: 0 };
  return { transactions: [transaction], batches: [builder.build()], open: false, position: transaction.end };
}

const run = runOf([
  { op: Op.insert, after: ['9007199254740993', 't', '5', '{"a": 1}'] },
  { op: Op.update, before: ['1', 'f', '5', '{"a": 1}'], after: ['1', 't', '5', undefined] },
  { op: Op.update, before: ['1', null, null, null], kind: Before.key, after: ['2', 't', null, undefined] },
  { op: Op.delete, before: ['2', null, null, null], kind: Before.key },
]);

test('as JSON: exact values, whole old rows only, unchanged ones by name', () => {
  const all = changesOf(run, () => true).map((change) => changeJson('shop', change));
  const common = { source: 'shop', table: 'public."Orders"', position: '0/16B3748', time: '2023-11-14T22:13:20.123456Z', xid: 7 };
  assert.deepEqual(all, [
    { ...common, op: 'insert', key: { id: '9007199254740993' }, before: null, after: { id: '9007199254740993', paid: true, count: 5, details: { a: 1 } }, unchanged: [] },
    { ...common, op: 'update', key: { id: '1' }, before: { id: '1', paid: false, count: 5, details: { a: 1 } }, after: { id: '1', paid: true, count: 5 }, unchanged: ['details'] },
    { ...common, op: 'update', key: { id: '2' }, before: null, after: { id: '2', paid: true, count: null }, unchanged: ['details'] },
    { ...common, op: 'delete', key: { id: '2' }, before: null, after: null, unchanged: [] },
  ]);
});

test('as text: what changed, old → new where it is known, moved keys', () => {
  const lines = changesOf(run, () => true).map((change) => changeText(change, createColors(false)));
  assert.deepEqual(lines, [
    '22:13:20.123  + insert  public."Orders"  id 9007199254740993  paid t  count 5  details {"a": 1}  0/16B3748',
    '22:13:20.123  ~ update  public."Orders"  id 1  paid f → t  0/16B3748',
    '22:13:20.123  ~ update  public."Orders"  id 1 → 2  paid t  count null  0/16B3748',
    '22:13:20.123  − delete  public."Orders"  id 2  0/16B3748',
  ]);
});

test('only the tables that are wanted', () => assert.deepEqual(changesOf(run, (relation) => relation.name !== 'Orders'), []));
