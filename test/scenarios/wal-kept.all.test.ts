// limits.walKept with the target away: the log becomes the copy that counts, the source's WAL is let go of, and nothing is lost by a killed
// process. Only the folder itself must not be lost then, and if it is, nobody goes on as if nothing were missing.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { findRunning, type ProjectStatus } from '../../src/control/index.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());
beforeEach(async () => {
  await scenario.fresh(`millrace: 1
sources:
  shop: { postgres: "\${SHOP_URL}", tables: [public.*] }
replicas:
  warehouse: { from: shop, postgres: "\${WAREHOUSE_URL}" }
limits: { walKept: 1MB, memory: 4MB }
`);
  await scenario.db.query('create table t (id int primary key, v text)');
});

const note = /changes that exist nowhere else/;

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

const statusNow = async (): Promise<ProjectStatus | undefined> => findRunning(scenario.folder)?.status().catch(() => undefined);

const lsn = async (): Promise<string> => (await scenario.db.rows<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn'))[0]?.lsn ?? '';

/** A megabyte and a half of WAL, until the source has let go of it: its slot would begin behind the inserts, and sends nothing of all this again. */
async function trafficAndRelease(from: number): Promise<void> {
  await scenario.db.query(`insert into t select i, repeat(md5(i::text), 30) from generate_series(${from}, ${from + 1499}) i`);
  const inserted = await lsn();
  await scenario.db.query('checkpoint'); // a slot can only begin at a place that a checkpoint has described
  await scenario.db.query(`update t set v = 'again' where id % 10 = 0`);
  const end = await lsn();
  await until(async () => {
    const [slot] = await scenario.db.rows<{ yes: string }>(
      `select (restart_lsn >= $1::pg_lsn and confirmed_flush_lsn >= $2::pg_lsn)::text as yes from pg_replication_slots where slot_name = 'millrace_shop'`, [inserted, end]);
    return slot?.yes === 'true';
  });
}

/** The state in which the folder is the only copy, made by a process a start; nothing runs, and the target is there again. */
async function onlyCopy(starts = [1]): Promise<void> {
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.target.stop();
  for (const from of starts) {
    const { child } = scenario.millrace(['up']);
    await until(async () => (await statusNow())?.sources['shop']?.state === 'streaming');
    await trafficAndRelease(from);
    assert.match((await statusNow())?.sources['shop']?.reason ?? '', note);
    await killed(child);
  }
  await scenario.target.start();
  await scenario.reconnect();
}

test('the source lets go of its WAL, the process is killed, and the replica gets everything from the log', async () => {
  await onlyCopy([1, 5001]);
  const stopped = JSON.parse((await scenario.millrace(['status', '--json']).outcome).stdout) as ProjectStatus;
  assert.match(stopped.sources['shop']?.reason ?? '', note);
  const running = await scenario.up();
  await running.caughtUp();
  const { source, target } = await scenario.both('t');
  assert.equal(source.length, 3000);
  assert.deepEqual(target, source);
  await until(() => !note.test(running.status().sources['shop']?.reason ?? ''));
  assert.equal((await scenario.verify()).equal, true);
});

test('the folder is lost in that state: a gap, said aloud, until the tables are read again', async () => {
  await onlyCopy();
  rmSync(join(scenario.folder, '.millrace'), { recursive: true });
  const running = await scenario.up();
  await assert.rejects(running.caughtUp(), { code: 'POSITION_GAP' });
  await scenario.db.query("insert into t values (10001, 'late')");
  assert.equal(running.status().replicas['warehouse']?.state, 'failed');
  assert.match(running.status().replicas['warehouse']?.next ?? '', /millrace resync warehouse/);
  assert.deepEqual((await scenario.both('t')).target, []);
  await running.resync('warehouse', []);
  await running.caughtUp();
  assert.equal((await scenario.verify()).equal, true);
});
