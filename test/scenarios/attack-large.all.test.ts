// Transactions that are cut into open runs, applied at once and, where there is little memory, in pieces: with breaks in between, a TRUNCATE or
// a new column inside, restarts, rows that are refused, and verify beside them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadProject, verify } from '../../src/control/index.ts';
import { configuration, connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

const tables = `create table big (id int primary key, v text, filler text); alter table big alter filler set storage external;
  create table small (id int primary key, n int); insert into small select i, 0 from generate_series(1, 50) i`;
const rows = (from: number, to: number, v: string): string => `insert into big select i, '${v}', repeat('x', 900) from generate_series(${from}, ${to}) i`;

async function proveSame(): Promise<void> {
  for (const table of ['big', 'small']) {
    const { source, target } = await scenario.both(table, table, table === 'big' ? 'id, v, md5(filler), length(filler)' : '*');
    assert.equal(target.length, source.length, table);
    assert.deepEqual(target, source, table);
  }
}

for (const memory of ['1GB', '16MB']) {
  test(`a large transaction with a truncate, a new column and key changes inside, beside small ones, ${memory}`, async () => {
    await scenario.fresh(configuration(memory));
    await scenario.db.query(tables);
    const running = await scenario.up();
    await running.caughtUp();
    const other = await connect(scenario.sourceUrl);
    await scenario.db.query(`begin; ${rows(1, 6000, 'first')}; update small set n = n + 1 where id <= 10`);
    await other.query('update small set n = n + 1 where id > 10');
    await scenario.db.query(`truncate big; ${rows(1, 6000, 'second')}; update big set id = -id where id <= 2000; alter table big add column extra int default 7`);
    await scenario.db.query(`update big set id = -id, extra = 8 where id < -1000; ${rows(30001, 33000, 'third').replace('into big', 'into big (id, v, filler)')}; update big set v = 'touched' where id % 3 = 0; commit`);
    await other.close();
    await running.caughtUp();
    await proveSame();
    assert.equal((await scenario.copy.rows<{ n: string }>('select count(*)::text as n from big where extra = 7 and id > 30000'))[0]?.n, '3000');
    await scenario.stop();
  });

  test(`the connection breaks inside large transactions, the replica pauses in between, and it is verified at once, ${memory}`, async () => {
    await scenario.fresh(configuration(memory));
    await scenario.db.query(tables);
    const running = await scenario.up();
    await running.caughtUp();
    const seen = new Set<string>();
    let busy = true;
    const watch = (async () => {
      while (busy) seen.add((await scenario.copy.rows<{ n: string }>('select (count(*) % 6000)::text as n from big'))[0]?.n ?? '');
    })();
    const breaks = (async () => {
      const admin = await connect(scenario.source.url());
      for (let n = 0; busy; n++) {
        await new Promise((resolve) => setTimeout(resolve, 130 + (n % 5) * 60));
        await admin.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'millrace_shop'");
        if (n % 3 === 2) {
          await running.pause('warehouse');
          await running.resume('warehouse');
        }
      }
      await admin.close();
    })();
    for (let n = 0; n < 5; n++) await scenario.db.query(`begin; ${rows(n * 6000, n * 6000 + 5999, `t${n}`)}; update small set n = n + 1; commit`);
    await until(() => running.status().replicas['warehouse']?.state === 'streaming', 20_000);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    busy = false;
    await Promise.all([watch, breaks]);
    await running.caughtUp();
    assert.deepEqual([...seen], ['0'], 'a part of a transaction was visible');
    await proveSame();
  });
}

test('in pieces: a refused row costs one letter, unique values are swapped across pieces, and the rest of the commit is there', async () => {
  await scenario.fresh(configuration('16MB'));
  await scenario.db.query(`${tables}; create table slots (id int primary key, tag text unique deferrable)`);
  await scenario.copy.query('create table slots (id int primary key, tag text unique check (length(tag) < 20))');
  const running = await scenario.up();
  await running.caughtUp();
  await scenario.db.query(`begin; insert into slots select i, 'tag' || i from generate_series(1, 5000) i; ${rows(1, 6000, 'first')}; insert into slots values (9999, repeat('long', 9));
    update slots set tag = 'free' where id = 1; update slots set tag = 'tag1' where id = 2; update slots set tag = 'tag2' where id = 1; ${rows(6001, 9000, 'second')};
    delete from slots where id between 100 and 4000; commit`);
  await running.caughtUp();
  for (const table of ['big', '(select * from slots where id < 9999) s']) {
    const { source, target } = await scenario.both(table);
    assert.deepEqual(target, source, table);
  }
  assert.deepEqual(await scenario.copy.rows('select op, key::text as key, state from millrace.dead_letters'), [{ op: 'insert', key: '["9999"]', state: 'open' }]);
  await scenario.stop();
});

test('in pieces: a column gets another name and goes in the middle, and earlier rows find it at the target', async () => {
  await scenario.fresh(configuration('16MB'));
  await scenario.db.query(`create table t (id int primary key, a text, v text); insert into t values (0, 'a', 'v')`);
  const running = await scenario.up();
  await running.caughtUp();
  const some = (from: number, values: string): string => `insert into t select i, ${values} from generate_series(${from}, ${from + 1999}) i`;
  await scenario.db.query(`begin; ${some(1, `'first', repeat('v', 500)`)}; update t set a = 'again' where id = 0; alter table t rename a to b; ${some(3001, `'second', repeat('w', 500)`)}; alter table t drop b; ${some(6001, `repeat('x', 500)`)}; commit`);
  await running.caughtUp();
  const { source, target } = await scenario.both('t', 't', 'id, v');
  assert.deepEqual(target, source);
  assert.deepEqual(await scenario.copy.rows('select b, count(*)::text as n, min(id)::text as least from t group by b order by 3'),
    [{ b: 'again', n: '1', least: '0' }, { b: 'first', n: '2000', least: '1' }, { b: 'second', n: '2000', least: '3001' }, { b: null, n: '2000', least: '6001' }]);
  assert.deepEqual(running.status().replicas['warehouse']?.tables['public.t']?.events?.map(({ what }) => what), ['column a of public.t is called b now: alter table public.t rename column a to b']);
  await scenario.stop();
});

test('verify beside large and small transactions finds them equal, again and again', async () => {
  await scenario.fresh(configuration('64MB'));
  await scenario.db.query(tables);
  const { child, outcome } = scenario.millrace(['up']);
  await until(async () => (await scenario.copy.rows<{ there: string }>("select (to_regclass('public.small') is not null)::text as there"))[0]?.there === 'true');
  const other = await connect(scenario.sourceUrl);
  let busy = true;
  const small = (async () => {
    while (busy) await other.query('update small set n = n + 1 where id = 1 + (random() * 49)::int');
  })();
  const large = (async () => {
    for (let n = 0; busy; n++) await scenario.db.query(`begin; ${rows(n * 6000, n * 6000 + 5999, `t${n}`)}; delete from big where id < ${n * 6000 - 3000}; commit; select pg_sleep(0.2)`);
  })();
  try {
    const { project } = await loadProject(scenario.folder, { env: {} });
    for (let n = 0; n < 2; n++) {
      const report = await verify(project, [], new AbortController().signal);
      assert.equal(report.equal, true, JSON.stringify(report).slice(0, 500));
    }
    const both = await Promise.allSettled([verify(project, [], new AbortController().signal), verify(project, [], new AbortController().signal)]);
    for (const one of both) {
      if (one.status === 'fulfilled') assert.equal(one.value.equal, true, JSON.stringify(one.value).slice(0, 300));
      else assert.equal((one.reason as { code?: string }).code, 'VERIFY_IMPOSSIBLE', String(one.reason));
    }
  } finally {
    busy = false;
    await Promise.all([small, large]);
    await other.close();
    child.kill('SIGTERM');
  }
  assert.equal((await outcome).code, 0);
});
