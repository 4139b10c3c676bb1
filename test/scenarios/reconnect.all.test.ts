// Connections break and servers die while the project runs: it goes on by itself, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Faults } from '../support/faults.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  scenario = await Scenario.start();
  faults = new Faults(scenario);
});
after(() => scenario.remove());

test('every backend of ours is terminated, again and again', async () => {
  await faults.begin();
  const running = await faults.up();
  const admins = await Promise.all([scenario.source.url(), scenario.target.url()].map(connect));
  for (let round = 0; round < 6; round++) {
    await faults.write(5);
    for (const [i, admin] of admins.entries()) {
      if (round % 3 === i) continue;
      const own = [scenario.db, scenario.copy].map((connection) => connection.pid).join(', ');
      await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname like 'test%' and pid not in (${own}) and pid <> pg_backend_pid()`);
    }
    await faults.write();
  }
  await faults.equal();
  assert.equal(running.status().replicas['warehouse']?.state, 'streaming');
  for (const admin of admins) await admin.close();
  assert.equal((await scenario.verify()).equal, true);
});

for (const which of ['source', 'target'] as const) {
  test(`the ${which} is killed with -9 and comes back`, async () => {
    await faults.begin();
  const running = await faults.up();
    await faults.write(10);
    await scenario[which].kill9();
    if (which === 'target') await faults.write(10);
    await until(() => (which === 'source' ? running.status().sources['shop'] : running.status().replicas['warehouse'])?.state === 'retrying');
    await scenario[which].start();
    await scenario.reconnect();
    await faults.write(5);
    await faults.equal();
    assert.equal((await scenario.verify()).equal, true);
  });
}
