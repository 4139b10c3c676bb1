// A source that is upgraded in a way that takes its slot (15 to 18, by dump and restore: another server, other numbers of tables and columns):
// replicas go on without reading anything again, and what shows that this would lose changes is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import { adopt, loadProject } from '../../src/control/index.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let upgraded: Cluster;
before(async () => {
  [scenario, upgraded] = await Promise.all([Scenario.start({ source: { version: 15 } }), startCluster()]);
});
after(async () => {
  await scenario.remove();
  await upgraded.remove();
});

const yaml = `millrace: 1
sources:
  shop: { postgres: "\${SHOP_URL}", tables: [public.*] }
replicas:
  warehouse: { from: shop, postgres: "\${WAREHOUSE_URL}", names: snake_case, tables: { shop.public.people: { to: crm.people, mask: { email: hash }, drop: [ssn] }, shop.public.late: { guard: true } } }
`;

const databaseOf = (url: string): string => new URL(url).pathname.slice(1);

/** The source's database on the newer server; its URL takes the old one's place in the project. */
async function upgrade(dump: 'whole' | '--schema-only'): Promise<PgConnection> {
  const database = databaseOf(scenario.sourceUrl);
  const admin = await connect(upgraded.url());
  await admin.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots');
  await admin.query(`create database ${database}`);
  await admin.close();
  const sql = execFileSync('pg_dump', [scenario.sourceUrl, ...(dump === 'whole' ? [] : [dump])]);
  execFileSync('psql', ['-q', '-v', 'ON_ERROR_STOP=1', upgraded.url(database)], { input: sql, stdio: ['pipe', 'ignore', 'inherit'] });
  writeFileSync(join(scenario.folder, '.env'), `SHOP_URL=${upgraded.url(database)}\nWAREHOUSE_URL=${scenario.targetUrl}\n`);
  return connect(upgraded.url(database));
}

const adopting = async (): ReturnType<typeof adopt> => adopt((await loadProject(scenario.folder, { env: {} })).project, 'shop');

async function filled(): Promise<void> {
  await scenario.fresh(yaml);
  await scenario.db.query(`create type mood as enum ('sad', 'glad');
    create table people (id int primary key, gone int, "Name" text, email text, ssn text, m mood); alter table people drop column gone;
    create table bag (n int, note text); alter table bag replica identity full; create table late (id int primary key, v text);
    do $$ begin for i in 1..8 loop perform pg_switch_wal(); create table if not exists wal (i int); drop table wal; end loop; end $$;
    insert into people select i, 'n' || i, i || '@x', 's', 'sad' from generate_series(1, 100) i; insert into bag values (1, 'a'), (1, 'a'), (2, 'b'); insert into late values (1, 'one')`);
  await scenario.caughtUp();
  await scenario.db.query(`update people set "Name" = 'new' where id <= 5; alter table people add column born date; insert into people values (101, 'x', 'x@x', 's', 'glad', '2001-02-03'); delete from bag where n = 2`);
  await scenario.caughtUp();
  await scenario.stop();
}

const rowVersions = async (): Promise<string[]> => (await scenario.copy.rows<{ v: string }>(
  `select 'people ' || id || ' ' || xmin::text as v from crm.people where id between 10 and 90 union all select 'bag ' || xmin::text from public.bag where n = 1 order by 1`)).map(({ v }) => v);

test('15 to 18: nothing is read again, what is written from then on arrives, and verify proves it', async () => {
  await filled();
  const before = await rowVersions();
  const db = await upgrade('whole');
  // Whoever just starts it is told what to do; what is written since then is not lost either.
  const running = await scenario.up();
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  assert.match(running.status().replicas['warehouse']?.next ?? '', /millrace resync shop --adopt/);
  await db.query(`insert into people values (102, 'early', 'e@x', 's', 'glad', null)`);
  await until(() => running.status().sources['shop']?.tables['public.people']?.changes === 1);
  await scenario.stop();
  const outcome = await scenario.millrace(['resync', 'shop', '--adopt']).outcome;
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  assert.match(outcome.stdout, /^warehouse: 3 tables go on at \S+ of the server that shop leads to now\n.*millrace verify/s);
  await assert.rejects(adopting(), { code: 'NOT_ADOPTABLE' });

  await scenario.up();
  const [ahead] = await scenario.copy.rows<{ a: string }>(`select (_lsn = '0/0')::text as a from late`);
  assert.equal(ahead?.a, 'true');
  await db.query(`update late set v = 'later' where id = 1; update people set m = 'glad', "Name" = 'after' where id = 6; update people set id = 1000 where id = 7; delete from people where id = 8; insert into bag values (9, 'i'); delete from bag where ctid = (select ctid from bag where n = 1 limit 1)`);
  await scenario.caughtUp();
  await db.query(`alter table people rename "Name" to full_name; alter table people add column vip bool default true; update people set full_name = 'renamed' where id = 9`);
  await scenario.caughtUp();
  const people = await scenario.copy.rows<{ r: string }>(`select row(id, full_name, m, born, vip)::text as r from crm.people where id < 10 or id > 99 order by id`);
  assert.deepEqual(people.map(({ r }) => r), (await db.rows<{ r: string }>(`select row(id, full_name, m, born, vip)::text as r from people where id < 10 or id > 99 order by id`)).map(({ r }) => r));
  assert.deepEqual(await scenario.copy.rows('select v from late'), [{ v: 'later' }]);
  assert.deepEqual((await rowVersions()).filter((row) => !row.startsWith('bag')), before.filter((row) => !row.startsWith('bag')));
  assert.equal((await scenario.verify()).equal, true);
  await db.close();
});

test('what was written before the adoption is missing, and verify says so', async () => {
  await filled();
  const db = await upgrade('whole');
  await db.query(`insert into late values (2, 'nobody saw it')`);
  await adopting();
  await scenario.caughtUp();
  const { equal, tables } = await scenario.verify();
  assert.equal(equal, false);
  assert.deepEqual(Object.entries(tables).filter(([, table]) => !table.equal).map(([name]) => name), ['public.late']);
  await db.close();
});

test('refused: a slot that has everything, a process that runs, data that is not there yet, changes that only the log has', async () => {
  await filled();
  await assert.rejects(adopting(), { code: 'NOT_ADOPTABLE', message: /nothing to adopt/ });
  const running = await scenario.up();
  await running.caughtUp();
  await assert.rejects(adopting(), { code: 'ALREADY_RUNNING' });
  await scenario.stop();
  let db = await upgrade('--schema-only');
  await assert.rejects(adopting(), { code: 'NOT_ADOPTABLE', message: /none of them has a row/ });
  await db.close();

  await filled();
  const paused = await scenario.up();
  await paused.caughtUp();
  await paused.pause('warehouse');
  await scenario.db.query(`insert into late values (3, 'only in the log')`);
  await until(() => (paused.status().sources['shop']?.tables['public.late']?.changes ?? 0) === 1);
  await scenario.stop();
  db = await upgrade('whole');
  await assert.rejects(adopting(), { code: 'NOT_ADOPTABLE', message: /has not applied everything/ });
  await db.close();
});
