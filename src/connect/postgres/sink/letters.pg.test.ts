import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { asPosition } from '../../../data/index.ts';
import type { TableStep } from '../../../flow/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { makeBatch, rowsStep, targetOf, testRelation, unchanged } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { dropLetter, listLetters, replayLetter, showLetter } from '../../index.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const people = testRelation('people', { id: 23, name: 25, note: 25 });
const ddl = 'create table people (id int primary key, name varchar(3), note text check (note <> $$bad$$))';
const connectOf = async (bench: SinkBench) => parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0]));

test('a bad row costs one row: in arrays, in COPY, in the merge; the letter tells all', async () => {
  const bench = await sinkBench(cluster, ddl);
  assert.deepEqual(await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'abc', 'x'] }, { insert: ['2', 'abcd', 'x'] }, { insert: ['3', 'abc', 'x'] }]))), { rows: 2, deadLetters: 1 });
  const many = Array.from({ length: 2000 }, (_, i) => ({ insert: [String(i + 10), i === 700 ? 'too long' : 'abc', i === 1500 ? 'bad' : 'x'] }));
  assert.equal((await bench.commit(rowsStep(makeBatch(people, many)))).deadLetters, 2);
  assert.equal((await bench.commit(rowsStep(makeBatch(people, [{ update: ['1', 'ABC', 'bad'] }, { update: ['3', 'abc', 'y'] }, { update: ['99999', 'abc', unchanged] }])))).deadLetters, 2);
  assert.deepEqual(await bench.rows('select count(*), count(*) filter (where id < 4) from people'), ['2000|2']);
  assert.deepEqual(await bench.rows('select * from people where id < 4 order by id'), ['1|abc|x', '3|abc|y']);
  const letters = await listLetters(await connectOf(bench), 'replica');
  assert.deepEqual(letters.map(({ key, code, state }) => [key[0], code, state]), [['2', '22001', 'open'], ['710', '22001', 'open'], ['1510', '23514', 'open'], ['1', '23514', 'open'], ['99999', 'ROW_MISSING', 'open']]);
  assert.deepEqual(letters[0]?.row, { id: '2', name: 'abcd', note: 'x' });
  await bench.commit(rowsStep(makeBatch(people, Array.from({ length: 6 }, (_, i) => ({ insert: [String(200_000 + i), 'too long', 'x'] })))));
  assert.deepEqual((await listLetters(await connectOf(bench), 'replica')).map(({ id }) => Number(id)), Array.from({ length: 11 }, (_, i) => i + 1));
  await bench.close();
});

test('a later whole row supersedes a letter, a partial one joins it; replay applies both and never overtakes', async () => {
  const bench = await sinkBench(cluster, ddl);
  const connect = await connectOf(bench);
  await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'long name', 'x'] }, { insert: ['2', 'long too', 'y'] }, { insert: ['3', 'longest', 'z'] }])));
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['1', 'ok', 'new'] }, { update: ['2', 'longer', unchanged] }])));
  const states = async () => (await listLetters(connect, 'replica', { all: true })).map(({ id, state }) => `${id} ${state}`);
  assert.deepEqual(await states(), ['1 superseded', '2 open', '3 open', '4 joined']);
  await assert.rejects(replayLetter(connect, 'replica', '1'), { code: 'LETTER_UNKNOWN' });
  await assert.rejects(replayLetter(connect, 'replica', '2'), { code: 'ROW_REJECTED' });
  await bench.connection.query('alter table people alter name type text');
  await replayLetter(connect, 'replica', '2');
  await dropLetter(connect, 'replica', '3');
  assert.deepEqual(await states(), ['1 superseded', '2 replayed', '3 dropped', '4 replayed']);
  assert.deepEqual(await bench.rows('select * from people order by id'), ['1|ok|new', '2|longer|y']);
  assert.equal((await showLetter(connect, 'replica', '4')).state, 'replayed');
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['2', 'on', unchanged] }])));
  assert.deepEqual(await bench.rows('select name from people where id = 2'), ['on']);
  await bench.close();
});

test('replay and replica wait for each other: what has joined meanwhile is replayed too, and what was replayed meanwhile is no reason to wait', async () => {
  const bench = await sinkBench(cluster, ddl);
  const connect = await connectOf(bench);
  const blocked = async (): Promise<void> => {
    const waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while ((await bench.rows(waiting))[0] === '0') await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const other = await PgConnection.connect(connect);
  await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'too long', 'x'] }, { insert: ['2', 'too long', 'x'] }])));
  await bench.connection.query('alter table people alter name type text');
  // As the replica does that lets another change join.
  await other.query('begin; select from millrace.dead_letters where id = 1 for update');
  const replayed = replayLetter(connect, 'replica', '1');
  await blocked();
  await other.query(`insert into millrace.dead_letters (consumer, source_table, target_table, key, key_bytes, op, position, seq, code, message, tuple, relation, state, joins)
    select consumer, source_table, target_table, key, key_bytes, 'delete', position, seq, code, message, null, relation, 'joined', 1 from millrace.dead_letters where id = 1; commit`);
  await replayed;
  assert.deepEqual((await listLetters(connect, 'replica', { all: true })).map(({ id, state }) => `${id} ${state}`), ['1 replayed', '2 open', '3 replayed']);
  // As a replay does.
  await other.query('begin; select from millrace.dead_letters where id = 2 for update');
  const committed = bench.commit(rowsStep(makeBatch(people, [{ update: ['2', 'new', unchanged] }])));
  await blocked();
  await other.query("insert into people values (2, 'too long', 'x'); update millrace.dead_letters set state = 'replayed' where id = 2; commit");
  assert.deepEqual(await committed, { rows: 1, deadLetters: 0 });
  assert.deepEqual(await bench.rows('select * from people'), ['2|new|x']);
  await other.close();
  await bench.close();
});

test('stop: the error names table, key and reason, and nothing is committed', async () => {
  const bench = await sinkBench(cluster, ddl, { onBadRow: 'stop' });
  await assert.rejects(bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'abc', 'x'] }, { insert: ['2', 'abcd', 'x'] }]))), (error: Error & { code: string }) =>
    error.code === 'ROW_REJECTED' && /public\.people.*\(2\)/.test(error.message));
  assert.deepEqual(await bench.rows('select * from people'), []);
  assert.deepEqual(await bench.sink.open(), []);
  await bench.close();
});

async function* stepsOf(...steps: TableStep[]): AsyncGenerator<TableStep> {
  yield* steps;
}

test('loads: fresh, again, bad rows, refused when foreign rows are there', async () => {
  const bench = await sinkBench(cluster, ddl);
  const never = new AbortController().signal;
  const rows = Array.from({ length: 3000 }, (_, i) => ({ read: [String(i), i === 2000 ? 'too long' : 'abc', null] }));
  const load = (...steps: TableStep[]) => bench.sink.load({ part: 'shop', from: people, target: targetOf(people), position: asPosition(5n), steps: stepsOf(...steps) }, never);
  assert.deepEqual(await load(rowsStep(makeBatch(people, rows))), { rows: 2999, deadLetters: 1 });
  assert.deepEqual(await bench.sink.tables('shop'), [{ source: 'public.people', target: 'public.people', done: true, snapshotPosition: 5n, rows: 2999, oid: people.oid }]);
  // Its letter is known to the commits that follow.
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['2000', 'abc', 'x'] }])));
  assert.deepEqual(await listLetters(await connectOf(bench), 'replica'), []);
  assert.deepEqual(await load(rowsStep(makeBatch(people, rows.slice(0, 10))), rowsStep(makeBatch(people, rows.slice(10, 20)))), { rows: 20, deadLetters: 0 });
  assert.deepEqual(await bench.rows('select count(*) from people'), ['20']);
  await bench.connection.query('delete from millrace.tables');
  await assert.rejects(load(), { code: 'TARGET_MISMATCH' });
  await bench.close();
});

test('a COMMIT whose answer is lost is found out', async () => {
  const bench = await sinkBench(cluster, `${ddl}; create table slow (a int); insert into slow values (1);
    create function nap() returns trigger language plpgsql as $$ begin perform pg_sleep(60) from public.slow; return null; end $$;
    create constraint trigger nap after insert on people deferrable initially deferred for each row execute function nap(); alter table people enable always trigger nap`);
  await bench.commit();
  const pending = bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'abc', 'x'] }])));
  const napping = "from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";
  while ((await bench.rows(`select count(*) ${napping}`))[0] === '0') await new Promise((resolve) => setTimeout(resolve, 20));
  await bench.rows(`select pg_terminate_backend(pid) ${napping}`);
  // Killed before the commit took place: nothing is there, and the same commit may be tried again.
  await assert.rejects(pending, { code: 'CONNECTION_LOST', retriable: true });
  assert.deepEqual(await bench.rows('select * from people'), []);
  await bench.connection.query('truncate slow');
  await bench.sink.commit('shop', asPosition(32n), [rowsStep(makeBatch(people, [{ insert: ['1', 'abc', 'x'] }]))]);
  assert.deepEqual(await bench.rows('select * from people'), ['1|abc|x']);
  await bench.close();
});

test('a COMMIT that went through although its answer is lost counts once', async () => {
  const bench = await sinkBench(cluster, ddl);
  const setStandby = async (names: string): Promise<void> => {
    await bench.connection.query(`alter system set synchronous_standby_names = '${names}'`);
    await bench.connection.query('select pg_reload_conf()');
  };
  await bench.commit();
  // Waiting for a standby that isn't there, the transaction is committed and its client has no answer.
  await setStandby('nobody');
  await new Promise((resolve) => setTimeout(resolve, 200));
  const pending = bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'abc', 'x'] }])));
  const waiting = "from pg_stat_activity where wait_event = 'SyncRep' and datname = current_database()";
  for (let left = 100; left > 0 && (await bench.rows(`select count(*) ${waiting}`))[0] === '0'; left--) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await bench.rows(`select pg_terminate_backend(pid) ${waiting}`), ['t']);
  await setStandby('');
  assert.deepEqual(await pending, { rows: 1, deadLetters: 0 });
  assert.deepEqual(await bench.rows("select epoch from millrace.positions where part = 'shop'"), ['2']);
  await bench.commit(rowsStep(makeBatch(people, [{ delete: ['1', null, null] }])));
  assert.deepEqual(await bench.rows('select * from people'), []);
  await bench.close();
});
