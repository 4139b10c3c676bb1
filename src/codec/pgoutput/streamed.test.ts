import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError, Random } from '../../base/index.ts';
import { asPosition, type PgType, type Relation, type Run, RunBuilder } from '../../data/index.ts';
import { PgoutputDecoder, readStreamed } from '../index.ts';

const int4: PgType = { oid: 23, schema: 'pg_catalog', name: 'int4', kind: 'base', binary: true };
const shape = (...names: string[]): Relation => ({
  oid: 7, schema: 'public', name: 't', identity: 'default', key: [0], version: names.join(),
  columns: names.map((name) => ({ name, type: int4, typmod: -1, typeText: 'integer', notNull: false })),
});

const start = Buffer.from('53 0000002a 01'.replaceAll(' ', ''), 'hex');
const stop = Buffer.from('E');
const abort = Buffer.from('41 0000002a ffffffff'.replaceAll(' ', ''), 'hex');
const commit = Buffer.from('63 0000002a 00 0000000000000100 0000000000000140 0000000000000007'.replaceAll(' ', ''), 'hex');

test('the four messages about transactions in progress', () => {
  const within = Buffer.concat([Buffer.from('xx'), commit, Buffer.from('yy')]);
  assert.deepEqual(readStreamed(start, 0, 6), { kind: 'start', xid: 42 });
  assert.deepEqual(readStreamed(stop, 0, 1), { kind: 'stop' });
  assert.deepEqual(readStreamed(abort, 0, 9), { kind: 'abort', xid: 42, subxid: 0xffffffff });
  assert.deepEqual(readStreamed(within, 2, 32), { kind: 'commit', xid: 42, commit: 0x100n, end: 0x140n, timeUs: 946_684_800_000_007n });
});

test('mutated and cut messages are PROTOCOL_VIOLATION or read', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  const random = new Random(seed);
  for (let i = 0; i < 5000; i++) {
    const message = Buffer.from(random.pick([start, stop, abort, commit]));
    for (let flips = random.below(3); flips > 0; flips--) message[random.below(message.length)] = random.below(256);
    try {
      readStreamed(message, 0, random.chance(0.5) ? message.length : random.below(message.length));
    } catch (error) {
      assert.ok(error instanceof MillraceError && error.code === 'PROTOCOL_VIOLATION', `seed ${seed}: ${message.toString('hex')}: ${String(error)}`);
    }
  }
});

test('of two announcements of a table the later one holds, in whatever order they are learnt', () => {
  const runs: Run[] = [];
  const builder = new RunBuilder(asPosition(1n), (run) => runs.push(run));
  const [main, older, newer] = [new PgoutputDecoder(builder), new PgoutputDecoder(builder), new PgoutputDecoder(builder)];
  main.define(shape('a'), 2);
  older.define(shape('b'), 1);
  newer.define(shape('c'), 3);
  const insert = Buffer.from('49 00000007 4e 0001 6e'.replaceAll(' ', ''), 'hex');
  const current = (): string | undefined => {
    builder.begin(5, asPosition(10n), 0n);
    main.decode(insert);
    builder.commit(asPosition(20n));
    builder.flush();
    return runs.at(-1)?.batches[0]?.relation.columns[0]?.name;
  };
  main.learn(older);
  assert.equal(current(), 'a');
  main.learn(newer);
  assert.equal(current(), 'c');
  main.learn(older);
  assert.equal(current(), 'c');
});
