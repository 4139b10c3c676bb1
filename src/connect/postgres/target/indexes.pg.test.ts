// Indexes that rules ask for, against PostgreSQL: their names are those that it would choose, plans are complete, and making copes with what others do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MillraceError, silentLogger } from '../../../base/index.ts';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { indexName, loadGrammar, parseIndex } from '../../../expr/index.ts';
import type { TargetIndex, TargetTable } from '../../../flow/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { makeIndex, missingIndexes } from './indexes.ts';
import { planTarget, type TargetPlan } from './plan.ts';

let cluster: Cluster;
let db: PgConnection;
const connect = (): Promise<PgConnection> => PgConnection.connect(parsePgUrl(cluster.url()));

before(async () => {
  [cluster] = await Promise.all([startCluster(), loadGrammar()]);
  db = await connect();
});
after(async () => {
  await db.close();
  await cluster.remove();
});

const index = (table: string, on: string, rest: Partial<TargetIndex> = {}): TargetIndex => {
  const parsed = parseIndex({ on, unique: false, ...rest });
  return { name: indexName(table, parsed), ...parsed.text };
};
const wanted = (name: string, indexes: readonly TargetIndex[]): TargetTable => ({
  schema: 'public', name, key: [0], indexes,
  columns: ['id', 'email', 'status'].map((column) => ({ name: column, type: { oid: 25, schema: 'pg_catalog', name: 'text', kind: 'base', binary: true }, typmod: -1, typeText: 'text', notNull: column === 'id' })),
});
const make = async (table: TargetTable, written: boolean): Promise<void> => {
  const connection = await connect();
  try {
    for (const missing of await missingIndexes(connection, [table])) await makeIndex(connection, missing, written, silentLogger);
  } finally {
    await connection.close();
  }
};
const plan = async (tables: TargetTable[]): Promise<TargetPlan> => {
  const connection = await connect();
  try {
    return await planTarget(connection, tables);
  } finally {
    await connection.close();
  }
};
const validity = async (name: string): Promise<string | undefined> => (await db.rows<{ valid: string }>('select indisvalid::text as valid from pg_index where indexrelid = to_regclass($1)', [`public.${name}`]))[0]?.valid;

test('names are those that PostgreSQL chooses, with the hash behind them', async () => {
  await db.query('create table orders ("Id" int, customer_id int, email text, a text, b text, j jsonb, at timestamptz)');
  const definitions = [
    'customer_id', '"Id" desc', 'lower(email)', 'customer_id, at desc', 'customer_id, customer_id', "(j ->> 'x')", "(a || b), (b || a)", 'coalesce(a, b)', 'lower(a), lower(b)', '(a::varchar)', '(a collate "C")', 'greatest(a, b)',
    '((j -> 1)::text)', '(case when a > b then a else b end)', 'pg_catalog.upper(a)', '(orders.email)', '(a || b)',
  ];
  for (const on of definitions) {
    await db.query(`create index on orders (${on})`);
    const [row] = await db.rows<{ name: string }>("select relname as name from pg_class where relkind = 'i' order by oid desc limit 1");
    await db.query(`drop index "${row?.name}"`);
    assert.equal(index('orders', on).name.replace(/_[0-9a-f]{8}$/, ''), row?.name, on);
  }
});

test('a plan has the statements that make what is missing; what runs them finds nothing to do afterwards', async () => {
  const indexes = [index('items', 'email'), index('items', 'lower(status)', { where: "status <> 'done'" }), index('items', 'email, status', { unique: true })];
  const table = wanted('items', indexes);
  const first = await plan([table]);
  const [a, b, c] = indexes.map(({ name }) => name);
  assert.deepEqual(first.indexes.map(({ sql }) => sql), [
    `create index if not exists ${a} on public.items (email)`, `create index if not exists ${b} on public.items (lower(status)) where status <> 'done'`,
    `create unique index if not exists ${c} on public.items (email, status)`,
  ]);
  assert.match(first.indexes[0]?.why ?? '', /^public\.items has no index items_email_idx_\w{8}; it is made once the rows are there$/);
  assert.deepEqual(first.ddl.map(({ object }) => object), ['table public.items'], 'an index is made before there are rows');
  for (const { sql } of [...first.ddl, ...first.indexes.slice(1)]) await db.query(sql);
  await db.query(`create schema millrace; create table millrace.tables (target_table text, state text, source_oid bigint, rows bigint); insert into millrace.tables values ('public.items', 'done', 1, 1)`);
  const second = await plan([table]);
  assert.deepEqual(second.indexes.map(({ sql }) => sql), [`create index concurrently if not exists ${a} on public.items (email)`]);
  await make(table, true);
  assert.deepEqual((await plan([table])).indexes, []);
  assert.deepEqual(await missingIndexes(db, [table]), []);
});

test('one that was not finished is dropped and made again; one that others make is waited for', async () => {
  await db.query("create table t (id text primary key, email text, status text); insert into t select i, i / 2, 'x' from generate_series(1, 100) i");
  const unique = index('t', 'email', { unique: true });
  const table = wanted('t', [unique]);
  await assert.rejects(db.query(`create unique index concurrently ${unique.name} on t (email)`), /could not create unique index/);
  assert.equal(await validity(unique.name), 'false');
  assert.deepEqual((await plan([table])).indexes.map(({ sql }) => sql.split(' if ')[0]), ['drop index concurrently', 'create unique index']);
  await db.query('update t set email = id');
  await make(table, true);
  assert.equal(await validity(unique.name), 'true');

  // A writer holds up two that make the same one; both are content when it is there.
  const status = wanted('t', [index('t', 'status')]);
  const writer = await connect();
  await writer.query("begin; insert into t values ('w', 'w', 'w')");
  const both = Promise.all([make(status, true), make(status, true)]);
  while ((await db.rows("select 1 as x from pg_stat_activity where query like 'create index concurrently%' and wait_event_type = 'Lock'")).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await writer.query('commit');
  await both;
  assert.equal(await validity(status.indexes?.[0]?.name ?? ''), 'true');
  await writer.close();
});

test('what the server refuses is INDEX_REFUSED, and leaves nothing behind', async () => {
  await db.query("create table u (id text primary key, email text, status text); insert into u values ('1', 'same', 'x'), ('2', 'same', 'y')");
  const unique = index('u', 'email', { unique: true });
  for (const written of [true, false]) {
    const error: unknown = await make(wanted('u', [unique]), written).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof MillraceError && error.code === 'INDEX_REFUSED' && !error.retriable, String(error));
    assert.match(error.message, /could not create unique index/);
    assert.match(error.detail ?? '', /Key \(email\)=\(same\) is duplicated/);
    assert.match(error.hint, /take `unique` away/);
    assert.equal(await validity(unique.name), undefined, 'an invalid index would refuse rows');
  }
  await assert.rejects(make(wanted('u', [index('u', 'no_such_function(email)')]), true), /function no_such_function\(text\) does not exist/);
  await db.query('create role reader login; grant select, insert, update, delete, truncate on u to reader');
  const reader = await PgConnection.connect(parsePgUrl(cluster.url().replace('postgres@', 'reader@')));
  const planned = await planTarget(reader, [wanted('u', [index('u', 'status')])]);
  assert.deepEqual(planned.grants, []);
  assert.ok(planned.problems.some(({ level, message }) => level === 'warning' && /reader does not own public\.u/.test(message)), JSON.stringify(planned.problems));
  const [missing] = await missingIndexes(reader, [wanted('u', [index('u', 'status')])]);
  assert.ok(missing);
  await assert.rejects(makeIndex(reader, missing, true, silentLogger), (error) => error instanceof MillraceError && error.code === 'INDEX_REFUSED' && /let the owner of the table run it: create index/.test(error.hint));
  await reader.close();
});

test('a partitioned table gets its index without CONCURRENTLY', async () => {
  await db.query('create table parts (id text primary key, email text, status text) partition by hash (id); create table parts_0 partition of parts for values with (modulus 1, remainder 0)');
  const table = wanted('parts', [index('parts', 'email')]);
  assert.match((await missingIndexes(db, [table]))[0]?.sql ?? '', /^create index if not exists/);
  await make(table, true);
  assert.equal(await validity(table.indexes?.[0]?.name ?? ''), 'true');
});
