// Somebody sets the clock of Millrace's machine, all the time and by centuries: nothing waits by it, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { Faults } from '../support/faults.ts';
import { Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

test('a clock that jumps between the years 1800 and 2200, while tables are loaded, streamed, and connections break', async () => {
  const seed = performance.timeOrigin % 1_000_000 | 0;
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const faults = new Faults(scenario);
  await faults.begin();
  const { now } = Date;
  let nowMs = now();
  const jumps = setInterval(() => (nowMs = random.between(Date.UTC(1800), Date.UTC(2200))), 10);
  Date.now = () => nowMs;
  try {
    const running = await faults.up();
    for (let round = 0; round < 12; round++) {
      await faults.write(3);
      if (round % 3 === 0) {
        await scenario.db.query('select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null');
        await scenario.copy.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()');
      }
      const { sources, replicas } = running.status();
      for (const status of [sources['shop'], replicas['warehouse']]) assert.ok((status?.lagMs ?? 0) >= 0);
      if (round === 6) await running.resync('warehouse', ['public.t']);
    }
    await running.caughtUp();
    await faults.equal();
  } finally {
    clearInterval(jumps);
    Date.now = now;
  }
  assert.equal((await scenario.verify()).equal, true);
});
