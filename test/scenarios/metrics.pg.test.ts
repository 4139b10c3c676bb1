// What a running project counts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

test('counters of sources and replicas move', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table t (id int primary key, v text); insert into t select i, 'v' from generate_series(1, 10) i`);
  const running = await scenario.up();
  await scenario.caughtUp();
  await scenario.db.query(`insert into t select i, repeat('v', 100) from generate_series(11, 40) i; update t set v = 'w' where id = 1`);
  await scenario.caughtUp();
  const value = (series: string): number => Number(new RegExp(`^millrace_${series}\\{[^}]*\\} (\\d+)$`, 'm').exec(running.metrics())?.[1] ?? -1);
  await until(() => value('source_bytes_total') > 3000);
  assert.equal(value('source_changes_total'), 31);
  assert.equal(value('snapshot_rows_total'), 10);
  assert.equal(value('replica_rows_total'), 31);
  assert.ok(value('source_transactions_total') > 0 && value('replica_epochs_total') > 0 && value('log_bytes') > 0);
  assert.equal(value('replica_dead_letters'), 0);
  assert.deepEqual([value('source_up'), value('replica_up')], [1, 1]);
  await running.pause('warehouse');
  await until(() => value('replica_up') === 0);
});
