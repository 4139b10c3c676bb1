// What is said of the recordings, and of records that are none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readFixture } from '../../../test/support/debezium.ts';
import type { KafkaRecord } from '../kafka/record.ts';
import { readRecordLine } from '../kafka/record-line.ts';
import { RecordDescriber, type TopicDescription } from './describe.ts';

function describeRecords(records: readonly KafkaRecord[]): Map<string, TopicDescription> {
  const describer = new RecordDescriber();
  for (const record of records) describer.add(record);
  return new Map(describer.describe().map((topic) => [topic.topic, topic]));
}

const record = (parts: Partial<KafkaRecord>): KafkaRecord => ({ topic: 't', partition: 0, offset: 0, timestampMs: 0, key: null, value: null, headers: [], ...parts });
const row = (value: object, key: object = { id: 1 }): KafkaRecord => record({ topic: 'p.public.t', key: Buffer.from(JSON.stringify(key)), value: Buffer.from(JSON.stringify(value)) });
const types = (topic: TopicDescription | undefined): Record<string, string> => Object.fromEntries(topic?.tables[0]?.columns.map(({ name, typeText, confidence }) => [name, `${typeText} ${confidence}`]) ?? []);
const codes = (topic: TopicDescription | undefined): string[] => [...new Set(topic?.losses.map(({ code }) => code))];

describe('recordings', () => {
  for (const [name, topic, envelope] of [
    ['json-schema', 'json-schema.public.orders', 'debezium-schema'], ['json-plain', 'json-plain.public.orders', 'debezium'], ['unwrap', 'unwrap.public.orders', 'flat'],
    ['unwrap-rewrite', 'unwrap-rewrite.public.orders', 'flat-schema'], ['outbox', 'outbox-outbox.order', 'outbox'], ['ops', 'ops.transaction', 'transaction'],
    ['ops', '__debezium-heartbeat.ops', 'heartbeat'], ['ops', 'ops.message', 'message'], ['avro', 'avro.public.orders', 'binary'],
  ] as const) test(`${topic} is ${envelope}`, () => assert.equal(describeRecords(readFixture(name).records).get(topic)?.envelope, envelope));

  test('tables, keys and types with schema', () => {
    const topics = describeRecords(readFixture('json-schema').records);
    const table = topics.get('json-schema.public.orders')?.tables[0];
    assert.deepEqual([table?.schema, table?.name, table?.key], ['public', 'orders', ['customer_id', 'order_no']]);
    assert.deepEqual(types(topics.get('json-schema.public.orders')), {
      customer_id: 'bigint likely', order_no: 'integer certain', item: 'text likely', qty: 'integer certain', price: 'numeric(12,2) certain', at: 'timestamp certain',
    });
    assert.deepEqual(table?.columns.map(({ values }) => values), [74, 74, 74, 74, 74, 34]);
  });
  test('types of extensions and shapes, by schema', () => {
    const found = types(describeRecords(readFixture('types-double').records).get('types-double.public.t_ext'));
    assert.deepEqual([found['h'], found['l'], found['bx'], found['e']], ['public.hstore certain', 'public.ltree certain', 'box certain', 'text likely']);
  });
  test('names as the source has them, where the topic has them not', () => {
    const topics = describeRecords(readFixture('ops').records);
    assert.equal(topics.get('ops.Odd_Schema.Order_Lines._')?.tables[0]?.name, 'Order Lines.é');
  });
  test('shapes without schema', () => {
    const found = types(describeRecords(readFixture('types-default-plain').records).get('types-default-plain.public.t_ext'));
    assert.deepEqual([found['p'], found['bx'], found['ci'], found['h'], found['e']], ['point certain', 'box certain', 'circle certain', 'json likely', 'text guess']);
  });
  test('losses of the topic as a whole', () => {
    assert.ok(codes(describeRecords(readFixture('ops-defaults').records).get('ops-defaults.public.cfg')).includes('truncates'));
    const ops = describeRecords(readFixture('ops').records);
    assert.ok(!codes(ops.get('ops.public.full_ident')).includes('truncates'));
    assert.equal(ops.get('ops.public.full_ident')?.counts['truncate'], 1);
    assert.ok(codes(ops.get('ops.public.parted')).includes('snapshotOnly'));
  });
  test('what is refused comes first, with the setting that mends it', () => {
    const losses = describeRecords(readFixture('types-default').records).get('types-default.public.t_interval')?.losses ?? [];
    assert.deepEqual(losses.slice(0, 3).map(({ column, effect, mend, count }) => [column, effect, mend, count]), ['i', 'iym', 'ids'].map((column) => [column, 'refused', 'interval.handling.mode=string', 5]));
  });
});

test('rows without an envelope: types by their values', () => {
  const topics = describeRecords([row({ id: 1, a: 1.5, b: null, c: 'x', d: true, e: [1, 2] }), row({ id: 2, a: 'NaN', b: '2024-01-01T00:00:00Z', c: 'y', d: null, e: [] }, { id: 2 })]);
  assert.deepEqual(types(topics.get('p.public.t')), {
    id: 'bigint guess', a: 'double precision guess', b: 'timestamptz likely', c: 'text guess', d: 'boolean likely', e: 'bigint[] guess',
  });
  assert.deepEqual(topics.get('p.public.t')?.tables[0]?.key, ['id']);
});

test('a key change whose halves are apart is a delete, and a row of which a part is not known', () => {
  const header = (key: string, value: object) => [{ key, value: Buffer.from(JSON.stringify(value)) }];
  const source = { connector: 'postgresql', schema: 'public', table: 't', txId: 1, lsn: 1, ts_ms: 1 };
  const gone = { ...row({ before: { id: 1, big: null }, after: null, source, op: 'd' }), headers: header('__debezium.newkey', { id: 2 }) };
  const come = { ...row({ before: null, after: { id: 2, big: '__debezium_unavailable_value' }, source, op: 'c' }, { id: 2 }), headers: header('__debezium.oldkey', { id: 1 }) };
  const between = row({ before: null, after: { id: 3, big: 'x' }, source, op: 'c' }, { id: 3 });
  const together = describeRecords([gone, { ...gone, value: null }, come]).get('p.public.t');
  assert.deepEqual([together?.counts, together?.losses.some(({ code }) => code === 'unavailable')], [{ tombstone: 1, update: 1 }, false]);
  const apart = describeRecords([gone, between, come]).get('p.public.t');
  assert.deepEqual([apart?.counts, apart?.losses.some(({ code }) => code === 'unavailable')], [{ delete: 1, insert: 1, update: 1 }, true]);
  assert.deepEqual(describeRecords([between, gone]).get('p.public.t')?.counts, { insert: 1, delete: 1 });
});

test('a schema that stands behind its payload, blanks, and a column called schema', () => {
  const schema = { type: 'struct', fields: [{ type: 'int64', field: 'id' }] };
  const late = record({ topic: 'p.public.t', value: Buffer.from(JSON.stringify({ schema: 'a', payload: 1, id: 1 }, null, 2)) });
  assert.deepEqual(types(describeRecords([late]).get('p.public.t')), { schema: 'text guess', payload: 'bigint guess', id: 'bigint guess' });
  const blank = record({ topic: 'p.public.t', value: Buffer.from(`{"schema":${JSON.stringify(schema)},"payload":{ "id" : 1 }}`) });
  assert.deepEqual(types(describeRecords([blank]).get('p.public.t')), { id: 'bigint likely' });
});

test('the schema-change topic of other connectors, and their rows', () => {
  const source = { connector: 'sqlserver', db: 'shop', schema: 'dbo', table: 'orders' };
  const ddl = record({ topic: 'shop', key: Buffer.from('{"databaseName":"shop"}'), value: Buffer.from(JSON.stringify({ source, ts_ms: 1, databaseName: 'shop', schemaName: 'dbo', ddl: null, tableChanges: [] })) });
  const topic = describeRecords([ddl]).get('shop');
  assert.deepEqual([topic?.envelope, topic?.connector, topic?.counts], ['schemaChange', undefined, { schemaChange: 1 }]);
  const change = record({ topic: 'shop.dbo.orders', key: Buffer.from('{"id":1}'), value: Buffer.from(JSON.stringify({ before: null, after: { id: 1 }, source, op: 'c' })) });
  assert.deepEqual([describeRecords([change]).get('shop.dbo.orders')?.connector, describeRecords([change]).get('shop.dbo.orders')?.tables[0]?.schema], ['sqlserver', 'dbo']);
});

test('what is no JSON is counted, with its place', () => {
  const topic = describeRecords([row({ id: 1 }), { ...row({}), offset: 7, value: Buffer.from('{"id":') }]).get('p.public.t');
  assert.equal(topic?.unreadable?.count, 1);
  assert.match(topic.unreadable.first, /^p\.public\.t, partition 0, offset 7: .*byte 6/);
});

test('a record that breaks off in the middle of its row leaves nothing behind', () => {
  const bad = { ...row({}), value: Buffer.from('{"id":3,"a":{"scale" 1}}') };
  const topic = describeRecords([row({ id: 1, a: { scale: 1, value: 'Dw==' } }), bad, row({ id: 2, a: { scale: 1, value: 'EA==' } })]).get('p.public.t');
  assert.deepEqual([topic?.counts, topic?.unreadable?.count], [{ update: 2 }, 1]);
});

test('lines as kcat prints them, and with base64', () => {
  const kcat = readRecordLine('{"topic":"t","partition":3,"offset":9,"tstype":"create","ts":5,"broker":1,"headers":["a","1","b",null],"key":"k","payload":"{}"}', 'x:1');
  assert.deepEqual(kcat, record({ partition: 3, offset: 9, timestampMs: 5, key: Buffer.from('k'), value: Buffer.from('{}'), headers: [{ key: 'a', value: Buffer.from('1') }, { key: 'b', value: null }] }));
  assert.deepEqual(readRecordLine('{"topic":"t","key":null,"value":"AAE=","valueEncoding":"base64"}', 'x:1'), record({ value: Buffer.from([0, 1]) }));
  for (const line of ['{', '[]', '{"topic":"t"}', '{"key":1,"value":"x"}', '{"key":"k","value":"x","headers":5}']) {
    assert.throws(() => readRecordLine(line, 'x:4'), { code: 'PROTOCOL_VIOLATION', where: 'x:4' });
  }
});
