// Tables that come, go and come back, by the project's file or at the source: what nobody followed meanwhile is read again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

const yaml = (tables: string, rules = ''): string =>
  `millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [${tables}]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n${rules}`;

async function same(table: string, targetTable = table): Promise<void> {
  const { source, target } = await scenario.both(table, targetTable);
  assert.deepEqual(target, source);
}

test('a table is left out for a while, then taken again', async () => {
  await scenario.fresh(yaml('public.*'));
  await scenario.db.query(`create table a (id int primary key, v text); create table b (id int primary key, v text); insert into a values (1, 'x'), (2, 'x'); insert into b values (1, 'x')`);
  await scenario.caughtUp();
  await scenario.stop();
  scenario.configure(yaml('public.*, "!public.a"'));
  await scenario.caughtUp();
  await scenario.db.query(`update a set v = 'unseen' where id = 1; delete from a where id = 2; insert into a values (3, 'unseen'); insert into b values (2, 'seen')`);
  await scenario.caughtUp();
  assert.equal((await scenario.both('a')).target.length, 2);
  await scenario.stop();
  scenario.configure(yaml('public.*'));
  await scenario.caughtUp();
  await same('a');
  await same('b');
  assert.equal((await scenario.verify()).equal, true);
});

test('a table goes elsewhere for a while, then back', async () => {
  await scenario.fresh(yaml('public.*'));
  await scenario.db.query(`create table a (id int primary key, v text); insert into a values (1, 'x'), (2, 'x')`);
  await scenario.caughtUp();
  await scenario.stop();
  scenario.configure(yaml('public.*', '    tables: { public.a: elsewhere.a }\n'));
  await scenario.caughtUp();
  await scenario.db.query(`delete from a where id = 2; insert into a values (3, 'later')`);
  await scenario.caughtUp();
  await same('a', 'elsewhere.a');
  await scenario.stop();
  scenario.configure(yaml('public.*'));
  await scenario.caughtUp();
  await same('a');
});

for (const when of ['while it runs', 'while it is down'] as const) {
  test(`a table is dropped and made again ${when}: the next start reads it`, async () => {
    await scenario.fresh(yaml('public.*'));
    await scenario.db.query(`create table a (id int primary key, v text); create table b (id int primary key); insert into a values (1, 'old'), (2, 'old')`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`insert into a values (3, 'old'); drop table a; create table a (id int primary key, v text); insert into a values (2, 'new'), (5, 'new'); insert into b values (1)`);
    await scenario.caughtUp();
    await scenario.stop();
    await scenario.caughtUp();
    await same('a');
    await same('b');
    assert.equal((await scenario.verify()).equal, true);
  });
}

for (const when of ['while it runs', 'while it is down'] as const) {
  test(`a table is renamed ${when}: the next start reads it under its new name`, async () => {
    await scenario.fresh(yaml('public.*'));
    await scenario.db.query(`create table a (id int primary key, v text, big text); alter table a alter big set storage external; create table b (id int primary key);
      insert into a select i, 'x', repeat('b', 3000) from generate_series(1, 3) i`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`insert into a values (4, 'old name', 'b'); alter table a rename to c; insert into c values (5, 'new name', 'b'); update c set v = 'y' where id = 1; insert into b values (1)`);
    await scenario.caughtUp();
    await scenario.stop();
    await scenario.caughtUp();
    await same('c');
    await same('b');
    assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
    assert.equal((await scenario.verify()).equal, true);
  });
}

test('a new table, of which a reconnected source already sends changes, is read at the next start', async () => {
  await scenario.fresh(yaml('public.*'));
  await scenario.db.query('create table a (id int primary key)');
  await scenario.caughtUp();
  await scenario.db.query(`create table n (id int primary key, v text); insert into n values (1, 'before'); select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'millrace_shop'`);
  await until(async () => (await scenario.db.rows(`select 1 as x from pg_publication_tables where tablename = 'n'`)).length === 1);
  await scenario.db.query(`update n set v = 'after' where id = 1; insert into n values (2, 'after'); truncate n; insert into n values (3, 'last'); insert into a values (1)`);
  await scenario.caughtUp();
  await same('a');
  await scenario.stop();
  await scenario.caughtUp();
  await same('n');
  assert.equal((await scenario.verify()).equal, true);
});
