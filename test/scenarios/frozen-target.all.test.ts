// A target that freezes while it is written to: nothing closes the connection, so it must be noticed that no answer comes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freeze, thaw } from '../support/freeze.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

test('a frozen target: retrying with the reason within a minute and a half; when it is back, every row is there once', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key); create table twice (n int); alter table twice replica identity full');
  const running = await scenario.up();
  await running.caughtUp();
  const replica = () => running.status().replicas['warehouse'];
  freeze(scenario.target);
  try {
    await scenario.db.query('insert into t select generate_series(1, 1000); insert into twice select 1 from generate_series(1, 1000)');
    await until(() => replica()?.state === 'retrying', 90_000);
    assert.match(replica()?.reason ?? '', /no answer|not answered/);
  } finally {
    thaw(scenario.target);
  }
  await until(() => replica()?.state === 'streaming', 60_000);
  await running.caughtUp();
  assert.equal((await scenario.copy.rows<{ n: string }>('select count(*)::text as n from twice'))[0]?.n, '1000');
  assert.equal((await scenario.verify()).equal, true);
});

test('a target that takes long for a statement is not cut off; status says what it does', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key)');
  await scenario.copy.query("create function slow(int) returns bool language sql volatile as 'select pg_sleep(45) is not null'; create table t (id int primary key check (slow(id)))");
  const running = await scenario.up();
  await running.caughtUp();
  await scenario.db.query('insert into t values (1)');
  await until(() => /is at work \(Timeout: PgSleep\)/.test(running.status().replicas['warehouse']?.reason ?? ''), 60_000);
  assert.equal(running.status().replicas['warehouse']?.state, 'streaming');
  await running.caughtUp();
  await until(() => running.status().replicas['warehouse']?.reason === undefined);
  assert.equal((await scenario.verify()).equal, true);
});
