// Connections break and servers die while the project runs: it goes on by itself, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, Scenario, until } from '../support/scenario.ts';
import type { Running } from '../../src/control/index.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

/** A table with a key, and one without, whose duplicates would show. */
async function begin(): Promise<{ running: Running; write: () => Promise<void>; equal: () => Promise<void> }> {
  await scenario.fresh();
  await scenario.db.query(`create table t (id serial primary key, v text, big text); alter table t alter big set storage external;
    create table bag (n int); alter table bag replica identity full; insert into t (v, big) select 'v', repeat('b', 3000) from generate_series(1, 50)`);
  const running = await scenario.up();
  await running.caughtUp();
  let n = 0;
  return {
    running,
    async write() {
      n += 1;
      await scenario.db.query(`begin; insert into t (v, big) values ('${n}', repeat('x', 3000)); update t set v = v || '${n}' where id % 7 = ${n} % 7; update t set id = id + 100000 where id = ${n}; insert into bag values (${n}), (${n}); delete from bag where n = ${n - 3}; commit`);
    },
    async equal() {
      await running.caughtUp();
      for (const table of ['t', 'bag']) {
        const { source, target } = await scenario.both(table);
        assert.ok(target.join() === source.join(), `${table}: ${source.length} rows at the source, ${target.length} at the target`);
      }
      assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
    },
  };
}

test('every backend of ours is terminated, again and again', async () => {
  const { running, write, equal } = await begin();
  const admins = await Promise.all([scenario.source.url(), scenario.target.url()].map(connect));
  for (let round = 0; round < 6; round++) {
    for (let n = 0; n < 5; n++) await write();
    for (const [i, admin] of admins.entries()) {
      if (round % 3 === i) continue;
      const own = [scenario.db, scenario.copy].map((connection) => connection.pid).join(', ');
      await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname like 'test%' and pid not in (${own}) and pid <> pg_backend_pid()`);
    }
    await write();
  }
  await equal();
  assert.equal(running.status().replicas['warehouse']?.state, 'streaming');
  for (const admin of admins) await admin.close();
  assert.equal((await scenario.verify()).equal, true);
});

for (const which of ['source', 'target'] as const) {
  test(`the ${which} is killed with -9 and comes back`, async () => {
    const { running, write, equal } = await begin();
    for (let n = 0; n < 10; n++) await write();
    await scenario[which].kill9();
    if (which === 'target') for (let n = 0; n < 10; n++) await write();
    await until(() => (which === 'source' ? running.status().sources['shop'] : running.status().replicas['warehouse'])?.state === 'retrying');
    await scenario[which].start();
    await scenario.reconnect();
    for (let n = 0; n < 5; n++) await write();
    await equal();
    assert.equal((await scenario.verify()).equal, true);
  });
}
