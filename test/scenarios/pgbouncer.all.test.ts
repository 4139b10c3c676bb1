// A target behind PgBouncer in transaction mode: every transaction may run in another session of the server, which other programs use in between.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { PgConnection } from '../../src/wire/index.ts';
import { type Bouncer, startBouncer } from '../support/pgbouncer.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let bouncer: Bouncer;
before(async () => {
  scenario = await Scenario.start();
  bouncer = await startBouncer(scenario.target.port, 3);
});
after(async () => {
  await scenario.remove();
  await bouncer.stop();
});

const bounced = (): string => bouncer.through(scenario.targetUrl);

async function begin(): Promise<void> {
  await scenario.fresh();
  writeFileSync(join(scenario.folder, '.env'), `SHOP_URL=${scenario.sourceUrl}\nWAREHOUSE_URL=${bounced()}\n`);
  await scenario.db.query(`create type mood as enum ('sad', 'glad');
    create table t (id int primary key, u int unique, m mood, at timestamptz, d date, f float8, i interval, big text); alter table t alter big set storage external;
    create table child (id int primary key, t int references t on delete cascade); create table bag (n int, v text); alter table bag replica identity full;
    insert into t select i, i, 'sad', now(), '2001-02-03', i / 7.0, '1 day 02:03', repeat('b', 3000) from generate_series(1, 3000) i; insert into child select i, i from generate_series(1, 50) i; insert into bag values (1, 'x'), (1, 'x')`);
}

async function equal(): Promise<void> {
  await scenario.caughtUp();
  for (const table of ['t', 'child', 'bag']) {
    const { source, target } = await scenario.both(table);
    assert.ok(target.join() === source.join(), `${table}: ${source.length} rows at the source, ${target.length} at the target`);
  }
}

/** Another program on the same sessions: they are as it expects them, always. */
async function neighbour(test: { over: boolean }): Promise<void> {
  let connection = await connect(bounced());
  const seen = new Set<string>();
  while (!test.over) {
    const sql = `select concat_ws(', ', current_setting('session_replication_role'), current_setting('search_path'), current_setting('enable_seqscan'), current_setting('lock_timeout'),
      (select count(*) from pg_class where oid::regclass::text like 'pg_temp.%' or pg_table_is_visible(oid) and relpersistence = 't')) as s`;
    const rows = await connection.rows<{ s: string }>(sql).catch(async () => {
      connection = await connect(bounced());
      return [];
    });
    for (const row of rows) seen.add(row.s);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await connection.close();
  assert.deepEqual([...seen], ['origin, "$user", public, on, 0, 0']);
}

test('rows arrive exactly once by all paths, sessions break, and other programs find the sessions as they left them', async () => {
  await begin();
  const other = { over: false };
  const watching = neighbour(other);
  await equal();
  const { db } = scenario;
  const admin: PgConnection = await connect(scenario.targetUrl);
  for (let round = 0; round < 4; round++) {
    await db.query(`insert into t select i + 10000 * ${round + 1}, i + 10000 * ${round + 1}, 'glad', now(), null, 1, '1 s', 'n' from generate_series(1, 2500) i; update t set m = 'glad', f = f + 1 where id % 2 = ${round % 2} and id < 3000;
      update t set id = id + 500000 where id between ${100 + round * 10} and ${104 + round * 10}; delete from t where id between ${200 + round * 10} and ${204 + round * 10}; insert into bag values (${round}, 'y'), (${round}, 'y'); delete from bag where n = ${round - 2}`);
    // Two rows that swap a unique value go another way, under a savepoint.
    const [one, two] = round % 2 === 0 ? [2002, 2001] : [2001, 2002];
    await db.query(`begin; update t set u = -1 where id = 2001; update t set u = ${two} where id = 2002; update t set u = ${one} where id = 2001; commit`);
    if (round % 2 === 1) await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid not in (pg_backend_pid(), ${scenario.copy.pid})`);
  }
  await equal();
  await db.query(`alter type mood add value 'calm'`);
  await db.query(`alter table t add column extra int default 3; update t set m = 'calm' where id < 10; alter table t rename column f to ff; truncate bag; insert into bag values (5, 'z')`);
  await equal();
  await scenario.running.resync('warehouse', ['public.t']);
  await db.query('update t set extra = 4 where id = 1');
  await equal();
  other.over = true;
  await watching;
  await admin.close();
  assert.equal((await scenario.verify()).equal, true);
  assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
});

test('bad rows become dead letters and can be replayed', async () => {
  await begin();
  await equal();
  await scenario.copy.query('alter table t add constraint small check (f < 1000)');
  await scenario.db.query(`insert into t (id, f) values (9001, 5000), (9002, 1); update t set f = 2 where id = 9002`);
  await until(async () => (await scenario.copy.rows('select 1 as x from millrace.dead_letters')).length === 1);
  await scenario.stop();
  await scenario.copy.query('alter table t drop constraint small');
  const listed = await scenario.millrace(['dead', 'list', '--json']).outcome;
  const [letter] = (JSON.parse(listed.stdout) as { id: string }[]);
  const replayed = await scenario.millrace(['dead', 'replay', String(letter?.id)]).outcome;
  assert.equal(replayed.code, 0, replayed.stderr);
  await equal();
});

test('before a source it is refused, with the mend', async () => {
  await scenario.fresh();
  const before = await startBouncer(scenario.source.port, 2);
  try {
    writeFileSync(join(scenario.folder, '.env'), `SHOP_URL=${before.through(scenario.sourceUrl)}\nWAREHOUSE_URL=${bounced()}\n`);
    await scenario.db.query('create table t (id int primary key)');
    const running = await scenario.up();
    await until(() => running.status().sources['shop']?.state === 'failed');
    assert.match(running.status().sources['shop']?.next ?? '', /name the server itself in the URL/);
    await scenario.stop();
    const { stdout } = await scenario.millrace(['doctor']).outcome;
    assert.match(stdout, /passes no replication on\n +name the server itself/);
    assert.match(stdout, /a connection pooler stands before the target/);
  } finally {
    await scenario.stop();
    await before.stop();
  }
});
