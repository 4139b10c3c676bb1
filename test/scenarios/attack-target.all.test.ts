// What somebody does to a target: takes away what Millrace keeps there, or all of it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Faults } from '../support/faults.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  scenario = await Scenario.start();
  faults = new Faults(scenario);
});
after(() => scenario.remove());
beforeEach(async () => {
  await faults.begin();
});

const replica = () => scenario.status().replicas['warehouse'];

test('the schema millrace is removed while it runs: said, and nothing is written over rows whose place is not known', async () => {
  await faults.up();
  await scenario.copy.query('drop schema millrace cascade');
  await faults.write(3);
  await until(() => replica()?.state === 'failed');
  assert.match(replica()?.reason ?? '', /somebody has removed the schema "millrace"/);
  assert.match(replica()?.next ?? '', /restore it from a backup.*empty the tables/);
  await scenario.stop();
  await scenario.up();
  await until(() => replica()?.state === 'failed');
  assert.match(replica()?.reason ?? '', /has rows that this replica has not written/);
  await scenario.copy.query('truncate t, bag, events');
  await scenario.stop();
  await scenario.up();
  await faults.write(3);
  await faults.equal();
});

test('positions are removed while nothing runs: a gap, until the tables are read again', async () => {
  await faults.up();
  await scenario.stop();
  await scenario.copy.query('delete from millrace.positions');
  await faults.write(3);
  const running = await scenario.up();
  await until(() => replica()?.state === 'failed');
  assert.match(replica()?.reason ?? '', /somebody has removed the position of replica "warehouse".*\[POSITION_GAP\]/);
  assert.match(replica()?.next ?? '', /millrace resync warehouse/);
  await running.resync('warehouse', []);
  await faults.write(3);
  await faults.equal();
});

test('the database is dropped and made again: everything is read anew', async () => {
  await faults.up();
  const database = new URL(scenario.targetUrl).pathname.slice(1);
  const admin = await connect(scenario.target.url());
  await admin.query(`drop database ${database} with (force)`);
  await faults.write(3);
  await until(() => replica()?.state === 'retrying' && /does not exist/.test(replica()?.reason ?? ''));
  assert.match(replica()?.next ?? '', /name of the database/);
  await admin.query(`create database ${database}`);
  await admin.close();
  await until(() => replica()?.state === 'streaming');
  await scenario.reconnect();
  await faults.write(3);
  await faults.equal();
  assert.equal((await scenario.verify()).equal, true);
});
