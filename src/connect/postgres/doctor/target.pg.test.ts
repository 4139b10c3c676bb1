import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import type { TargetTable } from '../../../flow/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import type { Finding } from './finding.ts';
import { diagnoseTarget } from './target.ts';

let cluster: Cluster;
let admin: PgConnection;

before(async () => {
  cluster = await startCluster();
  admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query('create role writer login');
  await admin.query('create database warehouse');
});
after(async () => {
  await admin.close();
  await cluster.remove();
});

const int4 = { oid: 23, schema: 'pg_catalog', name: 'int4', kind: 'base', binary: true } as const;
const wanted = (name: string): TargetTable => (
  { schema: 'sales', name, key: [0], columns: ['id', 'n'].map((column) => ({ name: column, type: int4, typmod: -1, typeText: 'integer', notNull: column === 'id' })) });
const bad = (findings: readonly Finding[]): string[] => findings.filter((one) => one.level === 'error' || one.level === 'warning').map((one) => one.check);

test('a role without privileges, tables with triggers and foreign keys: each statement mends', async () => {
  const owner = await PgConnection.connect(parsePgUrl(cluster.url('warehouse')));
  await owner.query(`create schema sales; create table sales.orders (id int, n int unique); create schema millrace; create table millrace.positions (a int);
    create table sales.lines (id int primary key, n int references sales.orders (n));
    create function touch() returns trigger language plpgsql as 'begin return new; end'; create trigger touch before insert on sales.lines for each row execute function touch()`);
  const options = { ...owner.options, user: 'writer' };
  const tables = [wanted('orders'), wanted('lines'), wanted('fresh')];
  const first = await diagnoseTarget(options, tables);
  assert.deepEqual(bad(first), ['millrace schema', 'privileges', 'tables', 'replica role']);
  assert.equal(first.find((one) => one.check === 'replica role')?.detail, 'this concerns sales.lines, sales.orders');
  for (const one of first) if ((one.level === 'error' || one.level === 'warning') && one.sql) await owner.query(one.sql);
  const second = await diagnoseTarget(options, tables);
  assert.deepEqual(bad(second), []);
  assert.ok(second.some((one) => one.message === 'triggers and foreign keys of sales.lines, sales.orders do not act on replicated rows'));
  assert.ok(second.some((one) => one.message.startsWith('1 statement makes what is not there')));
  const writer = await PgConnection.connect(options);
  await writer.query('set session_replication_role = replica; insert into millrace.positions values (1); insert into sales.lines values (1, 1); delete from sales.lines');
  await writer.close();
  await owner.query('alter table sales.lines enable always trigger touch');
  assert.deepEqual(bad(await diagnoseTarget(options, tables)), ['triggers']);
  await owner.close();
});

test('a database of its own without CREATE, read-only, without free connections', async () => {
  await admin.query('create database shut');
  await admin.query('alter database shut set default_transaction_read_only = on');
  const options = { ...parsePgUrl(cluster.url('shut')), user: 'writer' };
  const first = await diagnoseTarget(options, []);
  assert.deepEqual(bad(first), ['writable', 'millrace schema']);
  for (const one of first) if (one.sql && one.level === 'error') await admin.query(one.sql);
  assert.deepEqual(bad(await diagnoseTarget(options, [])), []);
  for (const [set, mend] of [
    ['alter role writer set default_transaction_read_only = on', 'alter role writer set default_transaction_read_only = off;'],
    ['alter role writer in database shut set default_transaction_read_only = on', 'alter role writer in database shut set default_transaction_read_only = off;'],
  ] as const) {
    await admin.query(set);
    const found = (await diagnoseTarget(options, [])).find((one) => one.check === 'writable');
    assert.equal(found?.sql, mend);
    await admin.query(mend);
    assert.deepEqual(bad(await diagnoseTarget(options, [])), []);
  }
  const byUrl = await diagnoseTarget({ ...options, settings: { ...options.settings, options: '-c default_transaction_read_only=on' } }, []);
  assert.match(byUrl.find((one) => one.check === 'writable')?.detail ?? '', /the URL says so itself/);
  const busy = await Promise.all(Array.from({ length: 93 }, () => PgConnection.connect(parsePgUrl(cluster.url()))));
  assert.deepEqual(bad(await diagnoseTarget(options, [])), ['connections']);
  await Promise.all(busy.map((connection) => connection.close()));
});

test('a server that refuses the connection: what to do about it', async () => {
  await admin.query('create database closed');
  await admin.query('revoke connect on database closed from public');
  const details = async (url: string): Promise<string> => (await diagnoseTarget(parsePgUrl(url), [])).map(({ message, detail }) => `${message}\n${detail}`).join();
  assert.match(await details(cluster.url('nowhere')), /database "nowhere" does not exist\n[^]*check the name of the database/);
  assert.match(await details(cluster.url('closed').replace('postgres@', 'writer@')), /permission denied[^]*grant connect on database "closed" to "writer"/);
  assert.match(await details(cluster.url('closed').replace('postgres@', 'stranger@')), /role "stranger" does not exist\n[^]*check the user in the URL, and that pg_hba\.conf/);
  await admin.query('grant connect on database "closed" to "writer"');
  assert.doesNotMatch(await details(cluster.url('closed').replace('postgres@', 'writer@')), /cannot connect/);
});
