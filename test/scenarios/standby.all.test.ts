// Capture from a standby, also when it is promoted; and a primary whose standby takes its place, with the slot that followed it (17 and newer).
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Cluster } from '../../src/cli/demo/cluster.ts';
import { loadProject, type Running, verify } from '../../src/control/index.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';
import { startStandby } from '../support/standby.ts';

let scenario: Scenario;
const standbys: Cluster[] = [];
// A primary each: it is stopped or killed on the way, and its slots are its standby's.
beforeEach(async () => {
  scenario = await Scenario.start();
  await scenario.fresh();
});
afterEach(async () => {
  await scenario.stop();
  for (const standby of standbys.splice(0)) await standby.remove();
  await scenario.remove();
});

const at = (standby: Cluster): string => standby.url(new URL(scenario.sourceUrl).pathname.slice(1));
const useSource = (url: string): void => writeFileSync(join(scenario.folder, '.env'), `SHOP_URL=${url}\nWAREHOUSE_URL=${scenario.targetUrl}\n`);
const reason = (running: Running): string => `${running.status().sources['shop']?.reason ?? ''} ${running.status().sources['shop']?.next ?? ''} ${running.status().replicas['warehouse']?.reason ?? ''}`;

async function standbyOf(settings: Record<string, string> = {}): Promise<Cluster> {
  const standby = await startStandby(scenario.source, settings);
  standbys.push(standby);
  return standby;
}

/** Until the standby has replayed what the primary has now: up to a record that a commit flushes, for whole pages alone go without one, and end within a record. */
async function followed(standby: PgConnection): Promise<void> {
  const [now] = await scenario.db.rows<{ lsn: string }>("select pg_logical_emit_message(true, 'followed', '')::text as lsn");
  await until(async () => (await standby.rows<{ r: string }>('select (pg_last_wal_replay_lsn() >= $1::pg_lsn)::text as r', [now?.lsn ?? ''])).at(0)?.r === 'true');
}

const rows = async (): Promise<string[]> => (await scenario.copy.rows<{ r: string }>('select t::text as r from t order by id')).map(({ r }) => r);

test('a standby is the source: snapshot, stream, added table, verify; promoted, it goes on', async () => {
  await scenario.db.query(`create table t (id int primary key, v text); insert into t select i, 'v' from generate_series(1, 1000) i`);
  const standby = await standbyOf();
  const replica = await connect(at(standby));
  useSource(at(standby));
  let running = await scenario.up();
  await until(() => running.status().sources['shop']?.state === 'failed');
  const statement = /run on the primary: (create publication .*;)/.exec(reason(running))?.[1];
  assert.ok(statement, reason(running));
  await scenario.stop();
  await scenario.db.query(statement);
  // What the standby waits for: the primary logs it now and then, and at once when it is asked to.
  const ticking = setInterval(() => void scenario.db.query('select pg_log_standby_snapshot()').catch(() => undefined), 300);
  try {
    running = await scenario.up();
    await until(async () => running.status().replicas['warehouse']?.state === 'streaming' && (await rows()).length === 1000);
    await scenario.db.query(`insert into t values (1001, 'streamed'); update t set v = 'changed' where id = 1; delete from t where id = 2`);
    await followed(replica);
    await running.caughtUp();
    assert.deepEqual([(await rows()).length, (await rows())[0]], [1000, '(1,changed)']);
    const { stdout } = await scenario.millrace(['doctor']).outcome;
    assert.match(stdout, /the server is a standby/);
    assert.match(stdout, /✓ [^\n]*feedback/);
    assert.equal((await verify((await loadProject(scenario.folder, { env: {} })).project, [], new AbortController().signal)).equal, true);
  } finally {
    clearInterval(ticking);
  }
  await scenario.db.close();
  await scenario.source.stop();
  await replica.query('select pg_promote()');
  await replica.query(`insert into t values (1002, 'promoted')`);
  await until(async () => (await rows()).includes('(1002,promoted)'), 30_000);
  await replica.close();
});

const failover = (standby: Cluster) => async (): Promise<PgConnection> => {
  await scenario.db.close();
  await scenario.source.kill9();
  const promoted = await connect(at(standby));
  await promoted.query('select pg_promote()');
  return promoted;
};

test('a promoted standby has the slot that followed: nothing is lost, and nothing is read again', async () => {
  await scenario.db.query(`create table t (id int primary key, v text); insert into t select i, 'v' from generate_series(1, 100) i`);
  const standby = await standbyOf({ sync_replication_slots: 'on' });
  await scenario.caughtUp();
  const failovers = async (): Promise<string> => (await scenario.millrace(['doctor', '--all']).outcome).stdout.replaceAll(/\s+/g, ' ');
  assert.match(await failovers(), /may lack what a replica has already.*synchronized_standby_slots = 'standby'/);
  await scenario.db.query(`alter system set synchronized_standby_slots = 'standby'`);
  await scenario.db.query('select pg_reload_conf()');
  await until(async () => /is not sent yet/.test(await failovers()));
  const { running } = scenario;
  const watcher = await connect(at(standby));
  await until(async () => (await watcher.rows(`select 1 as x from pg_replication_slots where slot_name = 'millrace_shop' and synced and not temporary`)).length === 1, 40_000);
  await scenario.db.query(`insert into t select i, 'before' from generate_series(101, 200) i`);
  await running.caughtUp();
  const versions = async (): Promise<string> => (await scenario.copy.rows<{ v: string }>(`select string_agg(xmin::text, ',' order by id) as v from t where id <= 100`))[0]?.v ?? '';
  const untouched = await versions();
  // The old primary goes away with changes under way; its standby, which the URL leads to, is none that can be read from yet.
  await scenario.stop();
  useSource(at(standby));
  await scenario.db.query(`insert into t select i, 'unread' from generate_series(201, 300) i`);
  await followed(watcher);
  const again = await scenario.up();
  await until(() => /follows the primary's slot/.test(reason(again)));
  const promoted = await failover(standby)();
  await promoted.query(`insert into t values (301, 'after')`);
  await until(async () => (await rows()).length === 301, 30_000);
  assert.equal(await versions(), untouched);
  await scenario.stop();
  assert.equal((await scenario.verify()).equal, true);
  await watcher.close();
  await promoted.close();
});

test('a promoted standby without the slot is refused, and a resync mends it', async () => {
  await scenario.db.query(`create table t (id int primary key, v text); insert into t select i, 'v' from generate_series(1, 100) i`);
  const standby = await standbyOf();
  await scenario.caughtUp();
  await scenario.stop();
  const watcher = await connect(at(standby));
  await scenario.db.query(`insert into t values (101, 'nobody read it')`);
  await followed(watcher);
  useSource(at(standby));
  const promoted = await failover(standby)();
  const running = await scenario.up();
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  assert.match(reason(running), /SLOT_LOST/);
  await running.resync('warehouse', []);
  await running.caughtUp();
  assert.equal((await rows()).length, 101);
  await watcher.close();
  await promoted.close();
});

test('a promoted standby that stood still while the replica went on is refused', async () => {
  await scenario.db.query(`create table t (id int primary key, v text); insert into t values (1, 'v')`);
  const behind = await standbyOf();
  await scenario.caughtUp();
  const still = await connect(at(behind));
  await followed(still);
  await still.query(`alter system set primary_conninfo = ''`);
  await still.query('select pg_reload_conf()');
  await until(async () => (await still.rows('select 1 as x from pg_stat_wal_receiver')).length === 0);
  await scenario.db.query(`insert into t select i, 'lost' from generate_series(2, 500) i`);
  await scenario.caughtUp();
  await scenario.stop();
  useSource(at(behind));
  const other = await failover(behind)();
  const refused = await scenario.up();
  await until(() => refused.status().replicas['warehouse']?.state === 'failed');
  assert.match(reason(refused), /a standby was promoted that had not received everything.*SOURCE_CHANGED/);
  await still.close();
  await other.close();
});
