// Every finding is provoked on a real server, and its SQL is run to see that it mends.
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { parseTablePattern, type TablePattern } from '../../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import type { Finding } from './finding.ts';
import { diagnoseSource, type SourceQuestions } from './source.ts';

let cluster: Cluster;
let admin: PgConnection;
let databases = 0;

before(async () => {
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '2GB', max_prepared_transactions: '4' } });
  admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query('create role capture login replication; create role owner_ login');
});
after(async () => {
  await admin.close();
  await cluster.remove();
});

const ask = (tables: string[], more: Partial<SourceQuestions> = {}): SourceQuestions => (
  { tables: tables.map((text) => parseTablePattern(text) as TablePattern), slot: 'millrace_shop', publication: 'millrace_shop', managesPublication: true, ids: { id: 'f00d', own: new Set(['f00d']), unasked: [] }, ...more });

/** A database of its own, with a session of the superuser. */
async function database(ddl: string): Promise<PgConnection> {
  const name = `shop${++databases}`;
  await admin.query(`create database ${name}`);
  const connection = await PgConnection.connect(parsePgUrl(cluster.url(name)));
  await connection.query(ddl);
  return connection;
}

const bad = (findings: readonly Finding[]): [string, string][] =>
  findings.filter((one) => one.level === 'error' || one.level === 'warning').map((one): [string, string] => [one.check, one.message]);

/** One statement at a time, as psql does: ALTER SYSTEM refuses to be in a transaction. */
async function runAll(connection: PgConnection, sql: string): Promise<void> {
  for (const statement of sql.split(/;\s*/).filter(Boolean)) await connection.query(statement);
}

/** Runs the SQL of every error and warning, as a superuser. */
async function mend(connection: PgConnection, findings: readonly Finding[]): Promise<void> {
  for (const one of findings) if (one.level === 'error' || one.level === 'warning') await runAll(connection, one.sql ?? '');
}

test('a healthy source has no complaint, and the doctor changes nothing', async () => {
  const shop = await database('create table orders (id int primary key, note text)');
  const findings = await diagnoseSource(shop.options, ask(['public.*']));
  assert.deepEqual(bad(findings), []);
  const checks = findings.map((one) => one.check);
  for (const check of ['reachable', 'wal level', 'replication', 'slots free', 'encoding', 'clock', 'tables', 'select', 'publication', 'slot', 'wal', 'transactions']) assert.ok(checks.includes(check), check);
  assert.match(findings.find((one) => one.check === 'wal')?.message ?? '', /the WAL directory has \d+/);
  assert.deepEqual(await shop.rows('select 1 as one from pg_publication union all select 1 from pg_replication_slots'), []);
  await shop.close();
});

test('a server that cannot be reached is one finding', async () => {
  const findings = await diagnoseSource(parsePgUrl('postgres://a@127.0.0.1:1/b'), ask(['public.*']));
  assert.equal(findings.length, 1);
  assert.match(findings[0]?.message ?? '', /^cannot connect as a@127.0.0.1:1\/b/);
});

test('a role without any privilege: each GRANT mends', async () => {
  const shop = await database(`create role nobody_ login; create schema hidden; create table hidden.orders (id int primary key, secret text); create table public.lines (id int primary key);
    alter table public.lines enable row level security`);
  const asked = ask(['hidden.*', 'public.*']);
  const options = { ...shop.options, user: 'nobody_' };
  const first = await diagnoseSource(options, asked);
  assert.deepEqual(bad(first).map(([check]) => check), ['replication', 'select', 'row security', 'publication']);
  await mend(shop, first);
  assert.deepEqual(bad(await diagnoseSource(options, asked)), [], 'the publication was made by the superuser');
  await shop.query('drop publication millrace_shop; alter schema hidden owner to nobody_; alter table hidden.orders owner to nobody_; alter table public.lines owner to nobody_');
  const second = await diagnoseSource(options, asked);
  assert.deepEqual(second.filter((one) => one.level === 'error').map((one) => one.sql), [`grant create on database shop${databases} to nobody_;`]);
  await mend(shop, second);
  assert.deepEqual(bad(await diagnoseSource(options, asked)), []);
  await shop.close();
});

test('a slot that is lost for being idle, and the setting that does it', async () => {
  const shop = await database(`create table orders (id int primary key)`);
  await shop.query("select pg_create_logical_replication_slot('millrace_shop', 'pgoutput')");
  await runAll(shop, "alter system set idle_replication_slot_timeout = '1s'; select pg_reload_conf()");
  for (let lost = false; !lost; ) {
    await shop.query('checkpoint');
    lost = (await shop.rows("select 1 as x from pg_replication_slots where wal_status = 'lost'")).length === 1;
  }
  const findings = await diagnoseSource(shop.options, ask(['public.*']));
  assert.deepEqual(bad(findings), [
    ['idle limit', 'idle_replication_slot_timeout is 1s: a slot that nothing is connected to for that long is lost'],
    ['slot', 'slot millrace_shop is lost: the server does not keep what it needs any more (idle_timeout)'],
  ]);
  await mend(shop, findings);
  assert.deepEqual(bad(await diagnoseSource(shop.options, ask(['public.*']))), []);
  await shop.close();
});

test('a grant on the published columns is enough', async () => {
  const shop = await database('create table people (id int primary key, name text, ssn text); grant select (id, name) on people to capture');
  const options = { ...shop.options, user: 'capture' };
  const check = async (sendsColumn: SourceQuestions['sendsColumn']): Promise<Finding | undefined> =>
    (await diagnoseSource(options, ask(['public.*'], sendsColumn ? { sendsColumn } : {}))).find((one) => one.check === 'select');
  assert.equal((await check(undefined))?.level, 'error');
  assert.equal((await check((_, column) => column !== 'ssn'))?.level, 'ok');
  await shop.close();
});

test('tables: identity, kinds without changes, patterns without tables', async () => {
  const shop = await database(`
    create table plain (a int); create table mute (id int primary key); alter table mute replica identity nothing; create table log_ (a int);
    create unlogged table fast (id int primary key); create view seen as select 1 as a; create materialized view stored as select 1 as a;
    create table parts (id int primary key, v int generated always as (1) stored) partition by range (id); create table part1 partition of parts default;
    create table odd (id int primary key, a aclitem)`);
  const asked = ask(['public.*', 'public.seen', 'public.nothing'], { appendOnly: [parseTablePattern('public.log_') as TablePattern] });
  const findings = await diagnoseSource(shop.options, asked);
  assert.deepEqual(bad(findings), [
    ['tables', 'public.seen is a view: it has no changes in the WAL and is left out'],
    ['tables', '"public.nothing" selects no table'],
    ['identity', 'public.mute has REPLICA IDENTITY NOTHING, so updates and deletes do not say which row'],
    ['identity', 'public.plain has no primary key and no replica identity, so updates and deletes fail once it is published'],
  ]);
  const notes = findings.filter((one) => one.level === 'note').map((one) => one.message);
  assert.ok(notes.includes('public.fast is an unlogged table: it has no changes in the WAL and is left out'));
  assert.ok(notes.includes('public.stored is a materialized view: it has no changes in the WAL and is left out'));
  assert.ok(notes.includes("public.parts is partitioned; changes come under the root's name"));
  assert.ok(notes.includes('public.odd: a (aclitem) has no binary form and goes as text'));
  await mend(shop, findings);
  await shop.query(findings.find((one) => one.message.startsWith('public.fast'))?.sql ?? '');
  const again = await diagnoseSource(shop.options, ask(['public.*'], { appendOnly: asked.appendOnly ?? [] }));
  assert.deepEqual(bad(again), []);
  assert.equal(again.find((one) => one.check === 'tables' && one.level === 'ok')?.message, '6 tables are selected');
  await shop.close();
});

test('a publication of someone else: missing, lacking tables and columns, publishing only inserts', async () => {
  const shop = await database('create table a (id int primary key); create table b (id int primary key, x text); create table c (id int primary key) partition by range (id)');
  const asked = ask(['public.*'], { managesPublication: false, publication: 'theirs' });
  const steps = ["create publication theirs for table a", "alter publication theirs set table a, b (id), c", "alter publication theirs set (publish = 'insert', publish_via_partition_root = false)"];
  const expected = [['publication theirs does not exist'], ['publication theirs does not hold public.b, public.c as configured', 'publication theirs sends partitions under their own names'],
    ['publication theirs does not hold public.b as configured'], ['publication theirs leaves out inserts, updates, deletes or truncates', 'publication theirs sends partitions under their own names']];
  for (const [i, messages] of expected.entries()) {
    if (i > 0) await shop.query(i === 1 ? `drop publication theirs; ${steps[0]}` : steps[i - 1] ?? '');
    const findings = await diagnoseSource(shop.options, asked);
    assert.deepEqual(bad(findings).map(([, message]) => message), messages);
    await mend(shop, findings);
    assert.deepEqual(bad(await diagnoseSource(shop.options, asked)), []);
  }
  const managed = await diagnoseSource(shop.options, { ...asked, managesPublication: true, tables: ask(['public.a']).tables });
  assert.match(managed.find((one) => one.check === 'publication')?.message ?? '', /holds tables that are not configured; `millrace up` alters it/);
  await shop.close();
});

test('slots: ours, one of another database, inactive ones; open transactions', async () => {
  const shop = await database('create table a (id int primary key)');
  await admin.query("select pg_create_logical_replication_slot('millrace_shop', 'pgoutput'); select pg_create_logical_replication_slot('forgotten', 'pgoutput')");
  const findings = await diagnoseSource(shop.options, ask(['public.*']));
  assert.deepEqual(bad(findings), [['slot', 'slot millrace_shop belongs to something else (another database)']]);
  const forgotten = findings.find((one) => one.check === 'other slots');
  assert.match(forgotten?.message ?? '', /^slot forgotten is inactive and keeps [\d.]+ k?B of WAL$/);
  await shop.query(forgotten?.sql ?? '');
  await admin.query("select pg_drop_replication_slot('millrace_shop')");
  await shop.query("select pg_create_logical_replication_slot('millrace_shop', 'pgoutput')");
  const writer = await PgConnection.connect(shop.options);
  await writer.query('begin; insert into a values (1)');
  const prepared = await PgConnection.connect(shop.options);
  await prepared.query("begin; insert into a values (2); prepare transaction 'pending'");
  await shop.rows('select pg_sleep(0.05)');
  const asked = ask(['public.*'], { openForMs: 20 });
  const withSlot = await diagnoseSource(shop.options, asked);
  assert.match(withSlot.find((one) => one.check === 'slot')?.message ?? '', /^slot millrace_shop is idle and keeps [\d.]+ k?B of WAL$/);
  assert.deepEqual(withSlot.filter((one) => one.check === 'transactions').map((one) => one.level), ['note', 'note']);
  await shop.query("select pg_drop_replication_slot('millrace_shop')");
  const without = await diagnoseSource(shop.options, asked);
  assert.match(without.find((one) => one.check === 'transactions' && one.sql?.includes(String(writer.pid)))?.message ?? '', /the new slot would wait for it$/);
  await mend(shop, without);
  await shop.rows('select pg_sleep(0.1)');
  assert.deepEqual(bad(await diagnoseSource(shop.options, asked)), []);
  await prepared.close();
  await shop.close();
});

test('a server that was never meant for capture, then a standby', async () => {
  const bare = await startCluster({ version: 15, settings: { wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '1' } });
  try {
    const connection = await PgConnection.connect(parsePgUrl(bare.url()));
    await connection.query('create database latin encoding latin1 template template0');
    await connection.query("create table t (id int primary key); select pg_create_physical_replication_slot('used', true)");
    const findings = await diagnoseSource(connection.options, ask(['public.*']));
    assert.deepEqual(bad(findings).map(([check]) => check), ['wal level', 'slots free', 'senders free', 'wal limit']);
    // The same at a service, which refuses ALTER SYSTEM.
    for (const [role, mended] of [['rdsadmin', /rds\.logical_replication = 1/], ['cloudsqladmin', /cloudsql\.logical_decoding = on/], ['neon_superuser', /settings of the project/]] as const) {
      await connection.query(`create role ${role}`);
      const managed = await diagnoseSource(connection.options, ask(['public.*']));
      assert.deepEqual(bad(managed).map(([check]) => check), ['wal level', 'slots free', 'senders free', 'wal limit']);
      assert.match(managed.find((one) => one.check === 'wal level')?.detail ?? '', mended);
      assert.doesNotMatch(JSON.stringify(managed), /alter system/);
      await connection.query(`drop role ${role}`);
    }
    await mend(connection, findings);
    await connection.close();
    await bare.stop();
    await bare.start();
    assert.deepEqual(bad(await diagnoseSource(parsePgUrl(bare.url()), ask(['public.*']))), []);
    const latin = await diagnoseSource(parsePgUrl(bare.url('latin')), ask([]));
    assert.match(latin.find((one) => one.check === 'encoding')?.message ?? '', /LATIN1/);
    await bare.stop();
    writeFileSync(join(bare.folder, 'data', 'standby.signal'), '');
    appendFileSync(join(bare.folder, 'data', 'postgresql.conf'), "max_slot_wal_keep_size = '512MB'\n");
    writeFileSync(join(bare.folder, 'data', 'postgresql.auto.conf'), "wal_level = logical\nmax_replication_slots = 7\nmax_wal_senders = 7\n");
    await bare.start();
    const standby = await diagnoseSource(parsePgUrl(bare.url()), ask(['public.*']));
    assert.deepEqual(bad(standby).map(([check]) => check), ['recovery', 'wal limit', 'publication']);
  } finally {
    await bare.remove();
  }
});
