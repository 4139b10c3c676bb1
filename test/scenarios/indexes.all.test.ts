// Indexes that rules ask for: after the rows at the first load, beside the stream for tables that are there, and what becomes of the replica when one cannot be made.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ReplicaTableStatus } from '../../src/control/status.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { expectEqualItems, fillItems, slowSnapshots, writeItems } from '../support/items.ts';
import { startBouncer } from '../support/pgbouncer.ts';
import { configuration, connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

/** A configuration with a rule for a table. */
const ruled = (rule: string, base = configuration()): string => base.replace('postgres: ${WAREHOUSE_URL}\n', `postgres: \${WAREHOUSE_URL}\n    tables:\n      shop.public.items: ${rule}\n`);

/** What was made at the target, in order: how many rows the table of an index had then, and whether its stream had begun. */
const watchTarget = `create table seen (n int generated always as identity, name text, rows bigint, sql text);
  create function see() returns event_trigger language plpgsql as $$ declare d record; n bigint; begin
    for d in select * from pg_event_trigger_ddl_commands() where object_type = 'index' and schema_name = 'public' loop
      select count(*) into n from public.items;
      insert into public.seen (name, rows, sql) values (d.object_identity, n, current_query());
    end loop; end $$;
  create event trigger see on ddl_command_end when tag in ('CREATE INDEX') execute function see()`;
interface Seen extends Record<string, string> {
  readonly name: string;
  readonly rows: string;
  readonly sql: string;
}
const seen = (): Promise<Seen[]> => scenario.copy.rows<Seen>("select name, rows::text, sql from seen where name not like '%items_pkey' order by n");

interface Index extends Record<string, string> {
  readonly name: string;
  readonly valid: string;
  readonly oid: string;
}
const indexes = (table = 'items'): Promise<Index[]> => scenario.copy.rows<Index>(
  `select c.relname as name, x.indisvalid::text as valid, c.oid::text as oid from pg_index x join pg_class c on c.oid = x.indexrelid where x.indrelid = to_regclass('${table}') and not x.indisprimary order by 1`);
const named = async (table?: string): Promise<string[]> => (await indexes(table)).map(({ name, valid }) => `${name.replace(/_[0-9a-f]{8}$/, '')} ${valid === 'true' ? 'valid' : 'invalid'}`);

const table = (): ReplicaTableStatus | undefined => scenario.status().replicas['warehouse']?.tables['public.items'];
const streaming = (): Promise<void> => until(() => scenario.status().replicas['warehouse']?.state === 'streaming');

/** A transaction at the target that CREATE INDEX CONCURRENTLY waits for, and a plain one too if it `writes`. */
async function holdTarget(): Promise<{ release(): Promise<void> }> {
  const reader = await connect(scenario.targetUrl);
  await reader.query('begin isolation level repeatable read; select count(*) from items');
  return { release: async () => (await reader.query('commit'), reader.close()) };
}

test('indexes are made when the chunks of a table are there, and before it is followed', async () => {
  await scenario.fresh(ruled("{ indexes: [n, 'lower(note), n desc', { on: 'n', where: 'n > 10', unique: false }] }", slowSnapshots));
  await scenario.copy.query(watchTarget);
  await scenario.db.query(fillItems('int8', 9000, 700));
  const writing = writeItems(scenario, 'int8');
  const running = await scenario.up();
  let streamedBefore = false;
  const states = setInterval(() => {
    const { state, tables } = running.status().replicas['warehouse'] ?? {};
    if (state === 'streaming' && (tables?.['public.items']?.indexes.length ?? 0) > 0) streamedBefore = true;
  }, 1);
  await streaming();
  clearInterval(states);
  assert.deepEqual(await named(), ['items_lower_n_idx valid', 'items_n_idx valid', 'items_n_idx valid']);
  await writing.stop();
  await scenario.caughtUp();
  assert.ok(!streamedBefore);
  const made = await seen();
  assert.equal(made.length, 3);
  assert.equal(new Set(made.map(({ rows }) => rows)).size, 1, 'rows came between the indexes');
  assert.ok(made.every(({ rows, sql }) => Number(rows) > 8000 && !/concurrently/.test(sql)), JSON.stringify(made));
  assert.ok((await scenario.copy.rows('select from millrace.chunks')).length > 1);
  await expectEqualItems(scenario);

  const before = await indexes();
  await scenario.running.resync('warehouse', ['public.items']);
  await until(() => scenario.status().replicas['warehouse']?.state !== 'streaming');
  await scenario.caughtUp();
  assert.deepEqual(await indexes(), before);
  await expectEqualItems(scenario);
});

for (const point of ['index.before-create', 'index.after-create'] as const) {
  test(`a process that is killed at ${point} goes on with the indexes before the stream`, async () => {
    await scenario.fresh(ruled('{ indexes: [n, note] }'));
    await scenario.copy.query(watchTarget);
    await scenario.db.query(fillItems('int8', 1200, 100));
    await scenario.millrace(['up'], { MILLRACE_CRASH_AT: point }).outcome;
    assert.deepEqual(await named(), point === 'index.before-create' ? [] : ['items_n_idx valid']);
    assert.equal((await scenario.copy.rows<{ n: string }>("select count(*)::text as n from items join millrace.tables on state = 'done'"))[0]?.n, '1200');
    await scenario.db.query('insert into items select 100000 + i, i from generate_series(1, 50) i');
    const second = await scenario.millrace(['up', '--until', 'caught-up']).outcome;
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual(await named(), ['items_n_idx valid', 'items_note_idx valid']);
    assert.deepEqual((await seen()).map(({ rows }) => rows), ['1200', '1200'], 'the stream came first');
    await expectEqualItems(scenario);
  });
}

test('an index that a rule asks for later is made while rows go on, also after a kill in the middle of it', async () => {
  await scenario.fresh();
  await scenario.db.query(fillItems('int8', 3000, 100));
  await scenario.caughtUp();
  await scenario.db.query('update items set n = n + 1 where id < 100');
  await scenario.caughtUp();
  await scenario.stop();
  scenario.configure(ruled('{ indexes: [note] }'));
  const plan = await scenario.millrace(['plan', '--sql']).outcome;
  assert.match(plan.stdout, /create index concurrently if not exists items_note_idx_\w{8} on public\.items \(note\);/);
  let holder = await holdTarget();
  const child = scenario.millrace(['up']);
  const waits = "select pid::text from pg_stat_activity where query like 'create index concurrently%' and wait_event_type = 'Lock'";
  await until(async () => (await scenario.copy.rows(waits)).length === 1);
  child.child.kill('SIGKILL');
  await child.outcome;
  await scenario.copy.query('select pg_terminate_backend(pid) from pg_stat_progress_create_index');
  await until(async () => (await scenario.copy.rows('select from pg_stat_progress_create_index')).length === 0);
  await holder.release();
  assert.deepEqual(await named(), ['items_note_idx invalid']);

  holder = await holdTarget();
  const writing = writeItems(scenario, 'int8');
  await scenario.up();
  await until(() => table()?.indexes[0]?.state === 'making');
  await streaming();
  await scenario.db.query("insert into items values (-1, 0, 'beside')");
  await until(async () => (await scenario.copy.rows('select from items where id = -1')).length === 1);
  assert.notEqual((await named())[0], 'items_note_idx valid');
  await holder.release();
  await until(() => table()?.indexes.length === 0);
  assert.deepEqual(await named(), ['items_note_idx valid']);
  assert.match(table()?.events.at(-1)?.what ?? '', /^the index items_note_idx_\w{8} is there: create index concurrently/);
  await writing.stop();
  await scenario.caughtUp();
  await expectEqualItems(scenario);

  // What a rule does not ask for any more is left, and what it asks for otherwise is another index.
  await scenario.stop();
  scenario.configure(ruled('{ indexes: [note desc] }'));
  await scenario.caughtUp();
  assert.deepEqual(await named(), ['items_note_idx valid', 'items_note_idx valid']);
  assert.equal((await scenario.millrace(['plan', '--sql']).outcome).stdout, '');
});

test('up --no-ddl goes on without an index, says that it is pending, and sees when it is there', async () => {
  await scenario.fresh(ruled('{ indexes: [n] }'));
  await scenario.db.query(fillItems('int8', 1500, 100));
  const { stdout } = await scenario.millrace(['plan', '--sql']).outcome;
  const create = /create index [^;]+items[^;]+/.exec(stdout)?.[0] ?? assert.fail(stdout);
  await scenario.copy.query(stdout.slice(stdout.indexOf('-- replica')).replace(create, 'select 1'));
  await scenario.up({ ddl: false });
  await scenario.running.caughtUp();
  await until(() => table()?.indexes[0]?.state === 'pending');
  assert.equal(table()?.state, 'streaming');
  assert.match(table()?.reason ?? '', /^the index items_n_idx_\w{8} is pending: --no-ddl/);
  assert.match(table()?.next ?? '', /^create index concurrently if not exists items_n_idx_\w{8} on public\.items \(n\)$/);
  assert.deepEqual(await named(), []);
  await expectEqualItems(scenario);
  await scenario.copy.query(table()?.next ?? '');
  await until(() => table() === undefined);
});

test('a unique index that rows forbid is left out with the reason, and made when they differ', async () => {
  await scenario.fresh(ruled('{ indexes: [{ on: n, unique: true }, note] }'));
  await scenario.db.query(`${fillItems('int8', 1200, 100)}; update items set n = 7 where id = 80`);
  await scenario.caughtUp();
  assert.deepEqual(await named(), ['items_note_idx valid']);
  const { state, reason, next, events } = table() ?? assert.fail();
  assert.equal(state, 'streaming');
  assert.match(reason ?? '', /^the index items_n_idx_\w{8} could not be made: could not create unique index .* \(Key \(n\)=\(7\) is duplicated\.\) \[INDEX_REFUSED\]$/);
  assert.match(next ?? '', /let these rows differ at the source, or take `unique` away/);
  assert.ok(events.some(({ what }) => what === reason));
  await scenario.db.query('update items set n = 8 where id = 80');
  await scenario.caughtUp();
  await expectEqualItems(scenario);
  await scenario.stop();
  await scenario.caughtUp();
  assert.deepEqual(await named(), ['items_n_idx valid', 'items_note_idx valid']);
  // Two rows swap a unique value: the sink knows of the index.
  await scenario.db.query('begin; update items set n = -1 where id = 10; update items set n = 1 where id = 80; update items set n = 8 where id = 10; commit');
  await scenario.caughtUp();
  await expectEqualItems(scenario);
  assert.equal(scenario.status().replicas['warehouse']?.deadLetters, 0);
});

test('of a table that joins the stream later, indexes come first, and the other tables go on', async () => {
  await scenario.fresh(ruled('{ indexes: [n] }').replace('shop.public.items:', 'shop.public.*:'));
  await scenario.db.query('create table other (id int primary key, n int); insert into other values (1, 1)');
  await scenario.caughtUp();
  await scenario.copy.query(watchTarget);
  await scenario.db.query(fillItems('int8', 2000, 100));
  await until(async () => (await named().catch(() => [])).length === 1, 30_000);
  await scenario.db.query('insert into other values (2, 2); update items set n = -n');
  await scenario.caughtUp();
  assert.deepEqual((await seen()).map(({ rows }) => rows), ['2000']);
  assert.deepEqual(await named('other'), ['other_n_idx valid']);
  await expectEqualItems(scenario);
});

test('through PgBouncer, at the first load and later', async () => {
  const bouncer = await startBouncer(scenario.target.port, 4);
  try {
    await scenario.fresh(ruled('{ indexes: [n] }'));
    const through = (): void => writeFileSync(join(scenario.folder, '.env'), `SHOP_URL=${scenario.sourceUrl}\nWAREHOUSE_URL=${bouncer.through(scenario.targetUrl)}\n`);
    through();
    await scenario.db.query(fillItems('int8', 1200, 100));
    await scenario.caughtUp();
    assert.deepEqual(await named(), ['items_n_idx valid']);
    await scenario.stop();
    scenario.configure(ruled('{ indexes: [n, note] }'));
    through();
    await scenario.caughtUp();
    assert.deepEqual(await named(), ['items_n_idx valid', 'items_note_idx valid']);
    await expectEqualItems(scenario);
  } finally {
    await scenario.stop();
    await bouncer.stop();
  }
});

test('a table that two sources fill, by several sessions, gets the indexes of both rules', async () => {
  await scenario.fresh();
  const other = 'south_of_items';
  await scenario.db.query(`create database ${other}`);
  const southUrl = scenario.source.url(other);
  const south = await connect(southUrl);
  const make = (from: number): string => `create table items (id int primary key, n int, note text); insert into items select i * 2 + ${from}, i * 2 + ${from}, 'x' from generate_series(1, 2000) i`;
  const yaml = (extra: string): string => `millrace: 1
sources:
  north: { postgres: "\${SHOP_URL}" }
  south: { postgres: "${southUrl}" }
replicas:
  warehouse:
    from: [north, south]
    postgres: \${WAREHOUSE_URL}
    transactions: split
    parallel: 2
    tables:
      north.public.items: { indexes: [note${extra}] }
      south.public.items: { indexes: [note, lower(note)] }
`;
  try {
    scenario.configure(yaml(''));
    await Promise.all([scenario.db.query(make(0)), south.query(make(1))]);
    await scenario.caughtUp();
    assert.deepEqual(await named(), ['items_lower_idx valid', 'items_note_idx valid']);
    await scenario.db.query("update items set note = 'y'");
    await scenario.caughtUp();
    await scenario.stop();
    scenario.configure(yaml(', { on: n, unique: true }'));
    await scenario.up();
    // Unique values go from row to row while the index is made and after it is there.
    const rotate = (): Promise<unknown> => Promise.all([scenario.db, south].map((db, i) => db.query(`update items set n = case when n >= 4000 then ${2 + i} else n + 2 end`)));
    for (let i = 0; i < 15; i++) await rotate();
    await scenario.caughtUp();
    assert.deepEqual(await named(), ['items_lower_idx valid', 'items_n_idx valid', 'items_note_idx valid']);
    await rotate();
    await scenario.caughtUp();
    const read = (db: PgConnection): Promise<{ r: string }[]> => db.rows<{ r: string }>('select t::text as r from items t');
    const expected = [...(await read(scenario.db)), ...(await read(south))].map(({ r }) => r).toSorted();
    assert.deepEqual((await read(scenario.copy)).map(({ r }) => r).toSorted(), expected);
    assert.equal(scenario.status().replicas['warehouse']?.deadLetters, 0);
  } finally {
    await south.close();
    await scenario.stop();
    await scenario.dropSlots();
  }
});
