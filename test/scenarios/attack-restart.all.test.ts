// Replicas that start again while their source goes on: pauses, targets that go away, verification under load.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import type { Running } from '../../src/control/index.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
beforeEach(async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, v text); insert into t select i, \'old\' from generate_series(1, 100) i');
});
after(() => scenario.remove());

const state = (running: Running): string => running.status().replicas['warehouse']?.state ?? '';

test('a replica goes on after a pause and after its target went away, in the process that made the slot', async () => {
  const running = await scenario.up();
  await running.caughtUp();
  await running.pause('warehouse');
  await scenario.db.query('insert into t values (1001, \'new\')');
  await running.resume('warehouse');
  await running.caughtUp();
  await scenario.copy.rows('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = \'client backend\'');
  await scenario.db.query('insert into t values (1002, \'new\')');
  await running.caughtUp();
  assert.deepEqual((await scenario.both('t')).target.length, 102);
  assert.equal(state(running), 'streaming');
});

test('a hold of a replica that does not stream is refused at once, one that waits ends with a pause', async () => {
  const running = await scenario.up();
  await running.caughtUp();
  const position = running.status().replicas['warehouse']?.position;
  const waiting = running.hold('warehouse', 'FFFF/0', 60_000);
  await running.pause('warehouse');
  await assert.rejects(waiting, { code: 'VERIFY_IMPOSSIBLE' });
  await until(() => state(running) === 'paused');
  await assert.rejects(running.hold('warehouse', 'now', 60_000), { code: 'VERIFY_IMPOSSIBLE' });
  await running.resume('warehouse');
  await scenario.db.query('insert into t values (1001, \'new\')');
  await running.caughtUp();
  assert.notEqual(running.status().replicas['warehouse']?.position, position);
});

test('a replica of an idle source stands still at once', async () => {
  const running = await scenario.up();
  await running.caughtUp();
  // Until nothing moves the source's position any more.
  let before: string | null | undefined;
  await until(async () => {
    const now = running.status().replicas['warehouse']?.position;
    const same = now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return same;
  });
  // Left to itself, an idle source speaks every 30 s.
  const begun = performance.now();
  await running.hold('warehouse', 'now', 60_000);
  assert.ok(performance.now() - begun < 8000, 'a hold waited for the source to say something');
  running.release('warehouse');
  await scenario.db.query('insert into t values (1003, \'new\')');
  await running.caughtUp();
  assert.equal((await scenario.both('t')).target.length, 101);
});
