// The parser against rows whose ends are known, with the stream cut at every place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter, MillraceError, Random } from '../../base/index.ts';
import type { Batch, Column, Relation } from '../../data/index.ts';
import { typeByOid } from '../pg-types/type-by-oid.ts';
import { COPY_HEADER, COPY_TRAILER } from './format.ts';
import { CopyParser } from './parser.ts';

const text = typeByOid(25);
assert.ok(text);
const column = (name: string): Column => ({ name, type: text, typmod: -1, typeText: 'text', notNull: false });
const relationOf = (columns: number): Relation => ({
  schema: 'public', name: 't', oid: 1, columns: Array.from({ length: columns }, (_, i) => column(`c${i}`)), identity: 'full', key: [], version: 'v',
});

function row(fields: (number | null)[], random: Random): Buffer {
  const out = new ByteWriter();
  out.i16(fields.length);
  for (const size of fields) {
    out.i32(size ?? -1);
    for (let i = 0; i < (size ?? 0); i++) out.u8(random.below(256));
  }
  return out.take();
}

/** Parses in chunks and returns each row's bytes as the batches have them. */
function rowsOf(parser: CopyParser, chunks: Buffer[]): string[] {
  const batches: Batch[] = chunks.flatMap((chunk) => parser.push(chunk));
  parser.end();
  return batches.flatMap(({ after, count, seqs }) =>
    Array.from({ length: count }, (_, r) => {
      assert.equal(seqs[r], r);
      return after.bytes.toString('hex', after.offsets[r], after.offsets[r + 1]);
    }));
}

test('rows come out whole wherever the stream is cut', () => {
  for (const columns of [0, 1, 3]) {
    const random = new Random(columns);
    const rows = Array.from({ length: 20 }, () => row(Array.from({ length: columns }, () => (random.chance(0.2) ? null : random.below(9))), random));
    const extension = Buffer.from('extension');
    const header = Buffer.concat([COPY_HEADER.subarray(0, 15), Buffer.from([0, 0, 0, extension.length]), extension]);
    for (const head of [COPY_HEADER, header]) {
      const stream = Buffer.concat([head, ...rows, COPY_TRAILER]);
      const expected = rows.map((bytes) => bytes.toString('hex'));
      for (let at = 0; at <= stream.length; at++) {
        assert.deepEqual(rowsOf(new CopyParser(relationOf(columns), { batchBytesMax: 40 }), [stream.subarray(0, at), stream.subarray(at)]), expected);
      }
      const bytes = Array.from(stream, (_, at) => stream.subarray(at, at + 1));
      assert.deepEqual(rowsOf(new CopyParser(relationOf(columns)), bytes), expected);
    }
  }
});

test('rows are handed out as soon as they are complete, in batches of limited size', () => {
  const random = new Random(1);
  const [first, second, third] = [row([4], random), row([5], random), row([6], random)];
  const parser = new CopyParser(relationOf(1), { batchBytesMax: 15 });
  assert.deepEqual(parser.push(Buffer.concat([COPY_HEADER, first, second.subarray(0, 7)])).map(({ count }) => count), [1]);
  assert.deepEqual(parser.push(Buffer.concat([second.subarray(7), third, first, second.subarray(0, 1)])).map(({ count }) => count), [2, 1]);
  assert.deepEqual(parser.push(Buffer.concat([second.subarray(1), COPY_TRAILER])).map(({ after }) => after.bytes), [second]);
  parser.end();
  assert.equal(parser.rows, 5);
});

test('a row of 300 MB in small chunks takes time in proportion to its size', () => {
  const parser = new CopyParser(relationOf(1));
  const size = 300_000_000;
  const head = new ByteWriter();
  head.i16(1).i32(size);
  parser.push(Buffer.concat([COPY_HEADER, head.take()]));
  const chunk = Buffer.alloc(100_000, 7);
  let batches: Batch[] = [];
  for (let at = 0; at < size; at += chunk.length) batches = parser.push(chunk);
  assert.equal(batches[0]?.after.bytes.length, size + 6);
  assert.deepEqual(parser.push(COPY_TRAILER), []);
  parser.end();
});

test('what is not COPY BINARY is refused', () => {
  const bad: [string, Buffer][] = [
    ['signature', Buffer.alloc(30)],
    ['flag', Buffer.concat([COPY_HEADER.subarray(0, 11), Buffer.from([0, 1, 0, 0, 0, 0, 0, 0]), COPY_TRAILER])],
    ['field count', Buffer.concat([COPY_HEADER, Buffer.from([0, 2])])],
    ['negative length', Buffer.concat([COPY_HEADER, Buffer.from([0, 1, 0xff, 0xff, 0xff, 0xfe])])],
    ['bytes behind the trailer', Buffer.concat([COPY_HEADER, COPY_TRAILER, Buffer.alloc(1)])],
    ['cut off', Buffer.concat([COPY_HEADER, Buffer.from([0, 1])])],
  ];
  for (const [what, bytes] of bad) {
    assert.throws(() => rowsOf(new CopyParser(relationOf(1)), [bytes]), (thrown) => thrown instanceof MillraceError && thrown.code === 'PROTOCOL_VIOLATION', what);
  }
});

test('random bytes give rows or PROTOCOL_VIOLATION', () => {
  const random = new Random(20261124);
  for (let round = 0; round < 5000; round++) {
    const noise = Buffer.from(Array.from({ length: random.below(60) }, () => (random.chance(0.7) ? random.below(4) : random.below(256))));
    try {
      rowsOf(new CopyParser(relationOf(random.below(3))), [COPY_HEADER, noise]);
    } catch (thrown) {
      assert.ok(thrown instanceof MillraceError && thrown.code === 'PROTOCOL_VIOLATION', `seed 20261124 round ${round}: ${String(thrown)}`);
    }
  }
});
