// Connections are cut at every stage of an epoch's way from source to target and back, above all around COMMIT; so that both ends see it, and so
// that the server does not. It goes on by itself; nothing is lost or doubled, also in tables without a key.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { commit, committed, type Cut, Cuts, struckWithin } from '../support/cuts.ts';

let cuts: Cuts;
before(async () => {
  cuts = await Cuts.start();
});
after(() => cuts.remove());

/** While it streams and there is work. */
const streaming: Cut[] = [
  ['stream asked for', 'source', { toward: 'server', pattern: 'START_REPLICATION' }],
  ['stream begun', 'source', { toward: 'client', bytes: 1, session: 'START_REPLICATION' }],
  ['early in the stream', 'source', { toward: 'client', bytes: 700, session: 'START_REPLICATION' }],
  ['in the middle of a row', 'source', { toward: 'client', bytes: 9001, session: 'START_REPLICATION' }],
  ['late in the stream', 'source', { toward: 'client', bytes: 100_003, session: 'START_REPLICATION' }],
  ['what is acknowledged', 'source', { toward: 'server', pattern: 'd\0\0\0&r', session: 'START_REPLICATION' }],
  ['what is acknowledged, delivered', 'source', { toward: 'server', pattern: 'd\0\0\0&r', session: 'START_REPLICATION', delivers: true }],
  ['the catalog asked while it streams', 'source', { toward: 'server', pattern: 'pg_current_wal' }],
  ['target: BEGIN', 'target', { toward: 'server', pattern: '\0begin\0' }],
  ['target: the position', 'target', { toward: 'server', pattern: 'set epoch = epoch + 1' }],
  ['target: a few rows', 'target', { toward: 'server', bytes: 3000, session: 'set epoch = epoch + 1' }],
  ['target: rows by COPY', 'target', { toward: 'server', bytes: 300_000, session: 'set epoch = epoch + 1' }],
  ['target: COMMIT not delivered', 'target', { toward: 'server', pattern: commit, session: 'set epoch = epoch + 1' }],
  ['target: COMMIT delivered', 'target', { toward: 'server', pattern: commit, session: 'set epoch = epoch + 1', delivers: true }],
  ['target: the answer to COMMIT lost', 'target', { toward: 'client', pattern: committed, session: 'set epoch = epoch + 1' }],
];

for (const breaks of ['cut', 'client'] as const) {
  test(`cut while it streams, ${breaks === 'cut' ? 'both ends told' : 'the server not told'}`, async () => {
    await cuts.begin();
    const running = await cuts.faults.up();
    for (const [what, side, trap] of streaming) {
      const struck = cuts.between[side].trap({ ...trap, breaks });
      // What a session sends only at its beginning comes with a new one.
      if (/START|epoch/.test(trap.pattern ?? '')) cuts.between[side].cut();
      await cuts.faults.write(2);
      // Many rows at once go by COPY.
      await cuts.scenario.db.query(`insert into t (v, big) select '${what.slice(0, 3)}', repeat('y', 1000) from generate_series(1, 400)`);
      await cuts.faults.write(2);
      await struckWithin(struck, what);
      await cuts.faults.write();
      await cuts.faults.equal();
    }
    assert.equal(running.status().replicas['warehouse']?.state, 'streaming');
    assert.equal((await cuts.scenario.verify()).equal, true);
  });
}

test('cut while the server has much to send, and is not told: its process does not hold the slot until it gives up', async () => {
  await cuts.begin();
  const running = await cuts.faults.up();
  const struck = cuts.between.source.trap({ toward: 'client', bytes: 700, session: 'START_REPLICATION', breaks: 'client' });
  await cuts.scenario.db.query(`insert into t (v, big) select 'much', repeat('m', 3000) from generate_series(1, 8000)`);
  await struckWithin(struck, 'much');
  await cuts.faults.write(3);
  await cuts.faults.equal();
  assert.equal(running.status().sources['shop']?.state, 'streaming');
});
