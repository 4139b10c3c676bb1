// Loads into tables with foreign keys, with the replica role and without.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { asPosition, type Relation } from '../../../data/index.ts';
import { makeBatch, rowsStep, targetOf, testRelation } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const grants = `do $$ begin if not exists (select from pg_roles where rolname = 'plain') then create role plain login; end if; end $$;
  do $$ begin execute format('grant create on database %I to plain', current_database()); end $$; alter default privileges grant all on tables to plain; `;
const parents = testRelation('parents', { id: 23, v: 25 });
const children = testRelation('children', { id: 23, parent: 23 });
const tree = testRelation('tree', { id: 23, up: 23, v: 25 });
const tables = 'create table parents (id int primary key, v text); create table children (id int primary key, parent int references parents on delete cascade);';
const owned = 'alter table parents owner to plain; alter table children owner to plain;';

const load = (bench: SinkBench, relation: Relation, ...rows: string[][]) =>
  bench.sink.load({
    part: 'shop', from: relation, target: targetOf(relation), position: asPosition(5n),
    steps: (async function* () { yield rowsStep(makeBatch(relation, rows.map((read) => ({ read })))); })(),
  }, new AbortController().signal);

test('without the replica role parents come first; a row without its parent is no bad row', async () => {
  const bench = await sinkBench(cluster, `${grants}${tables}${owned}`, { user: 'plain' });
  const ranks = await bench.sink.loadRanks([targetOf(children), targetOf(parents)]);
  assert.ok((ranks.get('public.parents') as number) < (ranks.get('public.children') as number));
  await assert.rejects(load(bench, children, ['1', '7']), (error: Error & { code: string; hint: string }) => error.code === 'TARGET_MISMATCH' && /grant set on parameter session_replication_role to "?plain/.test(error.hint));
  assert.deepEqual(await bench.rows('select id from millrace.dead_letters'), []);
  await load(bench, parents, ['7', 'a']);
  assert.deepEqual(await load(bench, children, ['1', '7']), { rows: 1, deadLetters: 0 });
  await bench.close();
});

test('without the replica role a table that others refer to is read again with them, or not at all', async () => {
  const bench = await sinkBench(cluster, `${grants}${tables}${owned}`, { user: 'plain' });
  await load(bench, parents, ['7', 'a']);
  await load(bench, children, ['1', '7']);
  await assert.rejects(load(bench, parents, ['7', 'b']), (error: Error & { code: string; hint: string }) => error.code === 'TARGET_MISMATCH' && /millrace resync replica/.test(error.hint));
  assert.deepEqual(await bench.rows('select * from children'), ['1|7']);
  await bench.connection.query("update millrace.tables set state = 'copying'");
  await load(bench, parents, ['7', 'b'], ['8', 'c']);
  await load(bench, children, ['1', '7'], ['2', '8']);
  assert.deepEqual(await bench.rows('select children.*, v from children join parents p on p.id = parent order by 1'), ['1|7|b', '2|8|c']);
  await bench.close();
});

test('with the replica role such a table is read again alone', async () => {
  const bench = await sinkBench(cluster, tables);
  assert.equal((await bench.sink.loadRanks([targetOf(children), targetOf(parents)])).size, 0);
  await load(bench, children, ['1', '7']);
  await load(bench, parents, ['7', 'a']);
  await load(bench, parents, ['7', 'b']);
  assert.deepEqual(await bench.rows('select children.*, v from children join parents p on p.id = parent'), ['1|7|b']);
  await bench.close();
});

test('tables that refer to themselves or to each other', async () => {
  const bench = await sinkBench(cluster, `${grants}create table tree (id int primary key, up int references tree, v text); alter table tree owner to plain;
    create table parents (id int primary key, v text); create table children (id int primary key, parent int references parents);
    alter table parents add child int references children; ${owned}`, { user: 'plain' });
  await assert.rejects(bench.sink.loadRanks([targetOf(children), targetOf(parents)]), { code: 'TARGET_MISMATCH' });
  await load(bench, tree, ['1', '2', ''], ['2', '3', ''], ['3', '3', '']);
  assert.deepEqual(await bench.rows('select count(*) from tree'), ['3']);
  // Rows of different statements need a deferrable key.
  const wide = 'w'.repeat(5 << 20);
  const loadWide = () => bench.sink.load({
    part: 'shop', from: tree, target: targetOf(tree), position: asPosition(5n),
    steps: (async function* () { for (const id of [1, 2]) yield rowsStep(makeBatch(tree, [{ read: [String(id), String(3 - id), wide] }])); })(),
  }, new AbortController().signal);
  await assert.rejects(loadWide(), (error: Error & { code: string; hint: string }) => error.code === 'TARGET_MISMATCH' && /deferrable/.test(error.hint));
  await bench.connection.query('alter table tree alter constraint tree_up_fkey deferrable');
  assert.deepEqual(await loadWide(), { rows: 2, deadLetters: 0 });
  await bench.close();
});
