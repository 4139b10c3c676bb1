// Transactions in progress on PostgreSQL 15, and on both versions while connections break and the process is killed in their middle.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cases, prepare, proveSame, rows, spilledBytes, startScenario } from '../support/in-progress.ts';
import { connect, type Scenario, until } from '../support/scenario.ts';

for (const version of [15, 18] as const) {
  let scenario: Scenario;
  before(async () => (scenario = await startScenario(version)));
  after(() => scenario.remove());

  if (version === 15) for (const [name, prove] of Object.entries(cases)) test(`${name}, PostgreSQL 15`, () => prove(scenario));

  test(`the stream breaks in the middle of transactions, PostgreSQL ${version}`, async () => {
    await prepare(scenario);
    const running = await scenario.up();
    await running.caughtUp();
    const [admin, other] = [await connect(scenario.source.url()), await connect(scenario.sourceUrl)];
    for (let n = 0; n < 8; n++) {
      await scenario.db.query(`begin; ${rows(n * 6000, n * 6000 + 2999, `t${n}`)}; savepoint a; ${rows(900_000, 901_000, 'cut')}; rollback to a`);
      // In turn before, in and behind the second half and the commit.
      const broken = (async () => {
        if (n % 2 === 0) await until(() => spilledBytes(running) > 1_000_000, 30_000);
        await new Promise((resolve) => setTimeout(resolve, n * 25));
        await admin.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'millrace_shop'");
      })();
      await other.query(`update small set n = n + 1 where id <= ${n * 5}`);
      if (n % 2 === 0) await broken;
      await scenario.db.query(`${rows(n * 6000 + 3000, n * 6000 + 5999, `t${n}`)}; ${n % 4 === 3 ? 'rollback' : 'commit'}`);
      await broken;
    }
    await running.caughtUp();
    await proveSame(scenario, 'after breaks');
    assert.equal((await scenario.verify()).equal, true);
    await Promise.all([admin.close(), other.close()]);
  });

  test(`the process is killed in the middle of transactions, PostgreSQL ${version}`, async () => {
    await prepare(scenario);
    await scenario.caughtUp();
    await scenario.stop();
    for (const [n, point] of ['spill.after-write:3', 'spill.mid-replay:2', 'spill.mid-replay:9', 'log.after-append:2'].entries()) {
      const { child, outcome } = scenario.millrace(['up'], { MILLRACE_CRASH_AT: point });
      await scenario.db.query(`begin; ${rows(n * 6000, n * 6000 + 2999, `k${n}`)}; savepoint a; ${rows(900_000, 901_000, 'cut')}; rollback to a`);
      await scenario.db.query(`update small set n = n + 1 where id <= ${n * 5}; ${rows(n * 6000 + 3000, n * 6000 + 5999, `k${n}`)}; commit; update small set n = n + 1`);
      const patience = setTimeout(() => child.kill('SIGTERM'), 20_000);
      const { code, stderr } = await outcome;
      clearTimeout(patience);
      assert.equal(code, null, `${point} was not reached\n${stderr}`);
    }
    await scenario.caughtUp();
    await proveSame(scenario, 'after kills');
    assert.equal((await scenario.verify()).equal, true);
  });
}
