// Letters and the changes that come after them: keys that move, keys in another form, rows in source order, tables without a key.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { parsePgUrl } from '../../../wire/index.ts';
import { type Change, makeBatch, rowsStep, testRelation, unchanged, type Value } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { dropLetter, listLetters, replayLetter } from '../../index.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const people = testRelation('people', { id: 1700, name: 25, note: 25 });
const ddl = 'create table people (id numeric primary key, name varchar(3), note text)';
const connectOf = async (bench: SinkBench) => parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0]));
const states = async (bench: SinkBench): Promise<string[]> => (await listLetters(await connectOf(bench), 'replica', { all: true })).map(({ op, key, state }) => `${op} ${key.join()} ${state}`);
const key = (id: string): (string | null)[] => [id, null, null];

test('a refused change of the key: what comes later for the new key takes the old row along, for the old key it is another row', async () => {
  const bench = await sinkBench(cluster, `${ddl}; insert into people select n, 'a', 'note' from generate_series(1, 6) n`);
  const move = (from: string, to: string, note: Value = 'x'): Change => ({ update: [to, 'too long', note], old: key(from) });
  await bench.commit(rowsStep(makeBatch(people, [move('1', '11'), move('2', '12'), move('3', '13', unchanged), move('4', '14'), move('5', '15', unchanged), move('6', '16')])));
  assert.deepEqual(await bench.rows('select count(*) from people where id < 10'), ['6']);
  await bench.commit(rowsStep(makeBatch(people, [
    { update: ['11', 'ok', 'x'] }, { delete: key('12') }, { update: ['13', 'ok', unchanged] },
    { insert: ['4', 'new', 'y'] }, { update: ['25', 'ok', 'z'], old: key('15') },
  ])));
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['3|a|note', '4|new|y', '6|a|note', '11|ok|x', '25|ok|z']);
  assert.deepEqual(await states(bench), ['upsert 11 superseded', 'upsert 12 superseded', 'update 13 open', 'upsert 14 open', 'update 15 superseded', 'upsert 16 open', 'update 13 joined']);
  // A partial change of a key moves on: it waits, and a whole one ends all that it waited behind.
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['26', 'ok', unchanged], old: key('16') }])));
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['26', 'end', 'whole'] }])));
  assert.deepEqual(await bench.rows('select id, name, note from people where id in (6, 16, 26)'), ['26|end|whole']);
  await bench.connection.query('alter table people alter name type text');
  const open = await listLetters(await connectOf(bench), 'replica');
  assert.deepEqual(open.map((letter) => letter.key.join()), ['13', '14', '13']);
  for (const letter of open.filter(({ state }) => state === 'open')) await replayLetter(await connectOf(bench), 'replica', letter.id);
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['4|new|y', '11|ok|x', '13|ok|note', '14|too long|x', '25|ok|z', '26|end|whole']);
  await bench.close();
});

test('a key is the same in binary and in text form; 1.0 and 1.00 are what the source calls them', async () => {
  const bench = await sinkBench(cluster, `${ddl}; insert into people values (1.0, 'a', 'kept'), (3, 'c', 'kept')`);
  await bench.commit(rowsStep(makeBatch(people, [{ insert: ['7.5', 'too long', 'x'] }, { update: ['3', 'too long', unchanged] }])));
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['7.5', 'ok', 'x'] }, { update: ['3', 'ok', unchanged] }], ['id', 'name', 'note'])));
  assert.deepEqual(await states(bench), ['insert 7.5 superseded', 'update 3 open', 'update 3 joined']);
  await bench.connection.query('alter table people alter name type text');
  await replayLetter(await connectOf(bench), 'replica', '2');
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['1.0|a|kept', '3|ok|kept', '7.5|ok|x']);
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['1.00', 'b', unchanged], old: key('1.0') }, { insert: ['8.0', 'x', ''] }, { delete: key('8.0') }, { insert: ['8.00', 'y', ''] }])));
  await bench.commit(rowsStep(makeBatch(people, [{ update: ['1.0', 'c', unchanged], old: key('1.00') }, { update: ['1.00', 'd', unchanged], old: key('1.0') }, { update: ['8.0', 'z', ''], old: key('8.00') }])));
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['1.00|d|kept', '3|ok|kept', '7.5|ok|x', '8.0|z|']);
  await bench.close();
});

test('an old key that another row has by now, written differently: known of numbers, refused where equality is not known', async () => {
  const bench = await sinkBench(cluster, `${ddl}; create table spans (id interval primary key, v varchar(3)); insert into people values (1.0, 'a', 'kept'); insert into spans values ('1 day', 'a')`);
  const spans = testRelation('spans', { id: 1186, v: 25 });
  await bench.commit(
    rowsStep(makeBatch(people, [{ update: ['2', 'too long', 'x'], old: key('1.0') }]), makeBatch(spans, [{ update: ['2 days', 'long'], old: ['1 day', null] }], ['id', 'v'])),
  );
  await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1.00', 'new', 'y'] }]), makeBatch(spans, [{ insert: ['24:00:00', 'new'] }], ['id', 'v'])));
  await bench.connection.query('alter table people alter name type text; alter table spans alter v type text');
  await replayLetter(await connectOf(bench), 'replica', '1');
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['1.00|new|y', '2|too long|x']);
  await assert.rejects(replayLetter(await connectOf(bench), 'replica', '2'), { code: 'LETTER_UNSURE' });
  assert.deepEqual(await bench.rows('select id, v from spans'), ['24:00:00|new']);
  await bench.close();
});

test('rows in source order: a letter counts for the rows right behind it', async () => {
  const bench = await sinkBench(cluster, `create role ordered login; do $$ begin execute format('grant create on database %I to ordered', current_database()); end $$;
    create table groups (id int primary key); insert into groups values (1); create table people (id numeric primary key, name varchar(3), note text, g int references groups default 1);
    insert into people values (1, 'a', 'kept'), (2, 'b', 'kept'), (3, 'c', 'kept'); grant all on people, groups to ordered`, { user: 'ordered' });
  await bench.commit(rowsStep(makeBatch(people, [
    { update: ['1', 'too long', 'new'] }, { update: ['1', 'x', unchanged] },
    { update: ['2', 'too long', 'new'] }, { update: ['2', 'y', 'whole'] },
    { update: ['13', 'too long', 'new'], old: key('3') }, { update: ['13', 'z', 'whole'] },
  ])));
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['1|a|kept', '2|y|whole', '13|z|whole']);
  assert.deepEqual(await states(bench), ['upsert 1 open', 'update 1 joined', 'upsert 2 superseded', 'upsert 13 superseded']);
  await bench.connection.query('alter table people alter name type text');
  await replayLetter(await connectOf(bench), 'replica', '1');
  assert.deepEqual(await bench.rows('select id, name, note from people where id = 1'), ['1|x|new']);
  await bench.close();
});

test('a table without a key: its letters have nothing to do with each other', async () => {
  const bench = await sinkBench(cluster, 'create table logs (a int, v varchar(3))');
  const logs = testRelation('logs', { a: 23, v: 25 }, []);
  assert.deepEqual(await bench.commit(rowsStep(makeBatch(logs, [{ insert: ['1', 'a'] }, { insert: ['2', 'long'] }]))), { rows: 1, deadLetters: 1 });
  await bench.commit(rowsStep(makeBatch(logs, [{ insert: ['3', 'a'] }, { insert: ['4', 'long'] }])));
  assert.deepEqual(await states(bench), ['insert 2,long open', 'insert 4,long open']);
  await dropLetter(await connectOf(bench), 'replica', '1');
  await bench.connection.query('alter table logs alter v type text');
  await replayLetter(await connectOf(bench), 'replica', '2');
  assert.deepEqual(await bench.rows('select a from logs order by a'), ['1', '3', '4']);
  await bench.close();
});

test('a failure before a letter is met is told as what it is', async () => {
  const bench = await sinkBench(cluster, `${ddl}; create table others (id int primary key, v varchar(3))`);
  const others = testRelation('others', { id: 23, v: 25 });
  await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'too long', ''] }])));
  assert.deepEqual(await bench.commit(rowsStep(makeBatch(others, [{ insert: ['1', 'long'] }]), makeBatch(people, [{ update: ['1', 'b', ''] }]))), { rows: 1, deadLetters: 1 });
  const second = bench.another();
  await second.open();
  await assert.rejects(bench.commit(rowsStep(makeBatch(others, [{ insert: ['2', 'a'] }]), makeBatch(people, [{ update: ['1', 'c', ''] }]))), { code: 'FENCED' });
  await second.close();
  await bench.close();
});

test('a foreign key that comes later counts as soon as something fails', async () => {
  const nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined };
  const bench = await sinkBench(cluster, `create role late login; do $$ begin execute format('grant create on database %I to late', current_database()); end $$;
    create table parents (id int primary key); create table children (id int primary key, parent int, note text); grant all on parents, children to late`, { user: 'late', clock });
  const [parents, children] = [testRelation('parents', { id: 23 }), testRelation('children', { id: 23, parent: 23, note: 25 })];
  await bench.commit(rowsStep(makeBatch(children, [{ insert: ['1', '1', 'kept'] }]), makeBatch(parents, [{ insert: ['1'] }])));
  await bench.connection.query('alter table children add foreign key (parent) references parents on delete cascade');
  // Folded, the children would come first and be refused.
  const steps = [makeBatch(children, [{ update: ['1', '1', 'kept'] }]), makeBatch(parents, [{ insert: ['2'] }]), makeBatch(children, [{ insert: ['2', '2', 'kept'] }])];
  assert.deepEqual(await bench.commit(...steps.map((batch) => rowsStep(batch))), { rows: 3, deadLetters: 0 });
  assert.deepEqual(await bench.rows('select * from children order by id'), ['1|1|kept', '2|2|kept']);
  await bench.close();
});

test('within a minute: a cascade that comes later takes no row that the source has moved away', async () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined };
  const bench = await sinkBench(cluster, `do $$ begin execute format('grant create on database %I to late', current_database()); end $$;
    create table parents (id int primary key); create table children (id int primary key, parent int, note text); grant all on parents, children to late`, { user: 'late', clock });
  const [parents, children] = [testRelation('parents', { id: 23 }), testRelation('children', { id: 23, parent: 23, note: 25 })];
  await bench.commit(rowsStep(makeBatch(parents, [{ insert: ['1'] }, { insert: ['2'] }]), makeBatch(children, [{ insert: ['1', '1', 'kept'] }])));
  await bench.connection.query('alter table children add foreign key (parent) references parents on delete cascade');
  nowMs += 61_000;
  // Folded, the parents would come first and take the child along.
  const steps = [makeBatch(parents, [{ insert: ['3'] }]), makeBatch(children, [{ update: ['1', '2', unchanged] }]), makeBatch(parents, [{ delete: ['1'] }])];
  await bench.commit(...steps.map((batch) => rowsStep(batch)));
  assert.deepEqual(await bench.rows('select * from children'), ['1|2|kept']);
  await bench.close();
});

test('a replay takes no row of another table along that belongs to a newer row', async () => {
  const bench = await sinkBench(cluster, `create role cascading login; do $$ begin execute format('grant create on database %I to cascading', current_database()); end $$;
    create table people (id numeric primary key, name varchar(3), note text); create table pets (id int primary key, owner numeric references people on update cascade);
    insert into people values (1, 'a', 'kept'), (2, 'b', 'kept'); grant all on people, pets to cascading`, { user: 'cascading' });
  const pets = testRelation('pets', { id: 23, owner: 1700 });
  const connect = { ...(await connectOf(bench)), user: 'cascading' };
  await bench.commit(rowsStep(makeBatch(people, [
    { update: ['11', 'too long', unchanged], old: key('1') }, { insert: ['1', 'new', 'new'] }, { update: ['12', 'too long', unchanged], old: key('2') },
  ])), rowsStep(makeBatch(pets, [{ insert: ['5', '1'] }])));
  assert.deepEqual(await states(bench), ['update 11 open', 'insert 1 joined', 'update 12 open']);
  await bench.connection.query('alter table people alter name type text');
  await assert.rejects(replayLetter(connect, 'replica', '1'), { code: 'LETTER_UNSURE' });
  await replayLetter(connect, 'replica', '3');
  assert.deepEqual(await bench.rows('select * from pets'), ['5|1']);
  assert.deepEqual(await bench.rows('select id, name, note from people order by id'), ['1|a|kept', '12|too long|kept']);
  await bench.close();
});
