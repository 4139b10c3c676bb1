// The shapes that tables come in: keys of all kinds or none, TOAST, partitions, inheritance, generated columns, column lists, TRUNCATE.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

async function same(table: string, columns = '*'): Promise<string[]> {
  const { source, target } = await scenario.both(table, table, columns);
  assert.deepEqual(target, source);
  return source;
}

const yaml = (source: string): string => `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*]
${source}replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
`;

test('composite keys, key changes, and unchanged TOAST values under them', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create table t (b text, v text, a int, big text, j jsonb, primary key (a, b));
    alter table t alter big set storage external;
    insert into t select 'k' || i, 'v', i, repeat(i::text, 3000), jsonb_build_object('x', repeat('y', 5000)) from generate_series(1, 20) i`);
  await scenario.caughtUp();
  await scenario.db.query(`update t set v = 'w' where a <= 5; update t set a = a + 100 where a <= 10; update t set b = b || 'x', v = 'z' where a > 105; update t set big = 'short' where a = 101`);
  await scenario.db.query(`begin; update t set a = 200 where a = 11; update t set a = 201 where a = 200; update t set a = 202, v = 'q' where a = 201; delete from t where a = 12;
    insert into t values ('k12', 'again', 12, repeat('n', 4000), null); update t set v = 'touched' where a = 12; update t set a = 13, b = 'k13x' where a = 12; commit`);
  await scenario.db.query(`begin; insert into t values ('new', 'v', 300, repeat('m', 9000), '1'); savepoint s; update t set a = 301 where a = 300; rollback to s; update t set a = 302 where a = 300; commit`);
  await scenario.caughtUp();
  const rows = await same('t', 'a, b, v, md5(big) as m, j');
  assert.equal(rows.length, 21);
  assert.equal((await scenario.verify()).equal, true);
});

test('a table without a key under REPLICA IDENTITY FULL, with duplicate rows', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create table bag (kind text, n int, big text); alter table bag replica identity full; alter table bag alter big set storage external;
    create table keyed (id int primary key, v text, big text); alter table keyed replica identity full; alter table keyed alter big set storage external;
    insert into bag select 'x', i % 3, case when i % 2 = 0 then repeat('b', 3000) end from generate_series(1, 12) i;
    insert into keyed select i, 'v', repeat('b', 3000) from generate_series(1, 10) i`);
  await scenario.caughtUp();
  await scenario.db.query(`insert into bag values ('x', 1, null), ('x', 1, null), (null, null, null), (null, null, null);
    delete from bag where ctid = (select min(ctid) from bag where n = 1); update bag set n = 7 where ctid = (select min(ctid) from bag where n = 2);
    delete from bag where ctid = (select max(ctid) from bag where kind is null); update bag set kind = 'y' where n = 0;
    update keyed set v = 'w' where id < 4; update keyed set id = id + 100 where id > 7; delete from keyed where id = 5`);
  await scenario.caughtUp();
  await same('bag');
  await same('keyed');
  assert.equal((await scenario.verify()).equal, true);
});

test('append-only tables, and identity by an index', async () => {
  await scenario.fresh(yaml('    appendOnly: [public.events]\n'));
  await scenario.db.query(`
    create table events (at int, what text);
    create table coded (code text not null, id int primary key, region int not null, v text);
    create unique index coded_identity on coded (region, code); alter table coded replica identity using index coded_identity;
    insert into events select i, 'before' from generate_series(1, 10) i; insert into events values (1, 'before');
    insert into coded select 'c' || i, i, i % 2, 'v' from generate_series(1, 10) i`);
  await scenario.caughtUp();
  await scenario.db.query(`insert into events values (11, null), (11, null); insert into coded values ('new', 11, 1, 'v'); update coded set v = 'w' where id < 4; update coded set code = code || 'x' where id = 4;
    update coded set id = 500 where id = 5; delete from coded where id = 6`);
  await scenario.caughtUp();
  assert.equal((await same('events')).length, 13);
  await same('coded');
  assert.equal((await scenario.verify()).equal, true);
});

test('partitioned tables via their root, rows that move between partitions, and inheritance', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create table part (id int, region text, v text, primary key (region, id)) partition by list (region);
    create table part_a partition of part for values in ('a');
    create table part_b partition of part for values in ('b') partition by range (id);
    create table part_b1 partition of part_b for values from (0) to (100);
    create table part_b2 (v text, id int not null, region text not null);
    alter table part_b attach partition part_b2 for values from (100) to (1000);
    create table parent (id int primary key, v text);
    create table child (extra int, primary key (id)) inherits (parent);
    insert into part select i, case when i % 2 = 0 then 'a' else 'b' end, 'v' from generate_series(1, 20) i;
    insert into parent values (1, 'p'); insert into child values (2, 'c', 7)`);
  await scenario.caughtUp();
  await scenario.db.query(`update part set region = 'b' where id = 2; update part set id = 150 where id = 3; insert into part values (151, 'b', 'x'); delete from part where id = 5;
    insert into parent values (3, 'p'); insert into child values (4, 'c', 8); update parent set v = v || '!'`);
  await scenario.db.query(`create table part_c partition of part for values in ('c'); insert into part values (1, 'c', 'new partition'); truncate part_a`);
  await scenario.caughtUp();
  await same('only parent');
  await same('child');
  const source = await scenario.both('part');
  assert.deepEqual(source.target.filter((row) => !row.includes(',a,')), source.source);
  assert.deepEqual((await scenario.copy.rows<{ n: string }>(`select relname as n from pg_class where relname like 'part%' and relkind in ('r', 'p')`)).map((row) => row.n), ['part']);
});

test('stored generated columns on 18, identity columns, virtual ones left out', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create table g (id int generated always as identity primary key, a int, twice int generated always as (a * 2) stored, v int generated always as (a * 3) virtual);
    insert into g (a) values (1), (2)`);
  await scenario.caughtUp();
  await scenario.db.query('insert into g (a) values (3); update g set a = 10 where id = 1; alter table g add note text; insert into g (a, note) values (4, $$n$$)');
  await scenario.caughtUp();
  assert.deepEqual(await same('g', 'id, a, twice, note'), ['(1,10,20,)', '(2,2,4,)', '(3,3,6,)', '(4,4,8,n)']);
  assert.equal((await scenario.verify()).equal, true);
});

test('TRUNCATE: several tables with foreign keys, inside a transaction, RESTART IDENTITY, CASCADE', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create table a (id serial primary key, v text); create table b (id serial primary key, a int references a); create table c (id int primary key);
    insert into a (v) select 'v' from generate_series(1, 5); insert into b (a) select i from generate_series(1, 5) i; insert into c values (1)`);
  await scenario.caughtUp();
  await scenario.copy.query('alter table b add foreign key (a) references a');
  await scenario.db.query(`begin; insert into a (v) values ('gone'); insert into c values (2); truncate a, b restart identity; insert into a (v) values ('first'); insert into b (a) values (1); insert into c values (3); commit`);
  await scenario.caughtUp();
  assert.deepEqual(await same('a'), ['(1,first)']);
  await same('b');
  assert.equal((await same('c')).length, 3);
  await scenario.db.query('truncate a cascade; insert into a (v) values ($$after$$); truncate c');
  await scenario.caughtUp();
  for (const table of ['a', 'b', 'c']) await same(table);
  assert.equal((await scenario.verify()).equal, true);
});

test('a column that is left out never reaches the target nor a file of .millrace/', async () => {
  await scenario.fresh(yaml('    columns:\n      public.people: ["*", "!ssn"]\n'));
  await scenario.db.query(`create table people (id int primary key, ssn text, name text); insert into people select i, 'SECRET-' || i, 'name' from generate_series(1, 5) i`);
  await scenario.caughtUp();
  await scenario.db.query(`insert into people values (6, 'SECRET-6', 'six'); update people set ssn = 'SECRET-X', name = 'changed' where id = 1; update people set id = 20 where id = 2; alter table people add email text; insert into people values (7, 'SECRET-7', 'n', 'mail')`);
  await scenario.caughtUp();
  await same('people', 'id, name');
  // A column that comes later is found when the source is looked at the next time.
  const columns = async (): Promise<string[]> => (await scenario.copy.rows<{ c: string }>(`select attname as c from pg_attribute where attrelid = 'people'::regclass and attnum > 0 order by attnum`)).map((row) => row.c);
  await until(async () => (await columns()).includes('email'));
  await scenario.caughtUp();
  assert.deepEqual(await columns(), ['id', 'name', 'email']);
  await same('people', 'id, name, email');
  await scenario.stop();
  let [files, bytes] = [0, 0];
  for (const entry of readdirSync(join(scenario.folder, '.millrace'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const content = readFileSync(join(entry.parentPath, entry.name));
    files += 1;
    bytes += content.length;
    assert.equal(content.includes('SECRET'), false, entry.name);
  }
  assert.ok(files > 0 && bytes > 200, `${files} files, ${bytes} bytes`);
});

test('a table that is truncated while its snapshot is read is read again', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table a (id int primary key, big text); alter table a alter big set storage external; insert into a select i, repeat('b', 9000) from generate_series(1, 3000) i;
    create table b (kind text, n int); alter table b replica identity full; insert into b select 'old', i from generate_series(1, 10) i`);
  const running = await scenario.up();
  await until(() => running.status().sources['shop']?.tables['public.a']?.state === 'snapshot' && (running.status().sources['shop']?.tables['public.a']?.snapshotRows ?? 0) > 0);
  await scenario.db.query(`update b set n = 100 where n = 3; truncate b; insert into b values ('new', 1)`);
  await running.caughtUp();
  assert.deepEqual(await same('b'), ['(new,1)']);
  assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
});

test('a table that was left out for a while, which no target has heard of, is read again when it is back', async () => {
  const yaml = (tables: string, target = '${WAREHOUSE_URL}'): string =>
    `millrace: 1\nsources:\n  shop: { postgres: "\${SHOP_URL}", tables: [${tables}] }\nreplicas:\n  warehouse: { from: shop, postgres: "${target}" }\n`;
  await scenario.fresh(yaml('public.orders, public.people'));
  await scenario.db.query('create table orders (id int primary key); create table people (id int primary key); insert into orders values (1); insert into people values (1)');
  await scenario.caughtUp();
  await scenario.stop();
  scenario.configure(yaml('public.people', 'postgres://postgres@127.0.0.1:1/away'));
  const without = await scenario.up();
  await until(() => without.status().sources['shop']?.state === 'streaming');
  await scenario.db.query('insert into orders values (2); insert into people values (2); delete from orders where id = 1');
  await scenario.stop();
  const readAt = async (): Promise<Record<string, string | null>[]> => scenario.copy.rows("select updated_at::text from millrace.tables where source_table = 'public.people'");
  const before = await readAt();
  scenario.configure(yaml('public.orders, public.people'));
  await scenario.caughtUp();
  assert.deepEqual((await scenario.both('orders')).target, ['(2)']);
  assert.equal((await scenario.verify()).equal, true);
  assert.deepEqual(await readAt(), before, 'the other one was not read again');
});
