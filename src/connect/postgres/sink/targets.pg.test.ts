// Target tables that are not as Millrace would make them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { asPosition, type Relation } from '../../../data/index.ts';
import { parsePgUrl } from '../../../wire/index.ts';
import { type Change, makeBatch, rowsStep, targetOf, testRelation, unchanged, writeOf } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { forgetLoads, listLetters } from '../../index.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const items = testRelation('items', { id: 23, name: 25, n: 23 });
const key = (id: number): (string | null)[] => [String(id), null, null];
const letters = async (bench: SinkBench) => (await listLetters(parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0])), 'replica')).map((letter) => `${letter.key.join()} ${letter.code}`);

/** Inserts, updates (whole, partial, of the key), deletes; few rows, then many. */
async function exercise(bench: SinkBench, table = 'items', relation: Relation = items): Promise<void> {
  const target = { ...targetOf(relation), name: table };
  const commit = (changes: readonly Change[]) => bench.commit({ kind: 'rows', writes: [writeOf(makeBatch(relation, changes), target)] });
  for (const size of [6, 1200]) {
    await bench.connection.query(`delete from "${table}"`);
    const ids = Array.from({ length: size }, (_, i) => i);
    assert.deepEqual(await commit(ids.map((id) => ({ insert: [String(id), `n${id}`, String(id)] }))), { rows: size, deadLetters: 0 });
    const changes = ids.map((id): Change => {
      if (id % 4 === 0) return { update: [String(id), 'whole', '7'] };
      if (id % 4 === 1) return { update: [String(id), unchanged, '7'] };
      return id % 4 === 2 ? { delete: key(id) } : { update: [String(id + 10_000), unchanged, '8'], old: key(id) };
    });
    assert.equal((await commit(changes)).deadLetters, 0);
    const expected = ids.flatMap((id) => (id % 4 === 0 ? [`${id}|whole|7`] : id % 4 === 1 ? [`${id}|n${id}|7`] : id % 4 === 2 ? [] : [`${id + 10_000}|n${id}|8`]));
    assert.deepEqual((await bench.rows(`select id, name, n from "${table}"`)).sort(), expected.sort());
  }
}

for (const [what, ddl] of Object.entries({
  'identity columns GENERATED ALWAYS, key and other': 'create table items (id int generated always as identity primary key, name text, n int generated always as identity)',
  'a generated column of its own': 'create table items (id int primary key, name text, n int, twice int generated always as (n * 2) stored, len int generated always as (length(name)) stored)',
  'a deferrable key': 'create table items (id int primary key deferrable initially deferred, name text, n int)',
  'a deferrable unique constraint beside the key': 'create table items (id int primary key, name text, n int, more int unique deferrable)',
  'other order, more columns with defaults': "create table items (extra text not null default 'e', n int, at timestamptz not null default now(), name text, id int primary key, list int[] default '{1}')",
  'wider and other types': 'create table items (id int8 primary key, name varchar(20), n numeric)',
  'domains': "create domain positive as int check (value >= 0); create domain short as varchar(10); create table items (id positive primary key, name short, n positive)",
  'partitions by hash of the key': 'create table items (id int, name text, n int, primary key (id)) partition by hash (id); create table items_0 partition of items for values with (modulus 2, remainder 0); create table items_1 partition of items for values with (modulus 2, remainder 1)',
  'partitions by range, which rows move between': 'create table items (id int primary key, name text, n int) partition by range (id); create table items_low partition of items for values from (minvalue) to (600); create table items_high partition of items default',
  'no index on the key': 'create table items (id int, name text, n int)',
  'a key of more columns than ours': 'create table items (id int, name text, n int, primary key (id, name))',
  'a unique index with INCLUDE': 'create table items (id int, name text, n int); create unique index on items (id) include (name)',
  'dropped columns': 'create table items (gone int, id int primary key, old text, name text, n int); alter table items drop column gone; alter table items drop column old',
})) {
  test(what, async () => {
    const bench = await sinkBench(cluster, ddl);
    await exercise(bench);
    await bench.close();
  });
}

test('names that need quotes', async () => {
  const bench = await sinkBench(cluster, `create schema "My ""odd"" schema.x"; create table "My ""odd"" schema.x"."Select; --" ("ID" int primary key, "na""me" text, "a.b" int, "ünï" text)`);
  const relation = { ...testRelation('Select; --', { ID: 23, 'na"me': 25, 'a.b': 23, 'ünï': 25 }), schema: 'My "odd" schema.x' };
  const change = (...changes: Change[]) => bench.commit(rowsStep(makeBatch(relation, changes)));
  await change({ insert: ['1', 'a', '1', 'x'] }, { insert: ['2', 'b', '2', 'x'] });
  await change({ update: ['1', 'c', '3', unchanged] }, { delete: ['2', null, null, null] });
  await bench.commit(rowsStep(makeBatch(relation, Array.from({ length: 500 }, (_, i) => ({ insert: [String(i + 10), 'many', null, null] })))));
  assert.deepEqual(await bench.rows(`select count(*), min("na""me") from "My ""odd"" schema.x"."Select; --"`), ['501|c']);
  await bench.commit({ kind: 'truncate', truncate: { targets: [targetOf(relation)], cascade: false, restartIdentity: true } });
  assert.deepEqual(await bench.rows(`select * from "My ""odd"" schema.x"."Select; --"`), []);
  await bench.close();
});

test('values that the target refuses: too long, out of range, against a domain, no partition, a check, NOT NULL', async () => {
  const bench = await sinkBench(cluster, `create domain positive as int check (value > 0);
    create table items (id int2 primary key check (id <> 66), name varchar(3) not null, n positive) partition by range (id); create table low partition of items for values from (0) to (100)`);
  const bad = [['1', 'four', '1'], ['70000', 'a', '1'], ['2', 'b', '-1'], ['200', 'c', '1'], ['66', 'd', '1'], ['3', null, '1']];
  const good = Array.from({ length: 50 }, (_, i) => [String(i + 10), 'ok', '1']);
  assert.deepEqual(await bench.commit(rowsStep(makeBatch(items, [...bad.slice(0, 3), ...good, ...bad.slice(3)].map((insert) => ({ insert: insert as string[] }))))), { rows: 50, deadLetters: 6 });
  assert.deepEqual((await letters(bench)).sort(), ['1 22001', '2 23514', '200 23514', '3 23502', '66 23514', '70000 22003']);
  assert.deepEqual(await bench.rows('select count(*) from items'), ['50']);
  await bench.close();
});

test('a target that two sources fill: the second load is merged, also over rows of the first; reading one again means reading all', async () => {
  const bench = await sinkBench(cluster, 'create table items (_source text, id int, name varchar(5), primary key (_source, id))');
  const shared = testRelation('items', { _source: 25, id: 23, name: 25 }, [0, 1]);
  const load = (part: string, ...rows: string[][]) => bench.sink.load({
    part, from: { schema: 'public', name: `items_${part}` }, target: targetOf(shared), position: asPosition(5n),
    steps: (async function* () { yield rowsStep(makeBatch(shared, rows.map(([id, name]) => ({ read: [part, id as string, name as string] })))); })(),
  }, new AbortController().signal);
  const many = (name: string) => Array.from({ length: 1000 }, (_, i) => [String(i), name]);
  assert.deepEqual(await load('eu', ...many('a')), { rows: 1000, deadLetters: 0 });
  assert.deepEqual(await load('us', ['1', 'b'], ['2', 'far too long'], ['3', 'b']), { rows: 2, deadLetters: 1 });
  assert.deepEqual(await load('us', ...many('c')), { rows: 1000, deadLetters: 0 });
  assert.deepEqual(await bench.rows('select _source, name, count(*) from items group by 1, 2 order by 1'), ['eu|a|1000', 'us|c|1000']);
  assert.deepEqual((await bench.sink.tables('us')).map(({ source, rows }) => [source, rows]), [['public.items_us', 1000]]);
  // A row that is gone at its source goes only when all are read again.
  await forgetLoads(bench.connection, 'replica', 'us', ['public.items_us']);
  assert.deepEqual(await letters(bench), []);
  assert.deepEqual([...(await bench.sink.tables('eu')), ...(await bench.sink.tables('us'))].map(({ done }) => done), [false, false]);
  await load('eu', ...many('d'));
  await load('us', ['1', 'd']);
  await load('ap', ['2', 'd']);
  assert.deepEqual(await bench.rows('select _source, name, count(*) from items group by 1, 2 order by 1'), ['ap|d|1', 'eu|d|1000', 'us|d|1']);
  await bench.close();
});
