// What can be wrong with a source or a target: each thing has its code, its message and its next step in the status, and mends where it can.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import type { Running } from '../../src/control/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let other: Cluster;
before(async () => {
  [scenario, other] = await Promise.all([Scenario.start(), startCluster({ settings: { wal_level: 'replica' } })]);
  await scenario.fresh();
  await scenario.db.query(`create role weak login; create role reader login replication; create role locked login replication password 'right'`);
});
afterEach(() => scenario.stop());
after(async () => {
  await Promise.all([scenario.remove(), other.remove()]);
});

const state = (running: Running, part: 'sources' | 'replicas'): { state: string; reason?: string; next?: string } => Object.values(running.status()[part])[0] as { state: string };

/** Waits until the source or the replica is in this state, and checks what it says. */
async function expectState(running: Running, part: 'sources' | 'replicas', wanted: string, reason: RegExp, next: RegExp): Promise<void> {
  running.ended.catch(() => undefined);
  await until(() => state(running, part).state === wanted && reason.test(state(running, part).reason ?? '')).catch(() => undefined);
  const now = state(running, part);
  assert.equal(now.state, wanted, JSON.stringify(now));
  assert.match(now.reason ?? '', reason);
  assert.match(now.next ?? '', next);
}

const table = `create table t (id int primary key, v text); insert into t values (1, 'one')`;

test('wal_level is not logical', async () => {
  await scenario.fresh();
  const admin = await connect(other.url());
  await admin.query(table);
  await admin.close();
  scenario.configure(`millrace: 1\nsources:\n  shop:\n    postgres: ${other.url()}\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n`);
  await expectState(await scenario.up(), 'sources', 'failed', /wal_level is replica \[WAL_LEVEL\]/, /alter system set wal_level = logical/);
});

test('a role without REPLICATION', async () => {
  await scenario.fresh();
  await scenario.db.query(`${table}; alter table t owner to weak; grant create on database ${scenario.sourceUrl.split('/').at(-1)} to weak`);
  scenario.configure(undefined, { sourceUser: 'weak' });
  await expectState(await scenario.up(), 'sources', 'failed', /permission denied to start WAL sender \[PRIVILEGE_MISSING\]/, /alter role .* replication/);
});

test('a role without SELECT, and without the right to make a publication', async () => {
  await scenario.fresh();
  await scenario.db.query(table);
  scenario.configure(undefined, { sourceUser: 'reader' });
  await expectState(await scenario.up(), 'sources', 'failed', /\[PRIVILEGE_MISSING\]/, /create publication .*millrace_shop/s);
  await scenario.stop();
  await scenario.db.query('create publication given for table t with (publish_via_partition_root = true, publish_generated_columns = stored)');
  scenario.configure(`millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    publication: given\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n`, { sourceUser: 'reader' });
  await expectState(await scenario.up(), 'replicas', 'failed', /permission denied for table t.*\[PRIVILEGE_MISSING\]/, /grant select on/i);
});

test('a wrong password is tried again, and works once it is right', async () => {
  const guarded = await startCluster({ hba: ['host all locked 127.0.0.1/32 scram-sha-256', 'host replication locked 127.0.0.1/32 scram-sha-256'] });
  try {
    const admin = await connect(guarded.url());
    await admin.query(`create role locked superuser login password 'right'; ${table}`);
    await scenario.fresh();
    scenario.configure(`millrace: 1\nsources:\n  shop:\n    postgres: ${guarded.url().replace('postgres@', 'locked:wrong@')}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n`);
    const running = await scenario.up();
    await expectState(running, 'sources', 'retrying', /\[AUTH_FAILED\]/, /check user and password in the URL/);
    assert.ok(!JSON.stringify(running.status()).includes('wrong'));
    await admin.query(`alter role locked password 'wrong'`);
    await until(() => state(running, 'replicas').state === 'streaming');
    await admin.query('select pg_terminate_backend(active_pid) from pg_replication_slots');
    await admin.close();
  } finally {
    await scenario.stop();
    await guarded.remove();
  }
});

test('a slot that was dropped while nothing ran: SLOT_LOST, and resync mends it', async () => {
  await scenario.fresh();
  await scenario.db.query(table);
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.db.query(`insert into t values (2, 'lost')`);
  await scenario.db.query(`select pg_drop_replication_slot('millrace_shop')`);
  await scenario.db.query(`insert into t values (3, 'later'); delete from t where id = 1`);
  const running = await scenario.up();
  await expectState(running, 'replicas', 'failed', /slot.*\[SLOT_LOST\]/, /millrace resync warehouse/);
  await running.resync('warehouse', []);
  await running.caughtUp();
  const { source, target } = await scenario.both('t');
  assert.deepEqual(target, source);
  assert.equal((await scenario.verify()).equal, true);
});

test('a slot that another process uses: tried again until it is free', async () => {
  await scenario.fresh();
  await scenario.db.query(table);
  await scenario.caughtUp();
  await scenario.stop();
  const thief = await connect(scenario.sourceUrl);
  const replication = await (await import('../../src/wire/index.ts')).PgConnection.connect(thief.options, { replication: 'database' });
  await replication.copyBoth(`START_REPLICATION SLOT "millrace_shop" LOGICAL 0/0 (proto_version '1', publication_names 'millrace_shop')`, () => undefined);
  const running = await scenario.up();
  await expectState(running, 'sources', 'retrying', /slot.*in use.*\[SLOT_IN_USE\]/, /stop that process/);
  replication.destroy();
  await thief.close();
  await scenario.db.query(`insert into t values (2, 'two')`);
  await running.caughtUp();
  assert.equal((await scenario.both('t')).target.length, 2);
});

test('the URL leads to another server: SOURCE_CHANGED', async () => {
  const twin = await startCluster();
  try {
    await scenario.fresh();
    await scenario.db.query(table);
    await scenario.caughtUp();
    await scenario.stop();
    const admin = await connect(twin.url());
    await admin.query(table);
    await admin.close();
    scenario.configure(`millrace: 1\nsources:\n  shop:\n    postgres: ${twin.url()}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n`);
    await expectState(await scenario.up(), 'replicas', 'failed', /another server.*\[SOURCE_CHANGED\]/, /millrace resync/);
    await scenario.stop();
  } finally {
    await twin.remove();
  }
});

test('a replica behind what the slot still has: POSITION_GAP, and resync mends it', async () => {
  await scenario.fresh();
  await scenario.db.query(table);
  await scenario.caughtUp();
  await scenario.stop();
  const { rmSync } = await import('node:fs');
  rmSync(`${scenario.folder}/.millrace`, { recursive: true });
  await scenario.db.query(`insert into t values (2, 'skipped')`);
  await scenario.db.query(`select pg_replication_slot_advance('millrace_shop', pg_current_wal_lsn())`);
  const running = await scenario.up();
  await expectState(running, 'replicas', 'failed', /stands at .* begin at .*\[POSITION_GAP\]/, /millrace resync warehouse/);
  await running.resync('warehouse', []);
  await running.caughtUp();
  assert.equal((await scenario.verify()).equal, true);
});

test('two processes on one folder, a second replica, and --only', async () => {
  await scenario.fresh();
  await scenario.db.query(table);
  const admin = await connect(scenario.target.url());
  const second = `${scenario.targetUrl}b`;
  await admin.query(`create database ${second.split('/').at(-1)}`);
  await admin.close();
  scenario.configure(`millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n  second:\n    from: shop\n    postgres: ${second}\n    tables: { shop.public.*: copy.* }\n`);
  const first = scenario.millrace(['up', '--only', 'warehouse']);
  await until(async () => (await scenario.copy.rows(`select to_regclass('t')::text as t`))[0]?.['t'] === 't');
  const refused = await scenario.millrace(['up']).outcome;
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /ALREADY_RUNNING/);
  assert.match(refused.stderr, new RegExp(String(first.child.pid)));
  await scenario.db.query(`insert into t values (2, 'two')`);
  await until(async () => (await scenario.both('t')).target.length === 2);
  first.child.kill('SIGTERM');
  assert.equal((await first.outcome).code, 0);
  // The second replica was not there: its rows wait for it, and it begins with a snapshot of its own.
  await scenario.db.query(`update t set v = 'changed' where id = 1`);
  await scenario.caughtUp();
  const copy = await connect(second);
  assert.deepEqual((await copy.rows('select t::text as r from copy.t t order by 1')).map((row) => row['r']), ['(1,changed)', '(2,two)']);
  await copy.close();
  assert.equal((await scenario.verify()).equal, true);
});
