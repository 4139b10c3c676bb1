// The quick ways against the slow ones: where they answer at all, they answer the same. And random values come back through every mode.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../base/index.ts';
import { CalendarDate, Decimal, Interval, type PgType, Timestamp, TimeOfDay } from '../../data/index.ts';
import { typeCodec } from '../pg-types/codec.ts';
import { typeByOid } from '../pg-types/type-by-oid.ts';
import { cellReader } from './cell.ts';
import { type DebeziumSettings, schemaOfType } from './connect-schema.ts';
import { readBase64Integer, readInteger, readIsoTimestamp, writeDate, writeDecimal, writeIsoTimestamp, writeNumeric, writeTime, writeTimestamp } from './quick.ts';
import { bigIntOf, decimalText, isoText, timestampText } from './value-text.ts';

/** What `write` appends, behind something that was there; undefined if it says no, and then nothing may be appended. */
function written(write: (out: ByteWriter) => boolean): string | undefined {
  const out = new ByteWriter(4).text('x');
  const done = write(out);
  const text = out.take().toString();
  assert.ok(text.startsWith('x') && (done || text === 'x'));
  return done ? text.slice(1) : undefined;
}

const day = fc.integer({ min: -2_440_588, max: 2_145_042_905 });
const ordinaryDay = fc.integer({ min: -719_162, max: 2_932_896 });
const timeOfDay = fc.integer({ min: 0, max: 86_400_000_000 });

/** Two's complement in as few bytes as Java's BigInteger takes. */
function javaBytes(value: bigint): Buffer {
  let size = 1;
  while (BigInt.asIntN(size * 8, value) !== value) size += 1;
  return Buffer.from(BigInt.asUintN(size * 8, value).toString(16).padStart(size * 2, '0'), 'hex');
}

function binary(oid: number, text: string): Buffer {
  const out = new ByteWriter(16);
  typeCodec(typeByOid(oid) as PgType).encodeText(text, out);
  return out.take();
}

describe('quick and slow agree', () => {
  test('dates', () => fc.assert(fc.property(fc.oneof(day, ordinaryDay), (days) => {
    const text = written((out) => writeDate(out, days));
    assert.ok(text === undefined ? days < -719_162 || days > 2_932_896 : text === new CalendarDate(days).toString());
  }), { numRuns: 2000 }));
  test('times', () => fc.assert(fc.property(timeOfDay, (us) => assert.equal(written((out) => writeTime(out, us)), new TimeOfDay(us).toString())), { numRuns: 2000 }));
  test('timestamps', () => fc.assert(fc.property(fc.maxSafeInteger(), (us) => {
    const text = written((out) => writeTimestamp(out, us));
    if (text !== undefined) assert.equal(text, timestampText(BigInt(us), 'us'));
  }), { numRuns: 2000 }));
  test('timestamps as ISO 8601', () => fc.assert(fc.property(ordinaryDay, timeOfDay, fc.integer({ min: 0, max: 9 }), (days, us, digits) => {
    const seconds = Math.floor(us / 1_000_000) % 86_400;
    const clock = new TimeOfDay(seconds * 1_000_000).toString();
    const fraction = digits === 0 ? '' : `.${String(us % 1_000_000).padStart(6, '0').padEnd(9, '0').slice(0, digits)}`;
    const iso = `${new CalendarDate(days).toString()}T${clock}${fraction}Z`;
    for (const withZone of [true, false]) {
      const token = Buffer.from(` "${iso}" `);
      const text = written((out) => writeIsoTimestamp(out, token, 1, token.length - 1, withZone));
      assert.ok(text !== undefined || digits > 6, iso);
      if (text !== undefined) assert.equal(text, isoText(iso, withZone ? 'timestamptz' : 'timestamp'));
      const micros = readIsoTimestamp(token, 1, token.length - 1);
      if (!Number.isNaN(micros)) assert.equal(new Timestamp('timestamp', BigInt(micros)).toString(), isoText(iso, 'timestamp'));
    }
  }), { numRuns: 2000 }));
  test('whole numbers', () => fc.assert(fc.property(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), (value) => {
    const token = Buffer.from(`:${value},`);
    const read = readInteger(token, 1, token.length - 1);
    assert.ok(Number.isNaN(read) ? Math.abs(Number(value)) >= 1e15 : BigInt(read) === value);
  })));
  test('decimals', () => fc.assert(fc.property(fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }), fc.integer({ min: 0, max: 20 }), (unscaled, scale) => {
    const bytes = javaBytes(unscaled);
    assert.equal(bigIntOf(bytes), unscaled);
    const token = Buffer.from(JSON.stringify(bytes.toString('base64')));
    const read = readBase64Integer(token, 0, token.length);
    assert.ok(Number.isNaN(read) ? bytes.length > 6 : BigInt(read) === unscaled, String(read));
    const text = written((out) => writeDecimal(out, read, scale));
    if (text !== undefined) assert.equal(text, decimalText(unscaled, scale));
    const numeric = new ByteWriter(4);
    if (writeNumeric(numeric, read, scale)) assert.deepEqual(numeric.take(), binary(1700, decimalText(unscaled, scale)));
    assert.equal(decimalText(unscaled, scale), new Decimal(unscaled, scale).toString());
  }), { numRuns: 3000 }));
});

function cell(type: string, token: string, settings: DebeziumSettings): string {
  const expected = { typeText: type };
  const read = cellReader({ schema: schemaOfType(expected, settings), expected, settings, note: () => undefined });
  const bytes = Buffer.from(token);
  const out = new ByteWriter(8);
  assert.equal(read(bytes, 0, bytes.length, out), undefined, `${token} as ${type}`);
  return out.take().toString();
}

/** What Java prints of a moment in UTC. */
const iso = (text: string): string => `${text.replace(' ', 'T')}Z`;
const modes = ['adaptive', 'adaptive_time_microseconds', 'connect', 'isostring', 'microseconds', 'nanoseconds'] as const;

describe('random values come back', () => {
  test('times in every mode', () => fc.assert(fc.property(fc.constantFrom(...modes), ordinaryDay, timeOfDay, (mode, days, us) => {
    const settings = { time: mode };
    // As much as the mode keeps.
    const kept = mode === 'connect' ? us - (us % 1000) : us;
    const date = new CalendarDate(days).toString();
    assert.equal(cell('date', mode === 'isostring' ? JSON.stringify(`${date}Z`) : String(days), settings), date);
    const time = new TimeOfDay(kept).toString();
    const unit = mode === 'connect' ? 1000 : 1;
    const count = (value: bigint): string => String(mode === 'nanoseconds' ? value * 1000n : value / BigInt(unit));
    if (us < 86_400_000_000 || mode !== 'isostring') assert.equal(cell('time without time zone', mode === 'isostring' ? JSON.stringify(`${time}Z`) : count(BigInt(kept)), settings), time);
    const moment = new Timestamp('timestamp', BigInt(days) * 86_400_000_000n + BigInt(kept % 86_400_000_000));
    assert.equal(cell('timestamp without time zone', mode === 'isostring' ? JSON.stringify(iso(moment.toString())) : count(moment.epochUs), settings), moment.toString());
  }), { numRuns: 2000 }));
  test('numerics in every mode', () => fc.assert(fc.property(fc.bigInt(), fc.integer({ min: 0, max: 40 }), (unscaled, scale) => {
    const decimal = new Decimal(unscaled, scale);
    const base64 = javaBytes(unscaled).toString('base64');
    assert.equal(cell(`numeric(200,${scale})`, JSON.stringify(base64), {}), decimal.toString());
    assert.equal(cell('numeric', JSON.stringify({ scale, value: base64 }), {}), decimal.toString());
    assert.equal(cell('numeric', JSON.stringify(decimal.toString()), { decimal: 'string' }), decimal.toString());
  }), { numRuns: 1000 }));
  test('bytes in every mode, and bits', () => fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), (values) => {
    const bytes = Buffer.from(values);
    const text = `\\x${bytes.toString('hex')}`;
    for (const [binary, encoding] of [[undefined, 'base64'], ['base64', 'base64'], ['base64-url-safe', 'base64url'], ['hex', 'hex']] as const) {
      assert.equal(cell('bytea', JSON.stringify(bytes.toString(encoding)), binary ? { binary } : {}), text);
    }
    const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    // Little-endian, without the zeros at the end.
    const little = Buffer.from([...bytes].toReversed());
    const used = little.findLastIndex((byte) => byte !== 0) + 1;
    assert.equal(cell(`bit(${bits.length})`, JSON.stringify(little.subarray(0, used).toString('base64')), {}), bits);
  }), { numRuns: 500 }));
  test('intervals', () => fc.assert(fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: -1e6, max: 1e6 }), fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), (months, days, us) => {
    const [years, rest] = [Math.trunc(months / 12), months % 12];
    const seconds = new Decimal(us % 60_000_000n, 6).toString();
    const text = `P${years}Y${rest}M${days}DT${us / 3_600_000_000n}H${(us / 60_000_000n) % 60n}M${seconds}S`;
    assert.equal(cell('interval', JSON.stringify(text), { interval: 'string' }), new Interval(months, days, us).toString());
  }), { numRuns: 1000 }));
});
