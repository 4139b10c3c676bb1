// Tables as wide as PostgreSQL lets them be, and values of hundreds of megabytes: by snapshot and by stream, few rows and many, and what is refused of them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => void (scenario = await Scenario.start()));
after(() => scenario.remove());

const columnsMax = 1600;
const numbers = Array.from({ length: columnsMax - 3 }, (_, i) => `c${i}`);

/** A key, two texts, and integers: as many columns as a table can have. */
const wide = (name: string, key: string): string => `create table ${name} (id int ${key}, label text, big text, ${numbers.map((column) => `${column} int2`).join(', ')}); alter table ${name} alter big set storage external`;
const fill = (name: string, from: number, to: number): string =>
  `insert into ${name} select i, 'label ' || i, repeat(md5(i::text), 100), ${numbers.map((_, n) => (n % 7 === 0 ? 'null' : `(i + ${n}) % 30000`)).join(', ')} from generate_series(${from}, ${to}) i`;

async function same(...tables: readonly string[]): Promise<void> {
  await scenario.caughtUp();
  for (const table of tables) {
    const { source, target } = await scenario.both(`(select md5(t::text) as all from ${table} t) s`);
    assert.ok(source.length > 0);
    assert.deepEqual(target, source, table);
  }
  assert.deepEqual(await scenario.copy.rows('select target_table, message from millrace.dead_letters'), []);
}

test('1,600 columns: few rows and many, with and without a key, large values that do not change, keys that do, rows that are refused', async () => {
  await scenario.fresh();
  await scenario.db.query(`${wide('keyed', 'primary key')}; ${wide('bare', 'not null')}; alter table bare replica identity full; ${fill('keyed', 1, 700)}; ${fill('bare', 1, 300)}`);
  await same('keyed', 'bare');
  for (const [from, to] of [[2001, 2005], [2101, 2500]] as const) {
    await scenario.db.query(`${fill('keyed', from, to)}; ${fill('bare', from, Math.min(to, from + 50))}`);
    await same('keyed', 'bare');
    // Whole rows, then rows without their large value, and both under another key.
    await scenario.db.query(`update keyed set label = 'l', big = 'b', c3 = -1, c1500 = -c1500 where id between ${from} and ${to}`);
    await scenario.db.query(`update keyed set c1595 = 5, c1596 = 6 where id between ${from - 2000} and ${to - 2000}`);
    await same('keyed');
    await scenario.db.query(`begin; update keyed set id = id + 100000 where id between ${from - 1990} and ${to - 2000}; update keyed set c0 = 7 where id > 100000; delete from keyed where id % 10 = 3; commit`);
    await scenario.db.query(`update bare set c9 = 9, big = null where id % 20 = 0; delete from bare where id % 20 = 1`);
    await same('keyed', 'bare');
  }
  // One that the target refuses is found among the others, and comes by itself when it is replayed.
  await scenario.copy.query("alter table keyed add constraint positive check (c1590 >= 0)");
  await scenario.db.query('update keyed set c1590 = case id % 500 when 0 then -1 else 1 end');
  await scenario.running.caughtUp();
  const refused = (await scenario.db.rows<{ n: string }>('select count(*)::text as n from keyed where c1590 < 0'))[0]?.n;
  assert.notEqual(refused, '0');
  await until(async () => (await scenario.copy.rows<{ n: string }>("select count(*)::text as n from millrace.dead_letters where state = 'open'"))[0]?.n === refused);
  await scenario.copy.query('alter table keyed drop constraint positive');
  await scenario.db.query('update keyed set c1590 = abs(c1590), big = label');
  await scenario.running.caughtUp();
  await until(async () => (await scenario.copy.rows("select 1 as x from millrace.dead_letters where state = 'open'")).length === 0);
  await scenario.db.query('alter table keyed drop column c17; update keyed set c18 = 18');
  await scenario.running.caughtUp();
  const { source, target } = await scenario.both('(select id, c16, c18, c1596, md5(big) from keyed) s');
  assert.deepEqual(target, source);
  const report = await scenario.verify();
  assert.deepEqual(Object.values(report.tables).filter((verdict) => !verdict.equal), []);
});

const bytes = 160 << 20;
/** Not all the same, so that a piece in the wrong place shows. */
const text = (seed: string): string => `(select string_agg(repeat(md5('${seed}' || i), 1024), '' order by i) from generate_series(1, ${bytes / 32 / 1024}) i)`;

test('values of 160 MB, as text and as bytes: by snapshot and by stream, as they come and as they stay', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table blobs (id int primary key, n int, t text, b bytea); alter table blobs alter t set storage external; alter table blobs alter b set storage external;
    insert into blobs values (1, 0, ${text('a')}, null), (2, 0, null, convert_to(${text('b')}, 'UTF8')), (3, 0, 'small', 'small')`);
  const check = async (): Promise<void> => {
    await scenario.caughtUp();
    const { source, target } = await scenario.both('(select id, n, length(t), md5(t), length(b), md5(b) from blobs) s');
    assert.deepEqual(target, source);
    assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
  };
  await check();
  // They are not sent again.
  await scenario.db.query('update blobs set n = n + 1');
  await check();
  await scenario.db.query(`begin; update blobs set n = 5, t = ${text('c')} where id = 1; update blobs set n = n + 1 where id = 3; insert into blobs values (4, 4, 'small', convert_to(${text('d')}, 'UTF8')); commit`);
  await check();
  await scenario.db.query('update blobs set id = 40, n = 6 where id = 4; delete from blobs where id = 2; update blobs set t = null where id = 1');
  await check();
  // Old rows come whole, too.
  await scenario.db.query('alter table blobs replica identity full; update blobs set n = 7 where id = 40');
  await check();
  const report = await scenario.verify();
  assert.deepEqual(Object.values(report.tables).filter((verdict) => !verdict.equal), []);
  console.log(`# at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
});
