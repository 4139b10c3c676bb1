// The sink of several sessions: an epoch that one of them cannot commit is ended by the next sink; what is not shared, and why.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { silentLogger, systemClock } from '../../../base/index.ts';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { asPosition, type Relation } from '../../../data/index.ts';
import type { TableStep } from '../../../flow/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { makeBatch, rowsStep, testRelation } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { adoptPart, type PartRecord, readPart } from './adopt.ts';
import { listLetters, replayLetter } from './letters.ts';
import { ParallelSink } from './parallel.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const items = testRelation('items', { id: 23, n: 23 });
const ids = Array.from({ length: 40 }, (_, i) => String(i));
const inserts = (relation: Relation = items): TableStep => rowsStep(makeBatch(relation, ids.map((id) => ({ insert: [id, '0'] }))));
const updates = (n: string): TableStep => rowsStep(makeBatch(items, ids.map((id) => ({ update: [id, n] }))));
const at = (position: number): ReturnType<typeof asPosition> => asPosition(BigInt(position));

async function databaseOf(bench: SinkBench): Promise<string> {
  return (await bench.rows('select current_database()'))[0] as string;
}

function sinkOf(database: string, lanes: number, user?: string): ParallelSink {
  return new ParallelSink({
    connect: { ...parsePgUrl(cluster.url(database)), ...(user ? { user } : {}) }, consumer: 'replica', identityOf: () => ({ systemId: '7', timeline: 1 }), onBadRow: 'deadLetter',
    clock: systemClock, logger: silentLogger, lanes, sharing: { rowsMin: 10, tableRowsMin: 10 },
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Lets all sessions but one commit an epoch, by holding a row that it needs, and ends that one. */
async function tear(bench: SinkBench, sink: ParallelSink, position: number, steps: readonly TableStep[]): Promise<void> {
  const holder = await PgConnection.connect(bench.connection.options);
  await holder.query('begin; select from items where id = 7 for update');
  const commit = assert.rejects(sink.commit('shop', at(position), steps));
  await until(async () => (await bench.rows(`select count(*) from millrace.lanes where position = '0/${position.toString(16).toUpperCase()}'`))[0] === '2');
  await until(async () => (await bench.rows("select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")).length > 0);
  await bench.rows("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()");
  await commit;
  await holder.close();
}

for (const lanes of [1, 2, 3, 8]) {
  test(`an epoch that two of three sessions have committed is ended by ${lanes}`, async () => {
    const bench = await sinkBench(cluster, 'create table items (id int primary key, n int)');
    const database = await databaseOf(bench);
    const sink = sinkOf(database, 3);
    await sink.open();
    await sink.commit('shop', at(16), [inserts()]);
    await tear(bench, sink, 32, [updates('1')]);
    // What another one does with half of an epoch would be lost or doubled.
    await assert.rejects(sink.commit('shop', at(32), [updates('1')]), { code: 'TARGET_BUSY' });
    await sink.close();
    const torn = await bench.rows('select n, count(*) > 0 from items group by 1 order by 1');
    assert.deepEqual(torn, ['0|t', '1|t']);
    // Rows that are there already would show if they were written again.
    await bench.rows('update items set n = 100 where n = 1');
    const next = sinkOf(database, lanes);
    const [position] = await next.open();
    assert.deepEqual([position?.position, position?.begun], [at(16), at(32)]);
    await next.commit('shop', at(32), [updates('1')]);
    assert.deepEqual(await bench.rows('select distinct n from items order by 1'), ['1', '100']);
    assert.deepEqual(await bench.rows("select position from millrace.positions where part = 'shop'"), ['0/20']);
    await next.commit('shop', at(48), [updates('2')]);
    assert.deepEqual(await bench.rows('select distinct n from items'), ['2']);
    const [later] = await next.open();
    assert.deepEqual([later?.position, later?.begun], [at(48), undefined]);
    await next.close();
    await bench.close();
  });
}

test('what had another key when a part of it was committed is read again', async () => {
  const bench = await sinkBench(cluster, 'create table items (id int primary key, n int)');
  const database = await databaseOf(bench);
  const sink = sinkOf(database, 3);
  await sink.open();
  await bench.rows(`insert into millrace.tables (consumer, source, source_table, target_table, state, snapshot_position) values ('replica', 'shop', 'public.items', 'public.items', 'done', '0/1')`);
  await sink.commit('shop', at(16), [inserts()]);
  await tear(bench, sink, 32, [updates('1')]);
  await sink.close();
  await bench.connection.query('alter table items drop constraint items_pkey, alter n set not null, add primary key (id, n)');
  const [other, next] = [testRelation('items', { id: 23, n: 23 }, [0, 1]), sinkOf(database, 3)];
  await next.open();
  await assert.rejects(next.commit('shop', at(32), [rowsStep(makeBatch(other, ids.map((id) => ({ update: [id, '1'], old: [id, '0'] }))))]), { code: 'TARGET_BUSY' });
  assert.deepEqual((await next.tables('shop')).map(({ done }) => done), [false]);
  await next.commit('shop', at(32), []);
  assert.deepEqual((await next.open()).map(({ position, begun }) => [position, begun]), [[at(32), undefined]]);
  await next.close();
  await bench.close();
});

test('what is begun cannot be gone on with at another server', async () => {
  const bench = await sinkBench(cluster, 'create table items (id int primary key, n int)');
  const sink = sinkOf(await databaseOf(bench), 3);
  await sink.open();
  await sink.commit('shop', at(16), [inserts()]);
  const there = { position: at(64), identity: { systemId: '8', timeline: 1 } };
  const adopt = async (): Promise<void> => adoptPart(bench.connection, 'replica', 'shop', (await readPart(bench.connection, 'replica', 'shop')) as PartRecord, there, []);
  await tear(bench, sink, 32, [updates('1')]);
  await assert.rejects(adopt(), { code: 'NOT_ADOPTABLE' });
  await sink.open();
  await sink.commit('shop', at(32), [updates('1')]);
  await adopt();
  assert.deepEqual((await sink.open()).map(({ position, begun }) => [position, begun]), [[at(64), undefined]]);
  await sink.close();
  await bench.close();
});

test('a fence that is raised stops all sessions', async () => {
  const bench = await sinkBench(cluster, 'create table items (id int primary key, n int)');
  const database = await databaseOf(bench);
  const [first, second] = [sinkOf(database, 3), sinkOf(database, 3)];
  await first.open();
  await first.commit('shop', at(16), [inserts()]);
  await second.open();
  await assert.rejects(first.commit('shop', at(32), [updates('1')]), { code: 'FENCED' });
  assert.deepEqual(await bench.rows('select distinct n from items'), ['0']);
  assert.deepEqual((await second.open()).map(({ begun }) => begun), [undefined]);
  await first.close();
  await second.close();
  await bench.close();
});

test('a refused row and what comes behind it are kept, and replayed in order', async () => {
  const bench = await sinkBench(cluster, 'create table items (id int primary key, n int check (n <> 13))');
  const database = await databaseOf(bench);
  const sink = sinkOf(database, 4);
  await sink.open();
  await sink.commit('shop', at(16), [inserts()]);
  const some = rowsStep(makeBatch(items, ids.map((id) => ({ update: [id, id === '5' ? '13' : '1'] }))));
  assert.deepEqual(await sink.commit('shop', at(32), [some]), { rows: 39, deadLetters: 1 });
  // The row that was refused must not be overtaken by what comes next; a whole row ends the letter.
  await sink.commit('shop', at(48), [rowsStep(makeBatch(items, ids.map((id) => ({ update: [id, id === '6' ? '13' : '2'] }))))]);
  const connect = parsePgUrl(cluster.url(database));
  assert.deepEqual((await listLetters(connect, 'replica', { all: true })).map(({ key, state }) => [key, state]), [[['5'], 'superseded'], [['6'], 'open']]);
  assert.deepEqual(await bench.rows('select n, count(*) from items group by 1 order by 1'), ['1|1', '2|39']);
  await bench.connection.query('alter table items drop constraint items_n_check');
  const [open] = await listLetters(connect, 'replica');
  await replayLetter(connect, 'replica', open?.id ?? '');
  assert.deepEqual(await bench.rows('select n, count(*) from items group by 1 order by 1'), ['2|39', '13|1']);
  await sink.close();
  await bench.close();
});

test('foreign keys that the role may not switch off are no work for several sessions', async () => {
  const bench = await sinkBench(cluster, `create table items (id int primary key, n int); create table lines (id int primary key, n int references items);
    create role plain login; grant all on items, lines to plain`);
  await bench.connection.query('grant usage on schema millrace to plain; grant all on all tables in schema millrace to plain');
  const database = await databaseOf(bench);
  const sink = sinkOf(database, 3, 'plain');
  await sink.open();
  await sink.commit('shop', at(16), []);
  await assert.rejects(sink.commit('shop', at(32), [inserts()]), { code: 'TARGET_MISMATCH', hint: /grant set on parameter session_replication_role to "?plain/ });
  assert.deepEqual(await bench.rows('select count(*) from items'), ['0']);
  await sink.close();
  await bench.close();
});
