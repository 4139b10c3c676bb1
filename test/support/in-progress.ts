// Transactions that the source sends while they are in progress, in the ways in which they may end. The source has little memory for decoding,
// so that everything large is sent so, and the project little memory, so that it goes through files.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Running } from '../../src/control/index.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import type { PgVersion } from '../../src/cli/demo/cluster.ts';
import { configuration, connect, Scenario, until } from './scenario.ts';

const tables = `create table big (id int primary key, v text, filler text); alter table big alter filler set storage external;
  create table small (id int primary key, n int); insert into small select i, 0 from generate_series(1, 50) i`;

export const rows = (from: number, to: number, v: string): string => `insert into big (id, v, filler) select i, '${v}', repeat('x', 900) from generate_series(${from}, ${to}) i`;

export const startScenario = (version: PgVersion): Promise<Scenario> =>
  Scenario.start({ source: { version, settings: { logical_decoding_work_mem: '64kB', max_prepared_transactions: '10' } }, target: { version } });

export async function prepare(scenario: Scenario): Promise<void> {
  await scenario.fresh(configuration('8MB'));
  await scenario.db.query(tables);
}

export async function proveSame(scenario: Scenario, what: string, of: readonly string[] = ['big', 'small']): Promise<void> {
  for (const table of of) {
    const { source, target } = await scenario.both(table, table, table === 'big' ? 'id, v, md5(filler), length(filler)' : '*');
    assert.equal(target.length, source.length, `${what}: rows of ${table}`);
    assert.deepEqual(target, source, `${what}: ${table}`);
  }
}

export const spilledBytes = (running: Running): number => Number(/^millrace_source_spilled_bytes\{.*\} (\d+)$/m.exec(running.metrics())?.[1] ?? 0);

const count = async (db: PgConnection, where: string): Promise<number> => Number((await db.rows<{ n: string }>(`select count(*)::text as n from big where ${where}`))[0]?.n);

async function andForgets(scenario: Scenario, running: Running): Promise<void> {
  await until(() => spilledBytes(running) === 0);
  const folder = join(scenario.folder, '.millrace', 'spill', 'shop');
  assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], []);
}

export const cases: Readonly<Record<string, (scenario: Scenario) => Promise<void>>> = {
  'large transactions between small ones, with savepoints and a rollback': async (scenario) => {
    await prepare(scenario);
    const running = await scenario.up();
    await running.caughtUp();
    const [other, third] = [await connect(scenario.sourceUrl), await connect(scenario.sourceUrl)];
    await scenario.db.query(`begin; ${rows(1, 3000, 'first')}; savepoint a`);
    await other.query('update small set n = n + 1 where id <= 10');
    await scenario.db.query(`${rows(10_001, 11_000, 'cut')}; savepoint b; ${rows(11_001, 12_000, 'cut')}; release b; savepoint c; delete from big where id < 1000`);
    await third.query(`begin; ${rows(20_000, 23_000, 'rolled back')}`);
    await scenario.db.query(`rollback to a; ${rows(5001, 6000, 'kept')}; savepoint d; update small set n = 100 where id = 50; update big set v = 'touched' where id <= 500; release d`);
    await other.query('update small set n = n + 1 where id between 11 and 20');
    await until(() => spilledBytes(running) > 4_000_000);
    await running.caughtUp();
    assert.equal(await count(scenario.copy, 'true'), 0, 'something is visible before the commit');
    assert.deepEqual(await scenario.copy.rows('select n::text as n, count(*)::text as rows from small group by 1 order by 1'), [{ n: '0', rows: '30' }, { n: '1', rows: '20' }]);
    await third.query('rollback');
    await scenario.db.query(`update big set id = -id where id <= 200; commit`);
    await running.caughtUp();
    await proveSame(scenario, 'after');
    assert.equal(await count(scenario.copy, "v = 'kept' or id < 0"), 1200);
    await andForgets(scenario, running);
    await Promise.all([other.close(), third.close()]);
  },

  'tables made and changed inside, also in parts that roll back': async (scenario) => {
    await prepare(scenario);
    const running = await scenario.up();
    await running.caughtUp();
    const other = await connect(scenario.sourceUrl);
    await scenario.db.query(`begin; create table made (id int primary key, t text); insert into made select i, repeat('m', 500) from generate_series(1, 2000) i; ${rows(1, 1000, 'first')};
      savepoint a; alter table big add column nope int default 5; insert into big select i, 'cut', 'x', 6 from generate_series(2001, 5000) i; rollback to a; ${rows(2001, 3000, 'again')};
      savepoint b; alter table big add column extra int default 7; update big set extra = 8 where id <= 100; release b`);
    await other.query('update small set n = n + 1');
    await scenario.db.query(`${rows(5001, 6000, 'late')}; commit; update big set v = 'after' where id = 1; insert into big values (9999, 'after', 'y', 9)`);
    await running.caughtUp();
    await proveSame(scenario, 'same shape');
    assert.deepEqual((await scenario.both('big', 'big', 'id, extra')).target, (await scenario.both('big', 'big', 'id, extra')).source);
    await scenario.stop();
    await scenario.caughtUp();
    await proveSame(scenario, 'the new table', ['made', 'big', 'small']);
    await other.close();
  },

  'prepared transactions, committed and rolled back': async (scenario) => {
    await prepare(scenario);
    const running = await scenario.up();
    await running.caughtUp();
    await scenario.db.query(`begin; ${rows(1, 2000, 'one')}; prepare transaction 'one'`);
    await scenario.db.query(`begin; ${rows(3001, 5000, 'two')}; prepare transaction 'two'; update small set n = 1`);
    await until(() => spilledBytes(running) > 3_000_000);
    await running.caughtUp();
    await proveSame(scenario, 'prepared', ['small']);
    assert.equal(await count(scenario.copy, 'true'), 0);
    await scenario.stop();
    const again = await scenario.up();
    for (const sql of ["rollback prepared 'two'", "commit prepared 'one'", 'update small set n = 2']) await scenario.db.query(sql);
    await again.caughtUp();
    await proveSame(scenario, 'ended');
    assert.equal(await count(scenario.copy, 'true'), 2000);
    await andForgets(scenario, again);
  },

  'a disk that refuses is waited for': async (scenario) => {
    await prepare(scenario);
    const running = await scenario.up();
    await running.caughtUp();
    const folder = join(scenario.folder, '.millrace', 'spill');
    rmSync(folder, { recursive: true, force: true });
    writeFileSync(folder, '');
    await scenario.db.query(`begin; ${rows(1, 2000, 'first')}; update small set n = 5; commit; update small set n = 6`);
    await until(() => /LOG_DISK/.test(running.status().sources['shop']?.reason ?? ''));
    rmSync(folder);
    await running.caughtUp();
    await proveSame(scenario, 'after the refusal');
  },

  'a table is announced anew while a transaction that knows it otherwise is in progress': async (scenario) => {
    await prepare(scenario);
    await scenario.db.query('create table listed (id int primary key, x int, y int)');
    const running = await scenario.up();
    await running.caughtUp();
    const other = await connect(scenario.sourceUrl);
    await scenario.db.query(`begin; insert into listed values (1, 1, 1); ${rows(1, 2000, 'first')}`);
    await until(() => spilledBytes(running) > 1_000_000);
    await other.query('alter publication millrace_shop set table big, small, listed (id, y); insert into listed values (2, 2, 2)');
    await scenario.db.query('commit');
    await other.query('insert into listed values (3, 3, 3)');
    await running.caughtUp();
    await proveSame(scenario, 'rows', ['big']);
    // Whether the column that is no longer sent is empty there depends on whether the table has been read again by now.
    const { source, target } = await scenario.both('listed', 'listed', 'id, y');
    assert.deepEqual(target, source);
    await other.close();
  },
};
