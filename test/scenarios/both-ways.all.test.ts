// Databases that are replicated into each other: what was written at one of them comes to the others once, and never back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

const source = (name: string, url: string): string => `  ${name}:\n    postgres: ${url}\n    tables: [public.*]\n`;
const replica = (from: string, name: string, url: string): string => `  ${name}:\n    from: ${from}\n    postgres: ${url}\n    existing: keep\n`;

const items = 'create table items (id int primary key, v text, n int default 0, big text); alter table items alter big set storage external';

async function rowsOf(db: PgConnection): Promise<string> {
  return (await db.rows<{ r: string }>("select coalesce(string_agg(i::text, ',' order by id), '') as r from items i"))[0]?.r ?? '';
}

const replicaRows = (name: string): number => scenario.status().replicas[name]?.rows ?? 0;

test('two databases into each other: rows of both sides, large transactions, emptied tables, a restart; nothing comes back', async () => {
  const { sourceUrl: a, targetUrl: b } = (await scenario.fresh(), scenario);
  scenario.configure(`millrace: 1\nsources:\n${source('a', a)}${source('b', b)}replicas:\n${replica('a', 'ab', b)}${replica('b', 'ba', a)}`);
  const { db, copy } = scenario;
  await db.query(`${items}; insert into items select i, 'first', 0, repeat('x', 3000) from generate_series(1, 200) i`);
  await copy.query(items);
  const running = await scenario.up();
  await running.caughtUp();
  await until(async () => (await rowsOf(copy)) === (await rowsOf(db)));
  assert.equal(replicaRows('ba'), 0, 'the first load came back');

  const equal = (): Promise<void> => until(async () => (await rowsOf(copy)) === (await rowsOf(db)), 30_000);
  for (let i = 0; i < 40; i++) {
    await db.query(`insert into items values (${1000 + 2 * i}, 'a'); update items set n = n + 1 where id = ${1 + 2 * i}`);
    await copy.query(`insert into items values (${1001 + 2 * i}, 'b'); update items set n = n + 1, v = 'b' where id = ${2 + 2 * i}`);
  }
  await copy.query('delete from items where id between 150 and 160');
  await db.query('update items set id = -id where id between 170 and 175');
  await equal();
  // Streamed while it is in progress, and applied in pieces.
  await db.query("insert into items select i, 'large', 0, repeat('y', 4000) from generate_series(10000, 24000) i");
  await copy.query("insert into items select i, 'large', 0, repeat('z', 4000) from generate_series(30000, 30100) i");
  await equal();
  await running.caughtUp();
  assert.deepEqual([replicaRows('ab'), replicaRows('ba')], [200 + 80 + 6 + 14_001, 80 + 11 + 101]);
  await copy.query('truncate items');
  await until(async () => (await rowsOf(db)) === '');
  await db.query("insert into items values (1, 'after')");
  await equal();
  await scenario.stop();

  // What one has written while nothing ran meets the other's log.
  await db.query("insert into items values (2, 'a')");
  await copy.query("insert into items values (3, 'b')");
  const again = await scenario.up();
  await again.caughtUp();
  await equal();
  assert.deepEqual([replicaRows('ab'), replicaRows('ba')], [1, 1]);
  assert.equal(await rowsOf(db), '(1,after,0,),(2,a,0,),(3,b,0,)');
});

test('a ring of three: each change goes round once; what comes by way of the second is told from what the second has made', async () => {
  const { sourceUrl: a, targetUrl: b } = (await scenario.fresh(), scenario);
  const admin = await connect(scenario.target.url());
  await admin.query('create database third');
  await admin.close();
  const c = scenario.target.url('third');
  scenario.configure(`millrace: 1\nsources:\n${source('first', a)}${source('second', b)}${source('third', c)}replicas:\n${replica('first', 'ab', b)}${replica('second', 'bc', c)}${replica('third', 'ca', a)}`);
  const third = await connect(c);
  const all = [scenario.db, scenario.copy, third];
  for (const db of all) await db.query(items);
  const running = await scenario.up();
  await running.caughtUp();
  for (let i = 0; i < 30; i++) for (const [n, db] of all.entries()) await db.query(`insert into items values (${3 * i + n}, 'from ${n}')`);
  const equal = async (): Promise<boolean> => new Set(await Promise.all(all.map(rowsOf))).size === 1;
  await until(async () => (await equal()) && (await rowsOf(third)).split('),').length === 90, 30_000);
  await scenario.caughtUp();
  assert.deepEqual(['ab', 'bc', 'ca'].map(replicaRows), [60, 60, 60]);
  await third.close();
});
