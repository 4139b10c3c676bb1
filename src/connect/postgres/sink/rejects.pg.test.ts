// Rows that rules and transforms reject: none vanishes, none takes a column along that the rules withhold.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { asPosition, type Relation } from '../../../data/index.ts';
import type { TableStep } from '../../../flow/index.ts';
import { compileRoutes } from '../../../replica/index.ts';
import { makeBatch, makeRelation, makeRule, makeRun, makeSpec, type RowChange } from '../../../replica/rules/testing.ts';
import type { TableRule } from '../../../replica/spec.ts';
import { parsePgUrl } from '../../../wire/index.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { listLetters, replayLetter, showLetter } from '../../index.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

const orders = makeRelation('public.orders', { id: 'int4', n: 'int4', secret: 'text?', email: 'text?', note: 'text?' }, ['id']);
const ddl = 'create table orders (id int primary key, n int, email text, note text, share int)';
/** 100 / n fails for n = 0; secret never leaves, email only as a hash. */
const rule: Partial<TableRule> = { add: { share: { kind: 'sql', sql: '100 / n' } }, drop: ['secret'], mask: { email: { kind: 'hash', salt: 's' } } };

const row = (id: string, n: string, note?: string): readonly (string | null | undefined)[] => [id, n, 'hush', 'mail@hush', note];
const insert = (id: string, n: string): RowChange => ({ op: 'insert', after: row(id, n, 'x') });
const update = (id: string, n: string, note?: string, old?: string): RowChange => ({ op: 'update', after: row(id, n, note), ...(old ? { before: [old, null, null, null, null] } : {}) });
const remove = (id: string): RowChange => ({ op: 'delete', before: [id, null, null, null, null] });

async function stepsOf(changes: readonly RowChange[], relation: Relation = orders, given: Partial<TableRule> = rule): Promise<TableStep[]> {
  const routes = await compileRoutes(makeSpec([makeRule('public.*', given)]), 'shop', [relation]);
  assert.deepEqual(routes.problems, []);
  return routes.steps(makeRun(makeBatch(relation, changes)));
}

const connectOf = async (bench: SinkBench) => parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0]));
const states = async (bench: SinkBench): Promise<string[]> =>
  (await listLetters(await connectOf(bench), 'replica', { all: true })).map(({ op, key, code, state }) => `${op} ${key.join()} ${code} ${state}`);

test('a rejected row becomes a letter beside the rows around it, without what the rules withhold', async () => {
  const bench = await sinkBench(cluster, ddl);
  assert.deepEqual(await bench.commit(...(await stepsOf([insert('1', '5'), insert('2', '0'), insert('3', '4')]))), { rows: 2, deadLetters: 1 });
  assert.deepEqual(await bench.commit(...(await stepsOf([update('1', '0', 'y')]))), { rows: 0, deadLetters: 1 });
  assert.deepEqual(await bench.rows('select id, share from orders order by id'), ['1|20', '3|25']);
  assert.deepEqual(await states(bench), ['insert 2 TRANSFORM_FAILED open', 'update 1 TRANSFORM_FAILED open']);
  const connect = await connectOf(bench);
  const letter = await showLetter(connect, 'replica', '1');
  assert.deepEqual(letter.row, { id: '2', n: '0', note: 'x' });
  assert.match(letter.message, /division by zero/);
  assert.equal(letter.rejectedBy, 'rule');
  // Neither in the row nor in its bytes nor in what describes them.
  assert.deepEqual(await bench.rows("select id from millrace.dead_letters d where position('hush' in d::text) > 0 or position('hush'::bytea in tuple) > 0 or position('secret' in relation::text) > 0"), []);
  await assert.rejects(replayLetter(connect, 'replica', '1'), (error: Error & { code: string; hint: string }) => error.code === 'LETTER_OF_RULE' && /millrace resync replica\.public\.orders/.test(error.hint));
  await bench.close();
});

test('letters of the target have no dropped columns either', async () => {
  const bench = await sinkBench(cluster, 'create table orders (id int primary key, n int check (n > 0), email text, note text)');
  assert.equal((await bench.commit(...(await stepsOf([insert('1', '0'), insert('2', '1')], orders, { drop: ['secret'] })))).deadLetters, 1);
  assert.deepEqual((await showLetter(await connectOf(bench), 'replica', '1')).row, { id: '1', n: '0', email: 'mail@hush', note: 'x' });
  assert.deepEqual(await bench.rows("select id from millrace.dead_letters d where position('\"hush\"' in d::text) > 0 or position('\\x0000000468757368'::bytea in tuple) > 0 or position('secret' in d::text) > 0"), []);
  await bench.connection.query('alter table orders drop constraint orders_n_check');
  await replayLetter(await connectOf(bench), 'replica', '1');
  assert.deepEqual(await bench.rows('select * from orders order by id'), ['1|0|mail@hush|x', '2|1|mail@hush|x']);
  await bench.close();
});

test('order within a commit: earlier rows of the key stay, later whole ones supersede, later partial ones join', async () => {
  const bench = await sinkBench(cluster, `${ddl}; insert into orders values (4, 1, '', 'long', 100), (5, 1, '', 'long', 100), (6, 1, '', 'x', 100), (7, 1, '', 'x', 100)`);
  await bench.commit(...(await stepsOf([
    insert('1', '5'), update('1', '0', 'y'),
    insert('2', '0'), update('2', '10', 'z'),
    insert('3', '0'), remove('3'),
    update('4', '0', 'new'), update('4', '10', undefined),
    update('8', '0', 'moved', '5'), update('8', '50', 'again'),
    remove('6'), insert('6', '0'),
    update('7', '0', 'q'), update('9', '2', 'w', '7'),
  ])));
  assert.deepEqual(await bench.rows('select id, n, note from orders order by id'), ['1|5|x', '2|10|z', '4|1|long', '8|50|again', '9|2|w']);
  assert.deepEqual(await states(bench), [
    'update 1 TRANSFORM_FAILED open', 'insert 2 TRANSFORM_FAILED superseded', 'insert 3 TRANSFORM_FAILED superseded', 'update 4 TRANSFORM_FAILED open',
    'update 4 ROW_MISSING joined', 'update 8 TRANSFORM_FAILED superseded', 'insert 6 TRANSFORM_FAILED open', 'update 7 TRANSFORM_FAILED superseded',
  ]);
  await bench.commit(...(await stepsOf([update('1', '1', 'done'), remove('4')])));
  assert.deepEqual((await states(bench)).filter((state) => / (open|joined)$/.test(state)), ['insert 6 TRANSFORM_FAILED open']);
  const [orderRows] = await stepsOf([insert('10', '1')]);
  assert.ok(orderRows?.kind === 'rows' && orderRows.writes[0]);
  await bench.commit({ kind: 'truncate', truncate: { targets: [orderRows.writes[0].target], cascade: false, restartIdentity: false } });
  assert.deepEqual((await states(bench)).filter((state) => / (open|joined)$/.test(state)), []);
  await bench.close();
});

test('only rejected rows; a key that a rule computes, and one on which the rule fails too', async () => {
  const bench = await sinkBench(cluster, 'create table orders (_source text, id text, n int, share int, primary key (_source, id))');
  const given: Partial<TableRule> = { ...rule, drop: ['secret', 'email', 'note'], mask: { id: { kind: 'hash', salt: 's' } }, key: ['_source', 'id'], add: { ...rule.add, _source: { kind: 'constant', value: 'eu' } } };
  assert.deepEqual(await bench.commit(...(await stepsOf([insert('1', '0')], orders, given))), { rows: 0, deadLetters: 1 });
  assert.deepEqual((await showLetter(await connectOf(bench), 'replica', '1')).key.map((value) => value?.length), [2, 64]);
  await bench.commit(...(await stepsOf([update('1', '4', 'x')], orders, given)));
  assert.deepEqual(await bench.rows('select _source, share from orders'), ['eu|25']);
  const computed: Partial<TableRule> = { drop: ['secret', 'email', 'note'], key: ['_source', 'id'], add: { id: { kind: 'sql', sql: '(100 / id)::text' }, _source: { kind: 'constant', value: 'eu' }, share: { kind: 'constant', value: 1 } } };
  const relation = makeRelation('public.orders', { num: 'int4', n: 'int4' }, ['num']);
  const failing = { ...computed, drop: ['num'], add: { ...computed.add, id: { kind: 'sql', sql: '(100 / num)::text' } } } as const;
  assert.deepEqual(await bench.commit(...(await stepsOf([{ op: 'insert', after: ['0', '0'] }], relation, failing))), { rows: 0, deadLetters: 1 });
  assert.deepEqual((await states(bench)).map((state) => state.replace(/[0-9a-f]{64}/, 'hash')), ['insert eu,hash TRANSFORM_FAILED superseded', 'insert , TRANSFORM_FAILED open']);
  await bench.close();
});

test('a load has letters for rejected rows too; stop stops commits and loads, and goes on when the cause is mended', async () => {
  const bench = await sinkBench(cluster, ddl);
  const read = (id: string, n: string): RowChange => ({ op: 'read', after: row(id, n, 'x') });
  const load = async (sink: typeof bench.sink, changes: RowChange[]) => {
    const steps = await stepsOf(changes);
    const target = steps[0]?.kind === 'rows' ? steps[0].writes[0]?.target : undefined;
    assert.ok(target);
    return sink.load({ part: 'shop', from: orders, target, position: asPosition(5n), steps: (async function* () { yield* steps; })() }, new AbortController().signal);
  };
  assert.deepEqual(await load(bench.sink, [read('1', '1'), read('2', '0')]), { rows: 1, deadLetters: 1 });
  assert.deepEqual(await load(bench.sink, [read('3', '0')]), { rows: 0, deadLetters: 1 });
  assert.deepEqual(await states(bench), ['read 2 TRANSFORM_FAILED open', 'read 3 TRANSFORM_FAILED open']);
  await bench.close();
  const strict = await sinkBench(cluster, ddl, { onBadRow: 'stop' });
  const stopped = (error: Error & { code: string; hint: string }): boolean => error.code === 'ROW_REJECTED' && /public\.orders with key \(2\).*division by zero/.test(error.message) && /mend the rule/.test(error.hint);
  await assert.rejects(load(strict.sink, [read('1', '1'), read('2', '0')]), stopped);
  await assert.rejects(strict.commit(...(await stepsOf([insert('1', '1'), insert('2', '0')]))), stopped);
  assert.deepEqual(await strict.rows('select * from orders'), []);
  await strict.commit(...(await stepsOf([insert('1', '1'), insert('2', '1')])));
  assert.deepEqual(await strict.rows('select count(*) from orders'), ['2']);
  await strict.close();
});
