// Passwords that are changed while the project runs: it goes on with the new ones by itself.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, Scenario, until } from '../support/scenario.ts';

const guarded = { hba: ['host all shielded 127.0.0.1/32 scram-sha-256'] };
let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start({ source: guarded, target: guarded });
});
after(() => scenario.remove());

test('a password from a file and one from a program are read again when the server refuses the old ones', async () => {
  await scenario.fresh();
  const admins = await Promise.all([scenario.sourceUrl, scenario.targetUrl].map(connect));
  const put = (name: string, text: string): void => writeFileSync(join(scenario.folder, name), text);
  for (const admin of admins) await admin.query(`create role shielded superuser login password 'one@/ %'`);
  const as = (url: string): string => url.replace('postgres@', 'shielded@');
  put('shop.secret', 'one@/ %\n');
  put('warehouse.secret', 'one@/ %\n');
  scenario.configure(`millrace: 1
sources:
  shop: { postgres: { url: "${as(scenario.sourceUrl)}", password: { file: shop.secret } }, tables: [public.*] }
replicas:
  warehouse: { from: shop, postgres: { url: "${as(scenario.targetUrl)}", password: { command: [sh, -c, "echo x >> calls; cat warehouse.secret"] } } }
`);
  await scenario.db.query(`create table t (id int primary key, v text); insert into t values (1, 'one')`);
  await scenario.caughtUp();
  assert.equal(readFileSync(join(scenario.folder, 'calls'), 'utf8'), 'x\n');

  for (const admin of admins) {
    await admin.query(`alter role shielded password 'two'`);
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shielded'`);
  }
  const { running } = scenario;
  const reasons = (): string => `${running.status().sources['shop']?.reason} ${running.status().replicas['warehouse']?.reason}`;
  await until(() => reasons().includes('AUTH_FAILED'));
  await scenario.db.query(`insert into t values (2, 'two')`);
  put('shop.secret', 'two\n');
  // An idle replica notices only when it has something to write.
  await until(() => running.status().replicas['warehouse']?.reason?.includes('AUTH_FAILED') === true, 30_000);
  put('warehouse.secret', 'two\n');
  await until(() => running.status().replicas['warehouse']?.state === 'streaming' && running.status().sources['shop']?.state === 'streaming', 30_000);
  await running.caughtUp();
  assert.deepEqual((await scenario.both('t')).target, ['(1,one)', '(2,two)']);
  for (const admin of admins) await admin.close();
  assert.equal((await scenario.verify()).equal, true);
});
