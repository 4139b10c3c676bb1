import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { parseTablePattern, type Relation, type TablePattern } from '../../../data/index.ts';
import type { TargetTable } from '../../../flow/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { readRelations } from '../catalog.ts';
import { readTargetTable } from './actual-table.ts';
import { applyTarget } from './apply.ts';
import { planTarget, type TargetPlan } from './plan.ts';

let cluster: Cluster;
let older: Cluster;
let source: PgConnection;
let databases = 0;

before(async () => {
  [cluster, older] = await Promise.all([startCluster(), startCluster({ version: 15 })]);
  source = await PgConnection.connect(parsePgUrl(cluster.url()));
});
after(async () => {
  await source.close();
  await Promise.all([cluster.remove(), older.remove()]);
});

async function emptyTarget(on: Cluster = cluster, user = 'postgres'): Promise<PgConnection> {
  const name = `target${++databases}`;
  const admin = await PgConnection.connect(parsePgUrl(on.url()));
  await admin.query(`create database ${name}`);
  await admin.close();
  return PgConnection.connect(parsePgUrl(on.url(name).replace('postgres@', `${user}@`)));
}

const wantedFrom = (relation: Relation): TargetTable => ({ schema: relation.schema, name: relation.name, columns: relation.columns, key: relation.key });
const wantedOf = async (patterns: string): Promise<TargetTable[]> => (await readRelations(source, [parseTablePattern(patterns) as TablePattern])).map(wantedFrom);
const errors = (plan: TargetPlan): string[] => plan.problems.filter((problem) => problem.level === 'error').map((problem) => problem.message);

test('every built-in type arrives with the same format_type, on 18 and on 15; the plan is empty afterwards', async () => {
  const types = await source.rows<{ text: string }>(
    `select format_type(t.oid, case t.typname when 'numeric' then (12 << 16 | 3) + 4 when 'varchar' then 24 when 'bpchar' then 9 when 'timestamptz' then 3
         when 'bit' then 5 when 'varbit' then 6 when 'time' then 0 when 'interval' then 2147418114 end) as text
     from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = 'pg_catalog' and t.typtype in ('b', 'r', 'm') and t.oid < 16384
       and t.typname not in ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary', 'gtsvector', '_gtsvector')
       and not (t.typtype = 'b' and t.typelem <> 0 and (select typtype from pg_type e where e.oid = t.typelem) in ('c', 'p')) order by t.oid`,
  );
  assert.ok(types.length > 130, String(types.length));
  await source.query(`create schema builtin; create table builtin.t (${types.map((type, i) => `c${i} ${type.text}`).join(', ')})`);
  const wanted = await wantedOf('builtin.*');
  for (const on of [cluster, older]) {
    const target = await emptyTarget(on);
    await applyTarget(target, await planTarget(target, wanted));
    const actual = await readTargetTable(target, { schema: 'builtin', name: 't' });
    assert.deepEqual(actual?.columns.map((column) => column.typeText), wanted[0]?.columns.map((column) => column.typeText));
    const again = await planTarget(target, wanted);
    assert.deepEqual([again.ddl, again.grants, again.problems], [[], [], []]);
    assert.ok(Object.values(again.existing[0]?.fits ?? {}).every((fit) => fit === 'same'));
    await target.close();
  }
});

test('enums, domains, composites, ranges and arrays of them are made in the order of their dependencies', async () => {
  await source.query(`
    create schema shop; create schema "Odd ""types";
    create type shop.status as enum ('new', 'it''s', 'back\\slash');
    create domain shop.cents as numeric(12,2) check (value >= 0);
    create domain shop.many as shop.cents[];
    create type "Odd ""types"."select" as (status shop.status, "Total" shop.cents, history shop.status[], t timestamp(3));
    create domain shop.wrapped as "Odd ""types"."select";
    create type shop.nest as (inner_ shop.wrapped, list "Odd ""types"."select"[]);
    create type shop.span as range (subtype = int8, multirange_type_name = shop.spans);
    create table shop.orders (id bigint generated always as identity primary key, "user" text not null, status shop.status, s2 shop.status[],
      amount shop.cents, many shop.many, nest shop.nest, nests shop.nest[], span shop.span, spans shop.spans, doubled int generated always as (1 + 1) stored);
    create table shop.lines ("order" bigint references shop.orders, no int, owner shop.orders, primary key (no, "order"))`);
  const wanted = await wantedOf('shop.*');
  for (const on of [cluster, older]) {
    const target = await emptyTarget(on);
    const plan = await planTarget(target, wanted);
    assert.deepEqual(plan.problems, []);
    await applyTarget(target, plan);
    for (const table of wanted) {
      const actual = await readTargetTable(target, table);
      assert.deepEqual(actual?.columns.map((c) => [c.name, c.typeText, c.notNull, c.identity, c.generated]),
        table.columns.map((c) => [c.name, c.typeText, c.notNull, 'no', 'no']));
      assert.deepEqual(actual?.primaryKey?.columns, table.key.map((i) => table.columns[i]?.name));
      assert.equal(actual?.foreignKeys, false);
    }
    const again = await planTarget(target, wanted);
    assert.deepEqual([again.ddl, again.problems], [[], []]);
    await target.close();
  }
});

test('the plan is printed for review, in the same words each time', async () => {
  await source.query(`create schema print; create type print.mood as enum ('sad', 'ok');
    create table print.people (id int primary key, name varchar(20) not null, "order" print.mood)`);
  const wanted = await wantedOf('print.*');
  const target = await emptyTarget();
  const text = script(await planTarget(target, wanted));
  assert.equal(text, `-- schema print is not there
create schema if not exists print;

-- column order of print.people has this type
create type print.mood as enum ('sad', 'ok');

-- print.people is not there
create table if not exists print.people (
  id integer not null,
  name character varying(20) not null,
  "order" print.mood,
  primary key (id)
);
`);
  await target.query(text);
  assert.equal(script(await planTarget(target, wanted)), '');
  await target.close();
});

test('two processes that apply the same plan at once both succeed', async () => {
  const wanted = await wantedOf('shop.*');
  const first = await emptyTarget();
  const others = await Promise.all([1, 2, 3].map(() => PgConnection.connect(first.options)));
  const all = [first, ...others];
  const plans = await Promise.all(all.map((connection) => planTarget(connection, wanted)));
  assert.ok(plans.every((plan) => plan.ddl.length > 5));
  await Promise.all(all.map((connection, i) => applyTarget(connection, plans[i] as TargetPlan)));
  assert.deepEqual((await planTarget(first, wanted)).ddl, []);
  await Promise.all(all.map((connection) => connection.close()));
});

test('new columns, enum labels and attributes are added to what is there', async () => {
  await source.query(`create schema grow; create type grow.size as enum ('b', 'd'); create type grow.pair as (a int);
    create table grow.t (id int primary key, size grow.size, pair grow.pair)`);
  const target = await emptyTarget();
  await applyTarget(target, await planTarget(target, await wantedOf('grow.*')));
  await target.query("insert into grow.t values (1, 'b', row(1))");
  await source.query(`alter type grow.size add value 'a' before 'b'; alter type grow.size add value 'c' after 'b'; alter type grow.size add value 'e';
    alter type grow.pair add attribute b text; alter table grow.t add extra numeric(4,1) not null default 1`);
  const wanted = await wantedOf('grow.*');
  const plan = await planTarget(target, wanted);
  await applyTarget(target, plan);
  assert.deepEqual(await target.rows("select enum_range(null::grow.size)::text as r"), [{ r: '{a,b,c,d,e}' }]);
  assert.deepEqual(await target.rows('select size::text, pair::text, extra::text from grow.t'), [{ size: 'b', pair: '(1,)', extra: '1.0' }]);
  assert.deepEqual((await planTarget(target, wanted)).ddl, []);
  await target.close();
});

test('a table that is there: what fits, what is cast, what cannot be written', async () => {
  await source.query(`create schema fit; create domain fit.small as int2; create table fit.t (id int4 primary key, a int4, b varchar(10), c text, d fit.small,
    e int4[], f jsonb, g timestamptz, h date, i numeric(6,2), j text)`);
  const wanted = await wantedOf('fit.*');
  const target = await emptyTarget();
  await target.query(`create schema fit; create domain fit.big as int8; create table fit.t (id int8 primary key, a text, b varchar(5), c text, d fit.big,
    e int8[], f bytea, g timestamp, h int, i numeric, j text generated always as ('x') stored, k int not null, l int not null default 1)`);
  const plan = await planTarget(target, wanted);
  assert.deepEqual(plan.existing[0]?.fits, { id: 'cast', a: 'cast', b: 'cast', c: 'same', d: 'cast', e: 'cast', g: 'cast', i: 'cast', j: 'same' });
  assert.deepEqual(errors(plan), [
    'column f of fit.t is bytea at the target, and jsonb cannot be assigned to it',
    'column h of fit.t is integer at the target, and date cannot be assigned to it',
    'column j of fit.t is generated at the target, so it cannot be written',
    'column k of fit.t is NOT NULL at the target, has no default, and the rows do not carry it',
  ]);
  await assert.rejects(applyTarget(target, plan), { code: 'TARGET_MISMATCH', where: 'fit.t, column f' });
  await target.query('alter table fit.t drop column f; alter table fit.t drop column h');
  for (const problem of plan.problems.slice(2)) await target.query(problem.hint);
  await applyTarget(target, await planTarget(target, wanted));
  assert.deepEqual((await planTarget(target, wanted)).problems, []);
  await target.close();
});

test('a key that ON CONFLICT cannot use is a warning whose hint mends it', async () => {
  await source.query('create schema keys; create table keys.a (x int, y text, primary key (x, y)); create table keys.b (x int primary key); create table keys.c (x int primary key)');
  const wanted = await wantedOf('keys.*');
  const target = await emptyTarget();
  await target.query(`create schema keys; create table keys.a (x int not null, y text not null, unique (y, x)); create table keys.b (x int);
    create table keys.c (x int primary key deferrable)`);
  const plan = await planTarget(target, wanted);
  assert.deepEqual(plan.problems.map((problem) => [problem.level, problem.message]), [
    ['warning', 'keys.b has no unique key on (x) at the target, so its rows are applied on the slow path'],
    ['warning', 'the key c_pkey of keys.c is deferrable, so its rows are applied on the slow path'],
  ]);
  for (const problem of plan.problems) await target.query(problem.hint);
  assert.deepEqual((await planTarget(target, wanted)).problems, []);
  await target.close();
});

test('what a crash would empty is a warning whose hint mends it', async () => {
  await source.query('create schema fast; create table fast.a (x int primary key); create table fast."B" (x int primary key); create table fast.c (x int primary key)');
  const wanted = await wantedOf('fast.*');
  const target = await emptyTarget();
  await target.query(`create schema fast; create unlogged table fast.a (x int primary key); create table fast."B" (x int primary key) partition by range (x);
    create unlogged table fast.low partition of fast."B" for values from (0) to (9); create table fast.high partition of fast."B" default; create table fast.c (x int primary key)`);
  const plan = await planTarget(target, wanted);
  assert.deepEqual(plan.problems.map((problem) => [problem.level, problem.table, problem.message]), [
    ['warning', 'fast."B"', "fast.low is unlogged: a crash of the server empties it, while the replica's position stays"],
    ['warning', 'fast.a', "fast.a is unlogged: a crash of the server empties it, while the replica's position stays"],
  ]);
  for (const problem of plan.problems) await target.query(problem.hint);
  assert.deepEqual((await planTarget(target, wanted)).problems, []);
  await target.close();
});

test('a role without privileges gets the grants that it needs, and they suffice', async () => {
  const target = await emptyTarget();
  await target.query(`create role writer login; create schema there; create table there.t (id int primary key);
    create schema print; create type print.mood as enum ('sad')`);
  await source.query('create schema there; create table there.t (id int primary key, more text)');
  const wanted = [...(await wantedOf('there.*')), ...(await wantedOf('print.*')), ...(await wantedOf('keys.*'))];
  const writer = await PgConnection.connect({ ...target.options, user: 'writer' });
  const plan = await planTarget(writer, wanted);
  await assert.rejects(applyTarget(writer, plan), { code: 'PRIVILEGE_MISSING', hint: `grant create on database target${databases} to writer` });
  for (const grant of plan.grants) await target.query(grant.sql);
  await applyTarget(writer, plan);
  const again = await planTarget(writer, wanted);
  assert.deepEqual([again.ddl, again.grants, again.problems], [[], [], []]);
  await writer.close();
  await target.close();
});

test('a type of an extension that the target lacks is an error with the statement that makes it', async () => {
  const target = await emptyTarget();
  const citext = { oid: 70000, schema: 'public', name: 'citext', kind: 'base', binary: true } as const;
  const wanted: TargetTable = { schema: 'public', name: 't', key: [], columns: [{ name: 'c', type: citext, typmod: -1, typeText: 'public.citext', notNull: false }] };
  const plan = await planTarget(target, [wanted]);
  assert.equal(plan.problems[0]?.message, 'type public.citext does not exist at the target');
  assert.match(plan.problems[0]?.hint ?? '', /create extension if not exists citext schema public$/);
  await target.close();
});

/** Each statement under its reason, grants first. */
function script({ ddl, grants }: TargetPlan): string {
  const statements = [...grants.map(({ sql, why }) => `-- to be run by an owner or superuser: ${why}\n${sql};`), ...ddl.map(({ sql, why }) => `-- ${why}\n${sql};`)];
  return statements.map((statement) => `${statement}\n`).join('\n');
}
