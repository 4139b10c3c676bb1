// Values of the modes that the recordings do not have, and what is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteWriter } from '../../base/index.ts';
import { typeCodec } from '../pg-types/codec.ts';
import { binaryCell, isBinaryHere } from './binary-cell.ts';
import { type CellReader, cellReader } from './cell.ts';
import { type ConnectSchema, type DebeziumSettings, type ExpectedType, schemaOfType } from './connect-schema.ts';
import { inferredColumn } from './infer.ts';
import { placeholderTest } from './placeholder.ts';
import { Refusal } from './value-text.ts';

interface Case {
  readonly token: string;
  /** The text; `!code` for a refusal; `unchanged`. */
  readonly gives: string;
  readonly type?: string;
  readonly kind?: ExpectedType['kind'];
  readonly schema?: ConnectSchema;
  readonly settings?: DebeziumSettings;
}

function read({ token, type, kind, schema, settings = {} }: Case): string {
  const expected = type === undefined ? undefined : { typeText: type, ...(kind ? { kind } : {}) };
  const known = schema ?? (expected && schemaOfType(expected, settings));
  const reader = cellReader({ schema: known, expected, settings, note: () => undefined });
  const bytes = Buffer.from(token);
  const said = (read: CellReader, textOf: (field: Buffer) => string): string => {
    const out = new ByteWriter(16);
    const verdict = read(bytes, 0, bytes.length, out);
    return verdict instanceof Refusal ? `!${verdict.code}` : (verdict ?? textOf(out.take()));
  };
  const text = said(reader, String);
  const column = inferredColumn('a', known, expected, false);
  // The binary field says the same.
  if (isBinaryHere(column.type)) assert.equal(said(binaryCell(column.type, known, reader), typeCodec(column.type).toText), text, `${token} as binary ${type ?? ''}`);
  return text;
}

const nano: DebeziumSettings = { time: 'nanoseconds' };
const wkb = (hex: string): string => JSON.stringify(Buffer.from(hex, 'hex').toString('base64'));

const cases: Readonly<Record<string, readonly Case[]>> = {
  'times in nanoseconds': [
    { token: '1709251199999999000', type: 'timestamp', settings: nano, gives: '2024-02-29 23:59:59.999999' },
    { token: '-1000', type: 'timestamp', settings: nano, gives: '1969-12-31 23:59:59.999999' },
    { token: '86399999999000', type: 'time', settings: nano, gives: '23:59:59.999999' },
    { token: '86400000000000', type: 'time', settings: nano, gives: '24:00:00' },
    { token: '19782', type: 'date', settings: nano, gives: '2024-02-29' },
  ],
  'numerics as JSON numbers keep their digits': [
    { token: '1.50', type: 'numeric(10,2)', gives: '1.50' },
    { token: '12345678901234567890.123456789', type: 'numeric', gives: '12345678901234567890.123456789' },
    { token: '12300.000', type: 'numeric(5,-2)', gives: '12300' },
    { token: '"12300.000"', type: 'numeric(5,-2)', settings: { decimal: 'string' }, gives: '12300' },
    { token: '{"scale":-3,"value":"BQ=="}', type: 'numeric', gives: '5000' },
    { token: '{"value":"gA==","scale":4}', type: 'numeric', gives: '-0.0128' },
  ],
  'booleans and bits': [
    { token: 'true', type: 'boolean', gives: 't' },
    { token: 'false', type: 'bit(1)', gives: '0' },
    { token: '"AQ=="', type: 'bit(3)', gives: '001' },
    { token: '"AQ=="', type: 'bit varying(3)', gives: '!varbit' },
  ],
  'bytes': [
    { token: '"__8="', type: 'bytea', settings: { binary: 'base64-url-safe' }, gives: '\\xffff' },
    { token: '"ffff"', type: 'bytea', settings: { binary: 'hex' }, gives: '\\xffff' },
    { token: '"ffff"', type: 'bytea', schema: { type: 'string' }, gives: '!binaryUnknown' },
    { token: '"x!"', type: 'bytea', gives: '!malformed' },
    { token: '"MTYvQjM3NEQ4NDg="', type: 'pg_lsn', gives: '16/B374D848' },
    { token: '"KDEsMik="', type: 'pt', kind: 'composite', gives: '(1,2)' },
    { token: '"a b"', type: 'label', kind: 'domain', schema: { type: 'string' }, gives: 'a b' },
  ],
  'hstore': [
    { token: '{"b":null}', type: 'public.hstore', settings: { hstore: 'map' }, gives: '"b"=>NULL' },
    { token: '{"b":null,"a\\"":"x"}', type: 'hstore', settings: { hstore: 'map' }, gives: '"b"=>NULL, "a\\""=>"x"' },
    { token: '"{\\"bb\\":\\"1\\",\\"a\\":null}"', type: 'hstore', gives: '"a"=>NULL, "bb"=>"1"' },
  ],
  'geometry': [
    { token: `{"wkb":${wkb('0101000000000000000000f83f00000000000002c0')},"srid":4326}`, type: 'geometry', gives: '0101000020E6100000000000000000F83F00000000000002C0' },
    { token: `{"wkb":${wkb('0101000000000000000000f83f00000000000002c0')},"srid":null}`, type: 'geometry', gives: '0101000000000000000000F83F00000000000002C0' },
    { token: `{"wkb":${wkb('0101000020E6100000000000FC83D797C1000000FC83D797C1')},"srid":4326}`, type: 'geometry', gives: 'unchanged' },
    { token: '{"x":1.5,"y":-2}', type: 'point', gives: '(1.5,-2)' },
    { token: '{"x":1.5}', type: 'point', gives: '!malformed' },
  ],
  'vectors': [{ token: '[1.0,2.5]', type: 'vector(2)', schema: { type: 'array', name: 'io.debezium.data.DoubleVector', items: { type: 'double' } }, gives: '[1.0,2.5]' }],
  'what is out of range or no value of its type': [
    { token: '-9223372036853775810', type: 'timestamp', gives: '!timestampRange' },
    { token: '9223372036854775807', type: 'timestamp', gives: 'infinity' },
    { token: '2145042906', type: 'date', gives: '!dateRange' },
    { token: '86400001', type: 'time(3)', gives: '!malformed' },
    { token: '1.5', type: 'date', gives: '!malformed' },
    { token: '"1"', type: 'integer', gives: '!malformed' },
    { token: '0', type: 'interval', gives: '!intervalNumeric' },
    { token: '"P1Y2M3DT4H5M6.7S"', type: 'interval', settings: { interval: 'string' }, gives: '1 year 2 mons 3 days 04:05:06.7' },
    { token: '["[Ljava.lang.String;@3183a15d"]', type: 'text[]', gives: '!javaObject' },
    { token: '["[Ljava.lang.String;@3183a15d"]', gives: '!javaObject' },
  ],
  'ordinary values': [
    { token: '-32768', type: 'smallint', gives: '-32768' },
    { token: '2147483647', type: 'integer', gives: '2147483647' },
    { token: '-9223372036854775808', type: 'bigint', gives: '-9223372036854775808' },
    { token: '9007199254740993', type: 'bigint', gives: '9007199254740993' },
    { token: '4294967295', type: 'oid', gives: '4294967295' },
    { token: '1.0E-5', type: 'double precision', gives: '1e-05' },
    { token: '"-Infinity"', type: 'real', gives: '-Infinity' },
    { token: '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', type: 'uuid', gives: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' },
    { token: '"{\\"a\\": 1}"', type: 'jsonb', gives: '{"a": 1}' },
    { token: '"2024-02-29T23:59:59.5Z"', type: 'timestamp with time zone', gives: '2024-02-29 23:59:59.5+00' },
    { token: '"-0043-03-15T12:00:00Z"', type: 'timestamp with time zone', gives: '0044-03-15 12:00:00+00 BC' },
    { token: '"/w=="', type: 'numeric(10,2)', gives: '-0.01' },
    { token: '""', type: 'numeric(10,2)', gives: '0.00' },
  ],
  'without schema and type, as it comes': [
    { token: '9007199254740993', gives: '9007199254740993' },
    { token: '"a\\u00e9\\n"', gives: 'aé\n' },
    { token: '[1,[2,null],"a b"]', gives: '{1,"{2,NULL}","a b"}' },
    { token: '{"scale":1,"value":"Dw=="}', gives: '1.5' },
    { token: '{"a": 1,"b":{}}', gives: '{"a": 1,"b":{}}' },
  ],
};

describe('cells', () => {
  for (const [what, list] of Object.entries(cases)) {
    test(what, () => list.forEach((each) => assert.equal(read(each), each.gives, `${each.token} as ${each.type ?? 'anything'}`)));
  }
});

test('a value that its type cannot hold is refused', () => {
  for (const [typeText, token] of [['integer', '2147483648'], ['smallint', '-32769'], ['uuid', '"no uuid"'], ['inet', '"1.2.3"'], ['integer[]', '[1,2147483648]'], ['timestamp with time zone', '"2024-02-30T00:00:00Z"']] as const) {
    const expected = { typeText };
    const schema = schemaOfType(expected, {});
    const { type } = inferredColumn('a', schema, expected, false);
    const out = new ByteWriter(8);
    const verdict = binaryCell(type, schema, cellReader({ schema, expected, settings: {}, note: () => undefined }))(Buffer.from(token), 0, token.length, out);
    assert.deepEqual([verdict instanceof Refusal && verdict.code, out.length], ['malformed', 0], `${token} as ${typeText}`);
  }
});

test('the placeholder is known in all its forms, another one too', () => {
  const bytes = Buffer.from('__debezium_unavailable_value');
  const forms = [
    '__debezium_unavailable_value', bytes.toString('base64'), bytes.toString('hex'), ['__debezium_unavailable_value'], [bytes.toString('base64')], [...bytes],
    { __debezium_unavailable_value: '__debezium_unavailable_value' }, '{"__debezium_unavailable_value":"__debezium_unavailable_value"}',
  ];
  const is = placeholderTest();
  const other = placeholderTest('°none°');
  for (const form of forms) {
    const token = Buffer.from(` ${JSON.stringify(form)} `);
    assert.ok(is(token, 1, token.length - 1), token.toString());
    assert.ok(!other(token, 1, token.length - 1));
    assert.ok(!is(token, 1, token.length));
  }
  const token = Buffer.from('"°none°"');
  assert.ok(other(token, 0, token.length));
});
