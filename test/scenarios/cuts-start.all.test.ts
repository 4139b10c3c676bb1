// Connections are cut at every stage from the first start to the loaded tables. It goes on by itself; nothing is lost or doubled, also in tables
// without a key.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { commitOfLoad, committed, type Cut, Cuts, struckWithin } from '../support/cuts.ts';

let cuts: Cuts;
before(async () => {
  cuts = await Cuts.start();
});
after(() => cuts.remove());

/** Before anything streams. */
const starts: Cut[] = [
  ['connect', 'source', { toward: 'server', bytes: 1 }],
  ['startup', 'source', { toward: 'client', bytes: 1 }],
  ['the first answer of the password\'s exchange', 'source', { toward: 'client', pattern: 'SCRAM-SHA-256' }],
  ['the proof of the password', 'source', { toward: 'server', pattern: ',p=' }],
  ['publication asked for', 'source', { toward: 'server', pattern: 'create publication' }],
  ['publication made, the answer lost', 'source', { toward: 'client', pattern: 'CREATE PUBLICATION' }],
  ['slot asked for', 'source', { toward: 'server', pattern: 'CREATE_REPLICATION_SLOT "millrace_shop"' }],
  ['slot made, the answer lost', 'source', { toward: 'client', pattern: 'consistent_point', session: 'CREATE_REPLICATION_SLOT "millrace_shop"' }],
  ['slot of the snapshot asked for', 'source', { toward: 'server', pattern: 'TEMPORARY LOGICAL' }],
  ['snapshot entered', 'source', { toward: 'server', pattern: 'set transaction snapshot' }],
  ['snapshot read', 'source', { toward: 'client', bytes: 30_000, session: 'copy (select' }],
  ['target: connect', 'target', { toward: 'server', bytes: 1 }],
  ['target: the proof of the password', 'target', { toward: 'server', pattern: ',p=' }],
  ['target: its own schema', 'target', { toward: 'client', pattern: 'CREATE SCHEMA' }],
  ['target: the tables made, the answer lost', 'target', { toward: 'client', pattern: 'CREATE TABLE' }],
  ['target: the position of the snapshot', 'target', { toward: 'client', pattern: committed, session: 'insert into millrace.positions' }],
  ['target: rows of the snapshot', 'target', { toward: 'server', bytes: 60_000, session: 'from stdin' }],
  ['target: COMMIT of a load not delivered', 'target', { toward: 'server', pattern: commitOfLoad, session: 'from stdin' }],
  ['target: COMMIT of a load, its answer lost', 'target', { toward: 'client', pattern: committed, session: 'from stdin' }],
];

for (const [what, side, trap] of starts) {
  test(`cut at the start: ${what}`, async () => {
    await cuts.begin();
    const struck = cuts.between[side].trap(trap);
    const running = await cuts.scenario.up();
    await struckWithin(struck, what);
    await cuts.faults.write(3);
    await cuts.faults.equal();
    await cuts.faults.write(2);
    await cuts.faults.equal();
    assert.equal(running.status().replicas['warehouse']?.state, 'streaming');
  });
}
