// Avro's binary form against a dumb encoder: what random values of random schemas are encoded to comes back as their JSON.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../base/index.ts';
import { type AvroSchema, AvroSchemas, schemaIdOf } from './avro.ts';

type Value = null | boolean | number | bigint | string | Buffer | readonly Value[] | { readonly [name: string]: Value };
/** A schema, values of it, and the JSON that they are. */
interface Kind {
  readonly schema: AvroSchema;
  readonly value: fc.Arbitrary<Value>;
  readonly encode: (value: Value) => Buffer;
  readonly json: (value: Value) => unknown;
}

function long(value: bigint): Buffer {
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(zigzag)]);
}

const sized = (bytes: Buffer): Buffer => Buffer.concat([long(BigInt(bytes.length)), bytes]);
const float = (size: 4 | 8) => (value: Value): Buffer => {
  const bytes = Buffer.alloc(size);
  if (size === 4) bytes.writeFloatLE(value as number);
  else bytes.writeDoubleLE(value as number);
  return bytes;
};
const same = (value: Value): unknown => value;
/** Numbers as the digits that stand in the JSON; infinite ones as strings. */
const floating = (value: Value): unknown => (Number.isFinite(value) ? value : String(value as number));

const text = fc.string({ unit: 'binary' }).map((each) => each.toWellFormed());
const leaves: Kind[] = [
  { schema: 'boolean', value: fc.boolean(), encode: (value) => Buffer.from([value === true ? 1 : 0]), json: same },
  { schema: { type: 'int', 'connect.type': 'int16' }, value: fc.integer({ min: -32768, max: 32767 }), encode: (value) => long(BigInt(value as number)), json: same },
  { schema: 'long', value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), encode: (value) => long(value as bigint), json: (value) => Number(value) },
  { schema: 'double', value: fc.double(), encode: float(8), json: floating },
  { schema: 'float', value: fc.float(), encode: float(4), json: floating },
  { schema: 'string', value: text, encode: (value) => sized(Buffer.from(value as string)), json: same },
  { schema: 'bytes', value: fc.uint8Array().map(Buffer.from), encode: (value) => sized(value as Buffer), json: (value) => (value as Buffer).toString('base64') },
  { schema: { type: 'fixed', name: 'Two', size: 2 }, value: fc.uint8Array({ minLength: 2, maxLength: 2 }).map(Buffer.from), encode: (value) => value as Buffer, json: (value) => (value as Buffer).toString('base64') },
  { schema: { type: 'enum', name: 'Mood', symbols: ['SAD', 'OK'] }, value: fc.constantFrom('SAD', 'OK'), encode: (value) => long(value === 'SAD' ? 0n : 1n), json: same },
];

const listOf = (item: Kind): Kind => ({
  schema: { type: 'array', items: item.schema },
  value: fc.array(item.value, { maxLength: 4 }),
  // The first element in a block of its own, whose count is negative and has the size behind it.
  encode(value) {
    const [first, ...others] = (value as readonly Value[]).map(item.encode);
    const head = first ? [long(-1n), long(BigInt(first.length)), first] : [];
    return Buffer.concat([...head, ...(others.length > 0 ? [long(BigInt(others.length)), ...others] : []), long(0n)]);
  },
  json: (value) => (value as readonly Value[]).map(item.json),
});

const mapOf = (item: Kind): Kind => ({
  schema: { type: 'map', values: item.schema },
  value: fc.dictionary(text.filter((key) => key !== '__proto__'), item.value, { maxKeys: 3 }),
  encode(value) {
    const entries = Object.entries(value as Record<string, Value>);
    return Buffer.concat([...(entries.length > 0 ? [long(BigInt(entries.length))] : []), ...entries.flatMap(([key, each]) => [sized(Buffer.from(key)), item.encode(each)]), long(0n)]);
  },
  json: (value) => Object.fromEntries(Object.entries(value as Record<string, Value>).map(([key, each]) => [key, item.json(each)])),
});

const optional = (item: Kind): Kind => ({
  schema: ['null', item.schema],
  value: fc.option(item.value),
  encode: (value) => (value === null ? long(0n) : Buffer.concat([long(1n), item.encode(value)])),
  json: (value) => (value === null ? null : item.json(value)),
});

let records = 0;
const recordOf = (fields: readonly Kind[]): Kind => ({
  schema: { type: 'record', name: `R${(records += 1)}`, fields: fields.map(({ schema }, i) => ({ name: `f${i}`, type: schema })) },
  value: fc.tuple(...fields.map(({ value }) => value)).map((values) => Object.fromEntries(values.map((value, i) => [`f${i}`, value]))),
  encode: (value) => Buffer.concat(fields.map((field, i) => field.encode((value as Record<string, Value>)[`f${i}`] as Value))),
  json: (value) => Object.fromEntries(fields.map((field, i) => [`f${i}`, field.json((value as Record<string, Value>)[`f${i}`] as Value)])),
});

const kinds = fc.letrec<{ kind: Kind }>((tie) => ({
  kind: fc.oneof({ maxDepth: 3 }, ...leaves.map(fc.constant), tie('kind').map(listOf), tie('kind').map(mapOf), tie('kind').map(optional), fc.array(tie('kind'), { maxLength: 4 }).map(recordOf)),
})).kind;

const framed = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), bytes]);

function transcribed(schema: AvroSchema, bytes: Buffer): string {
  const schemas = new AvroSchemas();
  schemas.add(7, schema);
  const out = new ByteWriter(16);
  schemas.transcribe(framed(bytes), out);
  return out.take().toString();
}

test('random values of random schemas come back as their JSON', () => {
  fc.assert(
    fc.property(kinds.chain((kind) => kind.value.map((value) => ({ kind, value }))), ({ kind, value }) => {
      assert.deepEqual(JSON.parse(transcribed(kind.schema, kind.encode(value))), kind.json(value));
    }),
    { numRuns: 2000 },
  );
});

test('long numbers keep their digits', () => {
  for (const value of [0n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 48n, -(2n ** 47n)]) assert.equal(transcribed('long', long(value)), String(value));
});

describe('what is wrong is said', () => {
  test('a value that is cut off, or longer than its schema', () => {
    const schema: AvroSchema = { type: 'record', name: 'R', fields: [{ name: 'a', type: 'string' }, { name: 'b', type: ['null', 'double'] }] };
    const whole = Buffer.concat([sized(Buffer.from('abc')), long(1n), float(8)(1.5)]);
    assert.equal(transcribed(schema, whole), '{"a":"abc","b":1.5}');
    for (let length = 0; length < whole.length; length++) assert.throws(() => transcribed(schema, whole.subarray(0, length)), RangeError);
    assert.throws(() => transcribed(schema, Buffer.concat([whole, Buffer.from([0])])), /1 bytes follow/);
    assert.throws(() => transcribed(schema, Buffer.concat([sized(Buffer.from('abc')), long(2n)])), /no such branch/);
  });
  test('a schema that is none, or not known', () => {
    for (const schema of ['nothing', { type: 'record2' }, ['null'], { type: 'array' }] as AvroSchema[]) assert.throws(() => new AvroSchemas().add(1, schema), { code: 'PROTOCOL_VIOLATION' });
    assert.throws(() => new AvroSchemas().transcribe(framed(Buffer.alloc(1)), new ByteWriter()), /schema 7 is not known/);
    assert.deepEqual([schemaIdOf(framed(Buffer.alloc(0))), schemaIdOf(Buffer.from('{}123')), schemaIdOf(null)], [7, undefined, undefined]);
  });
});
