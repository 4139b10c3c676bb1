import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { makeBatch, rowsStep, targetOf, testRelation, unchanged, writeOf } from '../../../../test/support/batches.ts';
import { sinkBench } from '../../../../test/support/sink-bench.ts';
import { silentLogger } from '../../../base/index.ts';
import { Layouts } from './segments.ts';
import { Session } from './session.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const items = testRelation('items', { id: 23, name: 25, note: 25 });
const ddl = 'create table items (id int primary key, name text, note text)';

test('inserts, updates, deletes and key changes, folded; the position moves with them', async () => {
  const bench = await sinkBench(cluster, ddl);
  await bench.commit(rowsStep(makeBatch(items, [{ insert: ['1', 'a', 'x'] }, { insert: ['2', 'b', null] }, { insert: ['3', 'c', ''] }])));
  const committed = await bench.commit(
    rowsStep(makeBatch(items, [{ update: ['1', 'A', 'y'] }, { delete: ['2', null, null] }, { update: ['4', 'c', 'moved'], old: ['3', null, null] }, { insert: ['5', 'e', null] }, { delete: ['5', null, null] }])),
    rowsStep(makeBatch(items, [{ insert: ['2', 'again', null] }, { update: ['1', 'AA', unchanged] }])),
  );
  assert.deepEqual(committed, { rows: 7, deadLetters: 0 });
  assert.deepEqual(await bench.rows('select * from items order by id'), ['1|AA|y', '2|again|~', '4|c|moved']);
  assert.deepEqual(await bench.rows("select part, epoch, position from millrace.positions where part <> ''"), ['shop|2|0/20']);
  await bench.commit();
  assert.deepEqual((await bench.sink.open()).map(({ part, epoch, position }) => [part, epoch, position]), [['shop', 3n, 48n]]);
  await bench.close();
});

test('many rows go by COPY, the same way', async () => {
  const bench = await sinkBench(cluster, ddl);
  const ids = Array.from({ length: 3000 }, (_, i) => String(i));
  await bench.commit(rowsStep(makeBatch(items, ids.map((id) => ({ insert: [id, `n${id}`, 'long'] })))));
  await bench.commit(
    rowsStep(makeBatch(items, ids.map((id) => (Number(id) % 3 === 0 ? { update: [id, 'full', 'new'] } : Number(id) % 3 === 1 ? { delete: [id, null, null] } : { update: [id, 'part', unchanged] })))),
  );
  assert.deepEqual(await bench.rows('select count(*), name, note from items group by 2, 3 order by 2'), ['1000|full|new', '1000|part|long']);
  await bench.close();
});

test('a key change keeps an unchanged value, also in a cycle', async () => {
  const bench = await sinkBench(cluster, `${ddl}; insert into items values (1, 'a', 'note a'), (2, 'b', 'note b')`);
  await bench.commit(
    rowsStep(makeBatch(items, [
      { update: ['9', 'a', unchanged], old: ['1', null, null] },
      { update: ['1', 'b', unchanged], old: ['2', null, null] },
      { update: ['2', 'a', unchanged], old: ['9', null, null] },
    ])),
  );
  assert.deepEqual(await bench.rows('select * from items order by id'), ['1|b|note b', '2|a|note a']);
  await bench.close();
});

test('values that swap or are handed over under a unique constraint; an exclusion constraint too', async () => {
  const bench = await sinkBench(
    cluster,
    `create table items (id int primary key, name text unique, note text); insert into items values (1, 'a', ''), (2, 'b', ''), (3, 'c', '');
     create table spans (id int primary key, span int4range, exclude using gist (span with &&)); insert into spans values (1, '[1,5)'), (2, '[5,9)')`,
  );
  const spans = testRelation('spans', { id: 23, span: 3904 });
  await bench.commit(
    rowsStep(
      makeBatch(items, [{ update: ['1', 'tmp', unchanged] }, { update: ['2', 'a', unchanged] }, { update: ['1', 'b', unchanged] }]),
      makeBatch(spans, [{ update: ['1', '[100,105)'] }, { update: ['2', '[1,5)'] }, { update: ['1', '[5,9)'] }]),
    ),
  );
  assert.deepEqual(await bench.rows('select * from items order by id'), ['1|b|', '2|a|', '3|c|']);
  assert.deepEqual(await bench.rows('select * from spans order by id'), ['1|[5,9)', '2|[1,5)']);
  await bench.commit(rowsStep(makeBatch(items, [{ update: ['3', 'd', ''] }, { insert: ['0', 'c', ''] }])));
  assert.deepEqual(await bench.rows('select id, name from items order by id'), ['0|c', '1|b', '2|a', '3|d']);
  await bench.close();
});

test('generated and identity columns, deferrable keys, no key at the target, other types', async () => {
  const bench = await sinkBench(
    cluster,
    `create table gen (id int generated always as identity primary key, a int, b int generated always as (a * 2) stored);
     create table ident (id int primary key, n int generated always as identity);
     create table lazy (id int primary key deferrable, a int); create table bare (id int, a int);
     create type mood as enum ('good', 'bad'); create table types (id int8 primary key, v varchar(3), m mood, n numeric(6,2), l int[])`,
  );
  const pair = (name: string, second: string) => testRelation(name, { id: 23, [second]: 23 });
  const enumType = { oid: 90001, schema: 'public', name: 'mood', kind: 'enum', labels: ['good', 'bad'], binary: true } as const;
  const types = testRelation('types', { id: 23, v: 25, m: enumType, n: 20, l: 1007 });
  for (const round of [1, 700]) {
    const ids = Array.from({ length: round }, (_, i) => String(i));
    const insert = rowsStep(
      ...[pair('gen', 'a'), pair('ident', 'n'), pair('lazy', 'a'), pair('bare', 'a')].map((relation) => makeBatch(relation, ids.map((id) => ({ insert: [id, '1'] })))),
      makeBatch(types, ids.map((id) => ({ insert: [id, 'abc', 'good', '12', '{1,2}'] })), ['l']),
    );
    const change = rowsStep(
      ...[pair('gen', 'a'), pair('ident', 'n'), pair('lazy', 'a'), pair('bare', 'a')].map((relation) => makeBatch(relation, ids.map((id) => ({ update: [id, '2'] })))),
      makeBatch(types, ids.map((id) => ({ update: [id, unchanged, 'bad', '13', unchanged] }))),
    );
    await bench.commit({ kind: 'truncate', truncate: { targets: ['gen', 'ident', 'lazy', 'bare'].map((name) => targetOf(pair(name, 'a'))), cascade: false, restartIdentity: true } }, { kind: 'truncate', truncate: { targets: [targetOf(types)], cascade: false, restartIdentity: false } }, insert);
    await bench.commit(change);
    for (const [table, row] of [['gen', '2|4'], ['ident', '2'], ['lazy', '2'], ['bare', '2'], ['types', 'abc|bad|13.00|{1,2}']] as const) {
      const columns = { gen: 'a, b', ident: 'n', lazy: 'a', bare: 'a', types: 'v, m, n, l' }[table];
      assert.deepEqual(await bench.rows(`select count(*), ${columns} from ${table} group by ${columns}`), [`${round}|${row}`], table);
    }
  }
  await bench.close();
});

test('foreign keys without the replica role: source order', async () => {
  const setup = `create role plain login; create table parent (id int primary key); create table child (id int primary key, parent int references parent on delete cascade, note text);
    insert into parent values (1); insert into child values (1, 1, 'kept'); grant all on parent, child to plain; grant create on database postgres to plain`;
  for (const user of [undefined, 'plain']) {
    const bench = await sinkBench(cluster, user ? setup : setup.replace('create role plain login;', '').replaceAll('to plain', 'to postgres'), {});
    const used = user ? await (async () => {
      const name = (await bench.rows('select current_database()'))[0];
      await bench.connection.query(`grant create on database ${name} to plain; grant usage on schema millrace to plain; grant all on all tables in schema millrace to plain`);
      const { PostgresSink } = await import('./sink.ts');
      const { silentLogger, systemClock } = await import('../../../base/index.ts');
      const { parsePgUrl } = await import('../../../wire/index.ts');
      const sink = new PostgresSink({ connect: { ...parsePgUrl(cluster.url(name)), user }, consumer: 'plain', identityOf: () => ({ systemId: '7', timeline: 1 }), onBadRow: 'stop', clock: systemClock, logger: silentLogger });
      await sink.open();
      return sink;
    })() : bench.sink;
    const parent = testRelation('parent', { id: 23 });
    const child = testRelation('child', { id: 23, parent: 23, note: 25 });
    const [add] = [makeBatch(parent, [{ insert: ['2'] }])];
    const move = makeBatch(child, [{ update: ['1', '2', unchanged] }]);
    const drop = makeBatch(parent, [{ delete: ['1'] }]);
    const { asPosition } = await import('../../../data/index.ts');
    await used.commit('shop', asPosition(16n), [{ kind: 'rows', writes: [add, move, drop].map((batch) => writeOf(batch as never)) }]);
    assert.deepEqual(await bench.rows('select * from child'), ['1|2|kept']);
    assert.deepEqual(await bench.rows('select * from parent'), ['2']);
    if (used !== bench.sink) await used.close();
    await bench.close();
  }
});

test('tables without a key: one of equal rows', async () => {
  const bench = await sinkBench(cluster, 'create table logs (a int, j json)');
  const logs = testRelation('logs', { a: 23, j: 114 }, [], 'full');
  await bench.commit(rowsStep(makeBatch(logs, [{ insert: ['1', '{}'] }, { insert: ['1', '{}'] }, { insert: ['2', null] }, { insert: ['3', '[]'] }])));
  await bench.commit(rowsStep(makeBatch(logs, [{ delete: ['1', '{}'] }, { update: ['9', null], old: ['2', null] }])));
  assert.deepEqual(await bench.rows('select * from logs order by a'), ['1|{}', '3|[]', '9|~']);
  await bench.close();
});

test('a second sink fences the first', async () => {
  const bench = await sinkBench(cluster, ddl);
  await bench.commit(rowsStep(makeBatch(items, [{ insert: ['1', 'a', ''] }])));
  const second = bench.another();
  assert.equal((await second.open()).length, 1);
  await assert.rejects(bench.commit(rowsStep(makeBatch(items, [{ insert: ['2', 'b', ''] }]))), { code: 'FENCED' });
  assert.deepEqual(await bench.rows('select count(*) from items'), ['1']);
  await second.close();
  await bench.close();
});

test('TRUNCATE with its relations between rows, cascading, under foreign keys', async () => {
  const bench = await sinkBench(cluster, 'create table parent (id int primary key); create table child (id int primary key, parent int references parent)');
  const [parent, child] = [testRelation('parent', { id: 23 }), testRelation('child', { id: 23, parent: 23 })];
  const rows = (id: string) => rowsStep(makeBatch(parent, [{ insert: [id] }]), makeBatch(child, [{ insert: [id, id] }]));
  await bench.commit(rows('1'), { kind: 'truncate', truncate: { targets: [targetOf(parent), targetOf(child)], cascade: false, restartIdentity: false } }, rows('2'));
  assert.deepEqual(await bench.rows('select * from child'), ['2|2']);
  await bench.commit({ kind: 'truncate', truncate: { targets: [targetOf(parent)], cascade: true, restartIdentity: true } });
  assert.deepEqual(await bench.rows('select * from child union all select id, id from parent'), []);
  await bench.close();
});

test('partial updates with several masks, one of a row that is not there', async () => {
  const bench = await sinkBench(cluster, `${ddl}; insert into items select n, 'a' || n, 'note' from generate_series(1, 4) n`);
  const { deadLetters } = await bench.commit(
    rowsStep(makeBatch(items, [{ update: ['1', 'x', unchanged] }, { update: ['2', unchanged, 'y'] }, { update: ['1', unchanged, 'z'] }, { update: ['3', unchanged, unchanged] }, { update: ['8', unchanged, 'q'] }])),
  );
  assert.equal(deadLetters, 1);
  assert.deepEqual(await bench.rows('select * from items order by id'), ['1|x|z', '2|a2|y', '3|a3|note', '4|a4|note']);
  await bench.close();
});

test('a column that comes while the sink is open', async () => {
  const bench = await sinkBench(cluster, ddl);
  await bench.commit(rowsStep(makeBatch(items, [{ insert: ['1', 'a', 'x'] }])));
  await bench.connection.query('alter table items add column more int');
  const wider = testRelation('items', { id: 23, name: 25, note: 25, more: 23 });
  await bench.commit(rowsStep(makeBatch(items, [{ update: ['1', 'b', unchanged] }])), rowsStep(makeBatch(wider, [{ update: ['1', 'c', unchanged, '5'] }])));
  assert.deepEqual(await bench.rows('select * from items'), ['1|c|x|5']);
  await bench.close();
});

test('which way rows take is found out anew when indexes were made', async () => {
  const bench = await sinkBench(cluster, ddl);
  const session = await Session.open({ connect: bench.connection.options, logger: silentLogger });
  const layouts = new Layouts(() => 0);
  const write = writeOf(makeBatch(items, [{ update: ['1', 'a', 'x'] }]));
  const look = async (): Promise<unknown[]> => {
    await layouts.load(session, [{ kind: 'rows', writes: [write] }]);
    const { rewrites, sharedByKey } = layouts.get(write, session.replicaRole);
    return [rewrites, sharedByKey];
  };
  assert.deepEqual(await look(), [true, true]);
  await bench.connection.query('create index on items (note); create unique index on items (lower(name))');
  assert.deepEqual(await look(), [true, true]);
  layouts.outdate();
  assert.deepEqual(await look(), [false, false]);
  await session.connection.close();
  await bench.close();
});
