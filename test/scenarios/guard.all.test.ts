// Tables that others write too: rows that are newer at the target are left as they are, whatever the way that rows take.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

const replica = (name: string, url: string, table = 'shop.public.items: { guard: true }'): string =>
  `  ${name}:\n    from: shop\n    postgres: ${url}\n    existing: keep\n    tables:\n      ${table}\n`;
const project = (...replicas: string[]): string => `millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\nreplicas:\n${replicas.join('')}`;

const items = 'create table items (id int primary key, v text, n int default 0, big text); alter table items alter big set storage external';
const later = "'FFFFFFFF/FFFFFFFF'";
const rows = (): Promise<{ r: string }[]> => scenario.copy.rows<{ r: string }>("select id || ' ' || v || ' ' || n as r from items order by id");
const list = async (): Promise<string[]> => (await rows()).map(({ r }) => r);

/** What others have done, and what must remain of it; `parent` makes rows go one by one where the role cannot be switched. */
async function meet(): Promise<void> {
  const { db, copy } = scenario;
  await copy.query(`update items set v = 'theirs', _lsn = ${later} where id in (1, 2, 3, 4); update items set v = 'older', _lsn = '0/1' where id = 5;
    update items set v = 'of another source', _source = 'elsewhere', _lsn = ${later} where id = 6;
    insert into items values (100, 'theirs', 7, null, 'shop', ${later}), (101, 'older', 7, null, 'shop', '0/1'), (102, 'no stamp', 7, null, null, null)`);
  await db.query(`update items set n = 9 where id in (1, 5, 6); delete from items where id = 2; update items set id = 30, v = 'moved', big = null where id = 3; update items set v = 'ours', big = 'short' where id = 4;
    insert into items values (100, 'ours'), (101, 'ours'), (102, 'ours'); delete from items where id = 7; insert into items values (8, 'ours') on conflict (id) do update set v = 'again'`);
  await db.query('update items set n = n + 1 where id = 8');
  await scenario.caughtUp();
  assert.deepEqual(await list(), ['1 theirs 0', '2 theirs 0', '3 theirs 0', '4 theirs 0', '5 first 9', '6 first 9', '8 again 1', '9 first 0', '30 moved 0',
    '100 theirs 7', '101 ours 0', '102 ours 0']);
  assert.equal(scenario.status().replicas['warehouse']?.deadLetters, 0);
}

test('newer rows stay, older ones and those of other sources do not', async () => {
  await scenario.fresh(project(replica('warehouse', '${WAREHOUSE_URL}')));
  await scenario.db.query(`${items}; insert into items select i, 'first', 0, repeat('x', 3000) from generate_series(1, 9) i`);
  await scenario.caughtUp();
  await meet();
  // Many at once go by COPY, where the table does not have them.
  await scenario.copy.query(`insert into items select i, 'theirs', 0, null, 'shop', ${later} from generate_series(2000, 2500) i`);
  await scenario.db.query("insert into items select i, 'ours' from generate_series(1000, 5000) i");
  await scenario.caughtUp();
  assert.deepEqual((await scenario.copy.rows("select v, count(*) as n from items where id >= 1000 group by v order by v")).map(({ v, n }) => `${v} ${n}`), ['ours 3500', 'theirs 501']);
  const report = await scenario.verify();
  assert.ok((report.tables['public.items']?.differing.length ?? 0) >= 500, 'verify shows what is theirs');
});

test('row by row in source order too', async () => {
  await scenario.fresh(project(replica('warehouse', '${WAREHOUSE_URL}')));
  await scenario.db.query(`${items}; insert into items select i, 'first', 0, repeat('x', 3000) from generate_series(1, 9) i`);
  const admin = await connect(scenario.targetUrl);
  await admin.query(`${items}; alter table items add _source text, add _lsn pg_lsn; create table kind (v text primary key);
    insert into kind values ('first'), ('ours'), ('again'), ('moved'), ('theirs'), ('older'), ('of another source'), ('no stamp'); alter table items add foreign key (v) references kind;
    do $$ begin if not exists (select from pg_roles where rolname = 'plain') then create role plain login; end if; end $$;
    grant create, temp on database ${scenario.targetUrl.split('/').at(-1)?.split('?')[0]} to plain; grant all on items, kind to plain; alter table items owner to plain; alter table kind owner to plain; grant all on schema public to plain`);
  await admin.close();
  scenario.configure(project(replica('warehouse', '${WAREHOUSE_URL}')), { targetUser: 'plain' });
  await scenario.caughtUp();
  await meet();
});

test('a replica that lags behind another one of the same source writes nothing older', async () => {
  await scenario.fresh(project(replica('fast', '${WAREHOUSE_URL}'), replica('slow', '${WAREHOUSE_URL}')));
  await scenario.db.query(`${items}; insert into items select i, 'first', 0, repeat('x', 3000) from generate_series(1, 300) i`);
  const running = await scenario.up({ only: ['fast'] });
  await running.caughtUp();
  await scenario.stop();
  const both = await scenario.up();
  await both.caughtUp();
  await both.hold('slow', 'now', 60_000);
  let middle = '';
  for (let i = 0; i < 30; i++) {
    if (i === 15) middle = (await scenario.db.rows<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn'))[0]?.lsn ?? '';
    await scenario.db.query(`update items set n = n + 1 where id % 3 = ${i % 3}; update items set v = v || ${i % 10} where id = ${i + 1}; delete from items where id = ${290 - i}`);
  }
  await until(async () => (await scenario.both('items', 'items', 'id, v, n')).source.join() === (await scenario.both('items', 'items', 'id, v, n')).target.join());
  await both.hold('slow', middle, 60_000);
  // Rows that are gone have nothing to compare with: an older change brings them for a while, until their delete comes too.
  const there = (table: string) => scenario.both('items', table, 'id, v, n');
  const atMiddle = await there('(select * from items where id < 260) i');
  assert.deepEqual(atMiddle.target, atMiddle.source.filter((row) => Number(/\d+/.exec(row)?.[0]) < 260));
  both.release('slow');
  await both.caughtUp();
  const { source, target } = await there('items');
  assert.deepEqual(target, source);
  assert.equal(both.status().replicas['slow']?.state, 'streaming');
});
