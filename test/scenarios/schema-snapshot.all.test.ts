// Tables that change their shape while they wait to be read for the first time.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fillItems, slowSnapshots } from '../support/items.ts';
import { Scenario, until } from '../support/scenario.ts';

/** One table after the other. */
const oneByOne = slowSnapshots.replace('readers: 2', 'readers: 1');

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

async function same(table: string, columns = '*'): Promise<void> {
  const { source, target } = await scenario.both(table, table, columns);
  assert.deepEqual(target, source);
}

/** Begins a snapshot that takes a while for the first of its tables. */
async function reading(): Promise<void> {
  const running = await scenario.up();
  await until(() => (running.status().sources['shop']?.tables['public.items']?.reading?.rows ?? 0) > 0);
}

test('a table that Millrace has made follows any change as long as nothing is in it, also over a restart', async () => {
  await scenario.fresh(oneByOne);
  await scenario.db.query(`${fillItems('int8', 3000, 700)}; create table z (id int primary key, a int, b text, c numeric(10,2)); insert into z values (1, 1, '2', 3.5)`);
  await reading();
  await scenario.db.query(`alter table z alter a type text, alter b type int using b::int, alter c type int; insert into z values (2, 'two', 2, 2)`);
  await until(() => scenario.status().sources['shop']?.tables['public.z']?.state !== 'starting');
  await scenario.stop();
  await scenario.db.query(`alter table z alter b type date using '2024-01-01'::date + b; alter table z drop c; alter table z add c text default 'x'; insert into z values (3, 'three', '2024-02-03')`);
  await scenario.caughtUp();
  await same('z');
  assert.deepEqual((await scenario.copy.rows<{ t: string }>(`select string_agg(format_type(atttypid, atttypmod), ',' order by attnum) as t from pg_attribute
    where attrelid = 'z'::regclass and attnum > 0 and not attisdropped`)).map(({ t }) => t), ['integer,text,date,text']);
});

test('a table that was there, and does not hold what its column has become, stops alone', async () => {
  await scenario.fresh(oneByOne);
  await scenario.db.query(`${fillItems('int8', 3000, 700)}; create table z (id int primary key, a int); insert into z values (1, 1)`);
  await scenario.copy.query('create table z (id int primary key, a int)');
  await reading();
  await scenario.db.query('alter table z alter a type numeric(10,2); update z set a = 1.25');
  await scenario.caughtUp();
  const stopped = (): { state?: string; reason?: string; next?: string } => scenario.status().replicas['warehouse']?.tables['public.z'] ?? {};
  assert.equal(stopped().state, 'failed');
  assert.match(stopped().reason ?? '', /column a of public\.z is numeric\(10,2\) at the source now, and integer at the target does not hold all its values/);
  assert.deepEqual(await scenario.copy.rows('select from z'), []);
  await same('items');
  await scenario.copy.query(stopped().next ?? '');
  await until(() => stopped().state !== 'failed');
  await scenario.caughtUp();
  await same('z');
});
