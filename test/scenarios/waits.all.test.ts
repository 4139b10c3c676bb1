// What takes long, and what must not be waited for: a lock that somebody holds at the target, a slot that the source gives up meanwhile.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Faults } from '../support/faults.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  scenario = await Scenario.start({ source: { settings: { max_slot_wal_keep_size: '32MB', max_wal_size: '32MB', min_wal_size: '32MB' } } });
  faults = new Faults(scenario);
});
after(() => scenario.remove());
beforeEach(async () => {
  await faults.begin();
});

const source = () => scenario.status().sources['shop'];
const replica = () => scenario.status().replicas['warehouse'];

test('a lock that somebody holds at the target: waited for, then tried again, with the reason', async () => {
  await faults.up();
  const other = await connect(scenario.targetUrl);
  await other.query('begin; lock table t in access exclusive mode');
  await faults.write(3);
  await until(() => replica()?.state === 'retrying' && /lock timeout.*\[TARGET_BUSY\]/.test(replica()?.reason ?? ''), 45_000);
  await other.query('commit');
  await other.close();
  await faults.equal();
});

test('the slot is invalidated by max_slot_wal_keep_size while the target is away: said, and mended by a resync', async () => {
  await faults.up();
  await scenario.target.stop();
  await scenario.db.query(`create schema other; create table other.noise (v text)`);
  for (let i = 0; i < 12; i++) await scenario.db.query(`insert into other.noise select repeat(md5(i::text), 30) from generate_series(1, 8000) i; select pg_switch_wal()`);
  await scenario.db.query('checkpoint');
  await faults.write(3);
  await until(() => source()?.state === 'failed');
  assert.match(source()?.reason ?? '', /invalidated.*\[SLOT_LOST\]/);
  assert.match(source()?.next ?? '', /millrace resync/);
  await scenario.target.start();
  await scenario.reconnect();
  await faults.write(3);
  // What it had received before is at the target; nothing goes on as if the rest had never been.
  assert.equal(source()?.state, 'failed');
  await scenario.running.resync('warehouse', []);
  await faults.equal();
  assert.equal((await scenario.verify()).equal, true);
});
