// Refusals that pass: limits of time, deadlocks with other writers, a target that only reads, another password. Everything is tried again
// until it goes, `status` says why, and nothing is lost or doubled.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Faults, faultYaml } from '../support/faults.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  const hba = ['all', 'replication'].map((database) => `host ${database} guarded 127.0.0.1/32 scram-sha-256`);
  scenario = await Scenario.start({ source: { hba }, target: { hba, settings: { deadlock_timeout: '100ms' } } });
  faults = new Faults(scenario);
});
after(() => scenario.remove());
beforeEach(async () => {
  await faults.begin();
});

const source = () => scenario.status().sources['shop'];
const replica = () => scenario.status().replicas['warehouse'];
const retries = (reason: RegExp): Promise<void> => until(() => replica()?.state === 'retrying' && reason.test(replica()?.reason ?? ''));

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

test("errors of the target's system: tried again until its disk works", async () => {
  await faults.up();
  await scenario.copy.query(`create table public.broken (); create function system() returns trigger language plpgsql as $$ begin
      if to_regclass('public.broken') is not null then raise 'could not read block 7 in file "base/5/16384"' using errcode = 'io_error'; end if; return null; end $$;
    create trigger system after insert or update or delete on t for each statement execute function system(); alter table t enable always trigger system`);
  await faults.write(3);
  await retries(/could not read block 7.* \[TARGET_BUSY\]/);
  assert.match(replica()?.next ?? '', /see the server's log.*Millrace tries again/);
  await scenario.copy.query('drop table public.broken');
  await faults.equal();
  assert.equal(replica()?.deadLetters, 0);
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
  const open = await connect(scenario.sourceUrl);
  await open.query('begin; select pg_current_xact_id()');
  const running = await scenario.up();
  // The slot waits for a writer, longer than any limit.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await open.query('commit');
  await open.close();
  await running.caughtUp();
  await faults.write(3);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await faults.write(3);
  await faults.equal();
  const broken = running.metrics().split('\n').filter((line) => /^millrace_(replica_retries|source_reconnects)_total.* [^0]/.test(line));
  assert.deepEqual(broken, []);
});

test('deadlocks with other writers of the target', async () => {
  await faults.up();
  let [stopped, commits] = [false, 0];
  const others = [0, 1].map(async () => {
    const other = await connect(scenario.targetUrl);
    while (!stopped) {
      // Against the order in which the replica writes its tables.
      await other.query('begin; lock table events in share row exclusive mode; select pg_sleep(0.05); lock table t in share row exclusive mode; lock table bag in share row exclusive mode; commit')
        .then(() => (commits += 1), () => other.query('rollback'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await other.close();
  });
  await until(async () => (await faults.write(), /deadlock detected/.test(replica()?.reason ?? '')), 30_000);
  await faults.write(20);
  stopped = true;
  await Promise.all(others);
  await faults.equal();
  assert.ok(commits > 0);
  assert.equal((await scenario.verify()).equal, true);
});

test('passwords are changed while it runs: tried again until they are the right ones', async () => {
  const [atSource, atTarget] = await Promise.all([connect(scenario.source.url()), connect(scenario.target.url())]);
  const change = (admin: PgConnection, password: string) => admin.query(`alter role guarded password '${password}'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'guarded'`);
  for (const admin of [atSource, atTarget]) await admin.query(`create role guarded superuser login password 'first'`);
  const as = (url: string): string => url.replace('postgres@', 'guarded:first@');
  scenario.configure(faultYaml(as(scenario.sourceUrl), as(scenario.targetUrl)));
  await faults.up();
  await change(atTarget, 'second');
  await faults.write(3);
  await retries(/\[AUTH_FAILED\]/);
  await change(atSource, 'second');
  await until(() => source()?.state === 'retrying' && /\[AUTH_FAILED\]/.test(source()?.reason ?? ''));
  for (const admin of [atSource, atTarget]) await change(admin, 'first');
  await faults.write(3);
  await until(() => source()?.state === 'streaming' && replica()?.state === 'streaming');
  await faults.equal();
  for (const admin of [atSource, atTarget]) await admin.close();
});
