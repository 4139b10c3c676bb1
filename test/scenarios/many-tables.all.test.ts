// A thousand tables in one project: no transaction takes more locks than the target has room for, of all that are made, read and changed at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
  // Room for about as many locks as there are tables, as with the usual settings for some thousands.
  const admin = await connect(scenario.target.url());
  await admin.query('alter system set max_locks_per_transaction = 10');
  await admin.close();
  await scenario.target.stop();
  await scenario.target.start();
});
after(() => scenario.remove());

const count = 1000;
const names = Array.from({ length: count }, (_, i) => `t${i}`);

/** In transactions of some tables each. */
async function each(db: PgConnection, sql: (name: string) => string): Promise<void> {
  for (let from = 0; from < count; from += 100) await db.query(names.slice(from, from + 100).map(sql).join('; '));
}

async function same(): Promise<void> {
  const sums = async (db: PgConnection): Promise<string[]> => {
    const sums: string[] = [];
    for (let from = 0; from < count; from += 200) {
      sums.push(...(await db.rows<{ r: string }>(names.slice(from, from + 200).map((name) => `select '${name} ' || coalesce(string_agg(t::text, ' ' order by id), '') as r from ${name} t`).join(' union all '))).map(({ r }) => r));
    }
    return sums;
  };
  assert.deepEqual((await sums(scenario.copy)).sort(), (await sums(scenario.db)).sort());
}

test('a thousand tables: made, read, followed, started again, one more', async () => {
  await scenario.fresh();
  await each(scenario.db, (name) => `create table ${name} (id int primary key, n int, note text); insert into ${name} select i, i, 'note' from generate_series(1, 5) i`);
  const running = await scenario.up();
  await running.caughtUp();
  await same();
  // Each of them takes a lock of whoever writes the table.
  await each(scenario.copy, (name) => `create index on ${name} (n); create index on ${name} (note); create index on ${name} (n, note)`);
  // While nothing is applied, so that all of it is there at once.
  await running.pause('warehouse');
  for (let round = 0; round < 2; round++) await each(scenario.db, (name) => `update ${name} set n = n + 1 where id < 3; insert into ${name} values (${10 + round}, 0, 'new'); delete from ${name} where id = ${4 + round}`);
  await running.resume('warehouse');
  await running.caughtUp();
  await same();
  await scenario.db.query('create table one_more (id int primary key); insert into one_more values (1)');
  await until(async () => (await scenario.copy.rows("select 1 as x from pg_class where relname = 'one_more'")).length === 1, 30_000);
  await running.caughtUp();
  assert.deepEqual((await scenario.both('one_more')).target, ['(1)']);
  await scenario.stop();
  await each(scenario.db, (name) => `update ${name} set note = null where id = 1`);
  await scenario.caughtUp();
  await same();
  assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
});
