import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError, Random } from '../../base/index.ts';
import { asPosition, type PgType, type Relation, type Run, RunBuilder, runRows } from '../../data/index.ts';
import { PgoutputDecoder } from '../index.ts';

const int4: PgType = { oid: 23, schema: 'pg_catalog', name: 'int4', kind: 'base', binary: true };
const text: PgType = { oid: 25, schema: 'pg_catalog', name: 'text', kind: 'base', binary: true };
const relation: Relation = {
  oid: 7, schema: 'public', name: 't', identity: 'default', key: [0], version: 'v1',
  columns: [
    { name: 'id', type: int4, typmod: -1, typeText: 'integer', notNull: true },
    { name: 'a', type: text, typmod: -1, typeText: 'text', notNull: false },
  ],
};

const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(n);
  return bytes;
};
const u64 = (n: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(n);
  return bytes;
};
const begin = (commit: bigint, xid: number): Buffer => Buffer.concat([Buffer.from('B'), u64(commit), u64(0n), u32(xid)]);
const commit = (end: bigint): Buffer => Buffer.concat([Buffer.from('C'), Buffer.alloc(1), u64(end - 8n), u64(end), u64(0n)]);
const field = (kind: string, bytes: Buffer): Buffer => Buffer.concat([Buffer.from(kind), u32(bytes.length), bytes]);
const row = (id: number, a: string | null | undefined): Buffer =>
  Buffer.concat([u16(2), field('b', u32(id)), a === undefined ? Buffer.from('u') : a === null ? Buffer.from('n') : field('b', Buffer.from(a))]);
const insert = (id: number, a: string): Buffer => Buffer.concat([Buffer.from('I'), u32(7), Buffer.from('N'), row(id, a)]);

function decoderWith(runs: Run[], openBytesMax?: number): { decoder: PgoutputDecoder; builder: RunBuilder } {
  const builder = new RunBuilder(asPosition(1n), (run) => runs.push(run), openBytesMax);
  const decoder = new PgoutputDecoder(builder);
  decoder.define(relation);
  return { decoder, builder };
}

test('a transaction becomes a run, its fields COPY fields', () => {
  const runs: Run[] = [];
  const { decoder, builder } = decoderWith(runs);
  for (const message of [begin(100n, 5), insert(1, 'x'), Buffer.concat([Buffer.from('U'), u32(7), Buffer.from('K'), row(1, null), Buffer.from('N'), row(2, undefined)]), commit(200n)]) decoder.decode(message);
  builder.flush();
  const [run] = runs;
  assert.ok(run);
  assert.equal(run.position, 200n);
  assert.equal(run.open, false);
  assert.deepEqual(run.transactions.map(({ xid, commit: at, end, firstSeq }) => ({ xid, at, end, firstSeq })), [{ xid: 5, at: 100n, end: 200n, firstSeq: 0 }]);
  const [batch] = run.batches;
  assert.ok(batch);
  assert.deepEqual([[...batch.ops], [...batch.befores], [...batch.partial]], [[1, 2], [0, 1], [0, 1]]);
  assert.deepEqual(batch.after.bytes, Buffer.concat([u16(2), u32(4), u32(1), u32(1), Buffer.from('x'), u16(2), u32(4), u32(2), u32(-2)]));
  assert.deepEqual(batch.before.bytes, Buffer.concat([u16(2), u32(4), u32(1), u32(-1)]));
});

test('an unchanged field is filled from a full old row', () => {
  const runs: Run[] = [];
  const { decoder, builder } = decoderWith(runs);
  const big = 'y'.repeat(5000);
  for (const message of [begin(100n, 5), Buffer.concat([Buffer.from('U'), u32(7), Buffer.from('O'), row(1, big), Buffer.from('N'), row(9, undefined)]), commit(200n)]) decoder.decode(message);
  builder.flush();
  const batch = runs[0]?.batches[0];
  assert.equal(batch?.partial[0], 0);
  assert.deepEqual(batch?.after.bytes, Buffer.concat([u16(2), u32(4), u32(9), u32(5000), Buffer.from(big)]));
});

test('a transaction over the limit is cut into open runs that belong together', () => {
  const runs: Run[] = [];
  const { decoder, builder } = decoderWith(runs, 10_000);
  decoder.decode(begin(100n, 5));
  for (let i = 0; i < 100; i++) decoder.decode(insert(i, 'z'.repeat(500)));
  decoder.decode(commit(200n));
  builder.flush();
  assert.ok(runs.length > 3);
  assert.deepEqual(runs.map((run) => run.open), [...runs.slice(1).map(() => true), false]);
  assert.equal(runs.reduce((sum, run) => sum + runRows(run), 0), 100);
  assert.ok(runs.every((run) => run.transactions.length === 1 && run.transactions[0]?.xid === 5 && run.transactions[0].firstSeq === 0));
  assert.deepEqual(runs.map((run) => run.position), [...runs.slice(1).map(() => 1n), 200n]);
});

test('mutated and random bytes end in a protocol error or decode, and never hang', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  const random = new Random(seed);
  const samples = [begin(100n, 5), insert(1, 'abc'), commit(200n), Buffer.concat([Buffer.from('D'), u32(7), Buffer.from('K'), row(1, null)]),
    Buffer.concat([Buffer.from('U'), u32(7), Buffer.from('O'), row(1, 'old'), Buffer.from('N'), row(1, undefined)]),
    Buffer.concat([Buffer.from('T'), u32(1), Buffer.from([1]), u32(7)]),
    Buffer.concat([Buffer.from('R'), u32(7), Buffer.from('public\0t\0d'), u16(1), Buffer.from([1]), Buffer.from('id\0'), u32(23), u32(-1)])];
  for (let i = 0; i < 20_000; i++) {
    const runs: Run[] = [];
    const { decoder, builder } = decoderWith(runs);
    if (random.chance(0.8)) decoder.decode(begin(100n, 5));
    const message = Buffer.from(random.pick(samples));
    for (let flips = random.below(4); flips > 0; flips--) message[random.below(message.length)] = random.below(256);
    const cut = random.chance(0.3) ? message.subarray(0, random.below(message.length)) : message;
    try {
      decoder.decode(cut);
      if (!builder.inTransaction) builder.flush();
    } catch (error) {
      const known = error instanceof MillraceError && error.code === 'PROTOCOL_VIOLATION';
      assert.ok(known, `seed ${seed}, round ${i}: ${cut.toString('hex')}: ${String(error)}`);
    }
  }
});
