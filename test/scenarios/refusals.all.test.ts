// Refusals that pass: limits of time, locks, deadlocks with other writers, a target that only reads, another password. Everything is tried again
// until it goes, `status` says why, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Faults, faultYaml } from '../support/faults.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  const hba = ['all', 'replication'].map((database) => `host ${database} guarded 127.0.0.1/32 scram-sha-256`);
  scenario = await Scenario.start({ source: { hba, settings: { max_slot_wal_keep_size: '32MB', max_wal_size: '32MB', min_wal_size: '32MB' } }, target: { hba, settings: { deadlock_timeout: '100ms' } } });
  faults = new Faults(scenario);
});
after(() => scenario.remove());
beforeEach(async () => {
  await faults.begin();
});

const source = () => scenario.status().sources['shop'];
const replica = () => scenario.status().replicas['warehouse'];
const retries = (reason: RegExp): Promise<void> => until(() => replica()?.state === 'retrying' && reason.test(replica()?.reason ?? ''), 45_000);

test('a target that only reads: tried again until it takes writes', async () => {
  await faults.up();
  const database = scenario.targetUrl.split('/').at(-1) as string;
  await scenario.copy.query(`alter database ${database} set default_transaction_read_only = on`);
  await scenario.copy.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`);
  await faults.write(3);
  await retries(/read-only transaction \[TARGET_BUSY\]/);
  await scenario.copy.query(`alter database ${database} reset default_transaction_read_only`);
  await faults.equal();
});

test('limits of the role end nothing: neither snapshot nor stream nor a long commit', async () => {
  const limits = `statement_timeout = '200ms', transaction_timeout = '400ms', lock_timeout = '100ms', idle_session_timeout = '300ms', idle_in_transaction_session_timeout = '300ms'`;
  for (const cluster of [scenario.source, scenario.target]) {
    const admin = await connect(cluster.url());
    await admin.query(`create role hasty superuser login; ${limits.split(', ').map((one) => `alter role hasty set ${one}`).join('; ')}`);
    await admin.close();
  }
  await scenario.db.query(`insert into t (v, big) select 's', repeat('s', 3000) from generate_series(1, 3000)`);
  await scenario.copy.query(`create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.6); return new; end $$;
    create table bag (n int); create trigger slow after insert on bag for each statement execute function slow(); alter table bag enable always trigger slow`);
  const as = (url: string): string => url.replace('postgres@', 'hasty@');
  scenario.configure(faultYaml(as(scenario.sourceUrl), as(scenario.targetUrl), 'limits: { readBytesPerSec: 8MB }\n'));
  const { source: from } = scenario;
  const open = await connect(scenario.sourceUrl);
  await open.query('begin; select pg_current_xact_id()');
  const running = await scenario.up();
  // The slot waits for a writer, longer than any limit.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await open.query('commit');
  await open.close();
  assert.ok(from);
  await running.caughtUp();
  await faults.write(3);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await faults.write(3);
  await faults.equal();
  const retried = /^millrace_replica_retries_total\S* (\d+)/m.exec(running.metrics())?.[1] ?? '0';
  assert.equal(retried, '0', running.metrics());
});

test('a lock that somebody holds at the target: waited for, then tried again, with the reason', async () => {
  await faults.up();
  const other = await connect(scenario.targetUrl);
  await other.query('begin; lock table t in access exclusive mode');
  await faults.write(3);
  await retries(/lock timeout.*\[TARGET_BUSY\]/);
  await other.query('commit');
  await other.close();
  await faults.equal();
});

test('deadlocks with other writers of the target', async () => {
  await faults.up();
  let [stopped, deadlocks, commits] = [false, 0, 0];
  const others = [0, 1].map(async () => {
    const other = await connect(scenario.targetUrl);
    while (!stopped) {
      // Against the order in which the replica writes its tables.
      await other.query('begin; lock table events in share row exclusive mode; select pg_sleep(0.05); lock table t in share row exclusive mode; lock table bag in share row exclusive mode; commit')
        .then(() => (commits += 1), async () => ((deadlocks += 1), other.query('rollback')));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await other.close();
  });
  const [conflicts] = await scenario.copy.rows<{ n: string }>(`select deadlocks::text as n from pg_stat_database where datname = current_database()`);
  const hit = async (): Promise<number> => Number((await scenario.copy.rows<{ n: string }>(`select deadlocks::text as n from pg_stat_database where datname = current_database()`))[0]?.n) - Number(conflicts?.n);
  await until(async () => (await faults.write(), (await hit()) >= 4), 30_000);
  stopped = true;
  await Promise.all(others);
  await faults.equal();
  console.log({ deadlocks, commits, all: await hit() });
  assert.equal((await scenario.verify()).equal, true);
});

test('the password is changed while it runs: tried again until it is the right one', async () => {
  const admins = await Promise.all([scenario.source.url(), scenario.target.url()].map(connect));
  for (const admin of admins) await admin.query(`create role guarded superuser login password 'first'`);
  const as = (url: string): string => url.replace('postgres@', 'guarded:first@');
  scenario.configure(faultYaml(as(scenario.sourceUrl), as(scenario.targetUrl)));
  await faults.up();
  for (const admin of admins) {
    await admin.query(`alter role guarded password 'second'`);
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'guarded'`);
  }
  await faults.write(3);
  await retries(/\[AUTH_FAILED\]/);
  await until(() => source()?.state === 'retrying' && /\[AUTH_FAILED\]/.test(source()?.reason ?? ''));
  for (const admin of admins) await admin.query(`alter role guarded password 'first'`);
  await faults.equal();
  for (const admin of admins) await admin.close();
});

test('the slot is invalidated by max_slot_wal_keep_size while the target is away: said, and mended by a resync', async () => {
  await faults.up();
  await scenario.target.stop();
  await scenario.db.query(`create table noise (v text)`);
  for (let i = 0; i < 12; i++) await scenario.db.query(`insert into noise select repeat(md5(i::text), 30) from generate_series(1, 8000) i; select pg_switch_wal(); checkpoint`);
  await faults.write(3);
  console.log(source(), replica(), await scenario.db.rows('select * from pg_replication_slots'));
  await scenario.target.start();
  await scenario.reconnect();
  await until(() => replica()?.state === 'failed' || replica()?.state === 'streaming', 30_000);
  console.log(source(), replica());
});
