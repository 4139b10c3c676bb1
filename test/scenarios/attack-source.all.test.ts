// A source that comes back as something else: restored from an older state, or with its slot gone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Running } from '../../src/control/index.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

/** With owners and modes, which the server insists on. */
const copyFolder = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);

const failure = (running: Running): string => [running.status().replicas['warehouse'], running.status().sources['shop']].map((one) => one?.reason ?? '').join('; ');

test('a source that was restored from an older state is refused, with and without .millrace/, and a resync mends it', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, v text); insert into t select i, \'old\' from generate_series(1, 100) i');
  await scenario.caughtUp();
  await scenario.stop();
  const backup = `${scenario.source.folder}.backup`;
  await scenario.db.close();
  await scenario.source.stop();
  copyFolder(scenario.source.folder, backup);
  await scenario.source.start();
  scenario.db = await connect(scenario.sourceUrl);
  await scenario.db.query('insert into t select i, \'lost\' from generate_series(1001, 1200) i');
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.db.close();
  await scenario.source.stop();
  rmSync(scenario.source.folder, { recursive: true });
  copyFolder(backup, scenario.source.folder);
  await scenario.source.start();
  scenario.db = await connect(scenario.sourceUrl);

  for (const emptied of [false, true]) {
    if (emptied) rmSync(join(scenario.folder, '.millrace'), { recursive: true });
    const running = await scenario.up();
    await until(() => running.status().replicas['warehouse']?.state === 'failed');
    assert.match(failure(running), /SOURCE_CHANGED/);
    await scenario.stop();
  }
  const running = await scenario.up();
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  await scenario.db.query('insert into t values (2001, \'new\')');
  await running.resync('warehouse', []);
  await running.caughtUp();
  const { source, target } = await scenario.both('t');
  assert.deepEqual(target, source);
  rmSync(backup, { recursive: true });
});

test('a slot that was dropped while the process ran is noticed, and a resync mends it', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, v text); insert into t select i, \'old\' from generate_series(1, 100) i');
  const running = await scenario.up();
  await running.caughtUp();
  await until(async () => {
    await scenario.db.query('select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null');
    await scenario.db.query('insert into t select max(id) + 1, \'between\' from t');
    return scenario.db.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where active_pid is null').then(async () => (await scenario.db.rows('select 1 as x from pg_replication_slots')).length === 0, () => false);
  });
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  assert.match(failure(running), /SLOT_LOST/);
  await running.resync('warehouse', []);
  await running.caughtUp();
  const { source, target } = await scenario.both('t');
  assert.deepEqual(target, source);
});

// PostgreSQL's own error: what commits while a new slot waits for older transactions is unknown to its decoding when a still older one goes on.
test('a slot that the server cannot decode: a new one mends it', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table t (id int primary key, v text); insert into t values (1, 'one')`);
  const connections = await Promise.all([1, 2, 3, 4].map(() => connect(scenario.sourceUrl)));
  const [first, second, writer, ticker] = connections as [PgConnection, PgConnection, PgConnection, PgConnection];
  const slotWaitsFor = ({ pid }: PgConnection): Promise<void> =>
    until(async () => (await scenario.db.rows(`select 1 as x from pg_stat_activity where backend_type = 'walsender' and ${pid} = any (pg_blocking_pids(pid))`)).length === 1);
  // Commits write out what a new slot waits to read; alone, the server takes seconds to do so.
  let over = false;
  const commits = (async () => {
    while (!over) await Promise.all([ticker.query(`select pg_logical_emit_message(true, 'test', '')`), new Promise((resolve) => setTimeout(resolve, 20))]);
  })();
  await first.query('begin; select pg_current_xact_id()');
  const starting = scenario.up();
  await slotWaitsFor(first);
  await second.query('begin; select pg_current_xact_id()');
  await scenario.db.query('truncate t');
  await first.query('commit');
  await slotWaitsFor(second);
  await writer.query(`begin; insert into t values (2, 'two')`);
  await second.query('commit');
  const running = await starting;
  await until(() => running.status().sources['shop']?.state !== 'starting');
  await writer.query('commit');
  await until(() => /could not map filen.*\[SERVER_ERROR\]/.test(failure(running)));
  assert.match(running.status().sources['shop']?.next ?? '', /select pg_drop_replication_slot\('millrace_shop'\), then `millrace resync`/);
  await until(() => running.status().replicas['warehouse']?.state === 'streaming');
  await until(() => scenario.db.query(`select pg_drop_replication_slot('millrace_shop')`).then(() => true, () => false));
  await until(() => running.status().replicas['warehouse']?.state === 'failed', 40_000);
  assert.match(failure(running), /SLOT_LOST/);
  await running.resync('warehouse', []);
  await scenario.db.query(`insert into t values (3, 'three')`);
  await running.caughtUp();
  assert.deepEqual((await scenario.both('t')).target, ['(2,two)', '(3,three)']);
  over = true;
  await commits;
  await Promise.all(connections.map((connection) => connection.close()));
});

test('a source restored to a point in time that has gone on past the old positions is told by its timeline', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, v text); insert into t select i, \'old\' from generate_series(1, 100) i');
  await scenario.caughtUp();
  await scenario.stop();
  const backup = `${scenario.source.folder}.backup`;
  await scenario.db.close();
  await scenario.source.stop();
  copyFolder(scenario.source.folder, backup);
  await scenario.source.start();
  scenario.db = await connect(scenario.sourceUrl);
  await scenario.db.query('insert into t select i, \'lost\' from generate_series(1001, 1200) i');
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.db.close();
  await scenario.source.stop();
  rmSync(scenario.source.folder, { recursive: true });
  copyFolder(backup, scenario.source.folder);
  rmSync(backup, { recursive: true });
  const data = join(scenario.source.folder, 'data');
  writeFileSync(join(data, 'recovery.signal'), '');
  execFileSync('chmod', ['666', join(data, 'recovery.signal')]);
  execFileSync('sh', ['-c', `echo "restore_command = 'false'" >> ${join(data, 'postgresql.conf')}`]);
  await scenario.source.start();
  scenario.db = await connect(scenario.sourceUrl);
  await until(async () => (await scenario.db.rows<{ r: string }>('select pg_is_in_recovery()::text as r'))[0]?.r === 'false');
  await scenario.db.query('insert into t select i, \'other history\' from generate_series(5001, 15000) i');
  for (const emptied of [false, true]) {
    if (emptied) rmSync(join(scenario.folder, '.millrace'), { recursive: true });
    const running = await scenario.up();
    await until(() => running.status().replicas['warehouse']?.state === 'failed');
    assert.match(failure(running), /SOURCE_CHANGED/);
    if (emptied) {
      await running.resync('warehouse', []);
      await running.caughtUp();
    }
    await scenario.stop();
  }
  const { source, target } = await scenario.both('t');
  assert.deepEqual(target, source);
  await scenario.up();
  await scenario.db.query('insert into t values (20000, \'on the new timeline\')');
  await scenario.caughtUp();
  assert.equal((await scenario.both('t')).target.length, source.length + 1);
});
