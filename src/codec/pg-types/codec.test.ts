// What encode takes and refuses, what decode makes of numbers in JSON, and that no bytes do harm.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter, MillraceError, Random } from '../../base/index.ts';
import { CalendarDate, Decimal, Interval, JsonNull, type PgType, TimeOfDay, Timestamp, Unchanged } from '../../data/index.ts';
import { typeCodec, valueToText } from './codec.ts';
import { builtinPgTypes } from './type-by-oid.ts';

const named = (name: string): PgType => {
  const type = builtinPgTypes().find((candidate) => candidate.name === name);
  assert.ok(type, name);
  return type;
};

const decodedJson = (text: string): unknown => typeCodec(named('json')).decodeText(text);

test('encode takes friendly inputs', () => {
  const date = new Date('2024-03-01T10:00:00.123Z');
  const cases: [type: string, value: unknown, text: string][] = [
    ['int4', 7n, '7'], ['int4', '7', '7'], ['int8', 7, '7'], ['int8', '-9223372036854775808', '-9223372036854775808'], ['bool', 'true', 't'],
    ['numeric', 0.1, '0.1'], ['numeric', 1e21, '1000000000000000000000'], ['numeric', 12n, '12'], ['numeric', '1.50', '1.50'], ['numeric', NaN, 'NaN'], ['numeric', -0, '0'],
    ['float8', 1n, '1'], ['float4', 0.1, '0.1'], ['timestamptz', date, '2024-03-01 10:00:00.123+00'], ['timestamp', date, '2024-03-01 10:00:00.123'],
    ['timestamptz', '2024-03-01T10:00:00+02:00', '2024-03-01 08:00:00+00'], ['date', date, '2024-03-01'], ['date', new CalendarDate(0), '1970-01-01'],
    ['date', CalendarDate.of(0, 1, 1), '0001-01-01 BC'], ['time', new TimeOfDay(1), '00:00:00.000001'], ['interval', new Interval(1, 2, 3n), '1 mon 2 days 00:00:00.000003'],
    ['bytea', new Uint8Array([1, 255]), '\\x01ff'], ['_int4', [[1, 2], [3, null]], '{{1,2},{3,NULL}}'], ['_int4', '{1,2}', '{1,2}'], ['_text', ['a,b', null, 'NULL', ''], '{"a,b",NULL,"NULL",""}'],
    ['_int4', [[], []], '{}'], ['_jsonb', [[1], { a: null }], '{[1],"{\\"a\\":null}"}'], ['jsonb', 'a string', '"a string"'], ['jsonb', JsonNull, 'null'], ['jsonb', [1n, Decimal.parse('1.50'), -0], '[1,1.50,-0]'],
    ['int4range', '[1,2]', '[1,2]'], ['uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ];
  for (const [name, value, text] of cases) {
    const codec = typeCodec(named(name));
    const out = new ByteWriter();
    codec.encode(value, out);
    assert.equal(codec.toText(out.take()), text, name);
    if (typeof value !== 'string') assert.equal(valueToText(named(name), value), text, name);
  }
});

test('encode refuses what it would have to change, and writes nothing', () => {
  const cases: [type: string, values: unknown[]][] = [
    ['bool', [1, 'maybe', null, undefined, Unchanged]],
    ['int2', [32_768, 1.5, '1.5', '', '-', '1x', NaN, true, {}, 40_000n]],
    ['int4', [2 ** 31, '99999999999', Infinity]],
    ['int8', [2 ** 53, 2n ** 63n, '9223372036854775808', 1.5]],
    ['oid', [-1, 2 ** 32]],
    ['float4', [1e39, 1e-60, '1e39', 'x', 2n ** 200n]],
    ['float8', [2n ** 60n + 1n, '1e400', '1e-400', '']],
    ['numeric', ['1e200000', 'abc', '1.2.3', {}, new Decimal(1n, 20_000)]],
    ['text', ['a\0b', '\ud800', 5, {}]],
    ['json', [undefined, NaN, [Infinity], { a: Decimal.NaN }, () => 1]],
    ['timestamptz', ['yesterday', '2024-02-30', '294277-01-01', new Date(NaN), 5, new Timestamp('timestamp', 0n), new Timestamp('timestamptz', 10n ** 19n)]],
    ['date', ['2024-13-01', 5, new CalendarDate(NaN), new CalendarDate(1.5)]],
    ['time', ['25:00', '10', new TimeOfDay(-1), new TimeOfDay(0.5)]],
    ['interval', ['1.5 days', '1 fortnight', '', new Interval(2 ** 31, 0, 0n), new Interval(0, 0, 2n ** 63n)]],
    ['uuid', ['123', 'g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
    ['inet', ['1.2.3', '1.2.3.4/33', 'x', 'fe80::1%eth0']], ['cidr', ['10.0.0.1/8']], ['varbit', ['012']], ['macaddr', ['08:00:2b:01:02']],
    ['_int4', [[[1], 2], [[1], [2, 3]], '{1', '{1,}', '{{1},2}', '[0:5]={1}', '1', {}, ['x']]],
    ['int4range', ['[1', '1,2', '[a,b)', '[1,2,3)']], ['nummultirange', ['[1,2)', '{[1,2)']],
    ['bytea', ['\\xabc', '\\x0g', 5, 'a\\9']], ['tsquery', ['a &', '(a', 'a b']], ['tsvector', ["'a", 'a:0']], ['pg_lsn', ['0']], ['regclass', ['pg_class']],
  ];
  for (const [name, values] of cases) {
    const codec = typeCodec(named(name));
    for (const value of values) {
      const out = new ByteWriter();
      out.i32(42);
      assert.throws(
        () => codec.encode(value, out),
        (thrown) => thrown instanceof MillraceError && thrown.code === 'VALUE_INVALID' && thrown.message.includes(name.replace(/^_/, '')),
        `${name}: ${typeof value === 'symbol' ? 'symbol' : JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}n` : (item as unknown)))}`,
      );
      assert.equal(out.length, 4);
    }
  }
});

test('numbers in JSON stay numbers unless a double would change them', () => {
  assert.deepEqual(decodedJson('[1, 1.10, 0.1, 1e3, 9007199254740991, 123456789012345.0]'), [1, 1.1, 0.1, 1000, 9007199254740991, 123456789012345]);
  const [large, long, huge, inside] = decodedJson('[9007199254740993, 0.12345678901234567890, 1e400, "9007199254740993"]') as unknown[];
  assert.ok(large instanceof Decimal && large.toString() === '9007199254740993');
  assert.ok(long instanceof Decimal && long.toString() === '0.12345678901234567890');
  assert.ok(huge instanceof Decimal && huge.toString().length === 401);
  assert.equal(inside, '9007199254740993');
  assert.throws(() => decodedJson('1e999999'), MillraceError);
  assert.equal(decodedJson('null'), JsonNull);
  assert.equal(decodedJson('[null]') instanceof Array, true);
});

test('the types of generated declarations', () => {
  const mood: PgType = { oid: 1, schema: 'public', name: 'mood', kind: 'enum', labels: ['new', "it's"], binary: true };
  const moods: PgType = { oid: 2, schema: 'public', name: '_mood', kind: 'array', element: mood, binary: true };
  const domain: PgType = { oid: 3, schema: 'public', name: 'price', kind: 'domain', base: named('numeric'), binary: true };
  assert.deepEqual(
    [mood, moods, domain, named('int8'), named('_timestamptz'), named('jsonb')].map((type) => typeCodec(type).jsType),
    [`'new' | 'it\\'s'`, `('new' | 'it\\'s' | null)[]`, 'Decimal', 'bigint', '(Timestamp | null)[]', 'Json'],
  );
  assert.equal(typeCodec(mood), typeCodec(mood));
});

test('types without a known binary form pass as text', () => {
  const hstore: PgType = { oid: 9, schema: 'public', name: 'hstore', kind: 'base', binary: true };
  const list: PgType = { oid: 10, schema: 'public', name: '_hstore', kind: 'array', element: hstore, binary: true };
  assert.equal(typeCodec(list).binary, false);
  assert.deepEqual(typeCodec(list).decodeText('{"\\"a\\"=>\\"1\\"",NULL}'), ['"a"=>"1"', null]);
  assert.equal(valueToText(hstore, '"a"=>"1"'), '"a"=>"1"');
  assert.throws(() => typeCodec(hstore).decode(Buffer.from('x')), MillraceError);
});

test('random bytes and texts give a value or VALUE_INVALID', () => {
  const seed = Date.now() % 1_000_000;
  const random = new Random(seed);
  const types = builtinPgTypes();
  const byte = (): number => (random.chance(0.6) ? random.below(3) : random.below(256));
  for (let round = 0; round < 15_000; round++) {
    const codec = typeCodec(random.pick(types));
    const bytes = Buffer.from(Array.from({ length: random.pick([1, 2, 4, 8, 12, 16, random.below(80)]) }, byte));
    const text = Array.from({ length: random.below(12) }, () => random.pick(Array.from('0123456789eE+-.:/,{}[]()<>"\\\' naNtTPZ&|!*ab'))).join('');
    for (const run of [() => codec.decode(bytes), () => codec.toText(bytes), () => codec.decodeText(text), () => codec.encode(text, new ByteWriter())]) {
      try {
        run();
      } catch (thrown) {
        assert.ok(thrown instanceof MillraceError && thrown.code === 'VALUE_INVALID', `seed ${seed}, ${codec.type.name}, ${bytes.toString('hex')}, ${text}: ${String(thrown)}`);
      }
    }
  }
});
