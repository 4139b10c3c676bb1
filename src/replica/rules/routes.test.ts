import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Relation } from '../../data/index.ts';
import { compileRoutes } from '../index.ts';
import { makeBatch, makeRelation, makeRule, makeRun, makeSpec, pattern } from './testing.ts';

const users = makeRelation('public.users', { UserId: 'int4', FullName: 'text?', ssn: 'text?' }, ['UserId']);
const orders = makeRelation('public.orders', { id: 'int4', note: 'text?' }, ['id']);
const columnsOf = (routes: Awaited<ReturnType<typeof compileRoutes>>): unknown =>
  routes.targets.map((target) => `${target.schema}.${target.name}(${target.columns.map((column) => column.name).join(',')})/${target.key.join(',')}`);
const messages = (routes: Awaited<ReturnType<typeof compileRoutes>>): string[] => routes.problems.map((one) => `${one.table}: ${one.message}`);

test('without a rule a table keeps its name and columns, and a batch is passed on untouched', async () => {
  const routes = await compileRoutes(makeSpec([]), 'shop', [users, orders]);
  assert.deepEqual(columnsOf(routes), ['public.users(UserId,FullName,ssn)/0', 'public.orders(id,note)/0']);
  const batch = makeBatch(orders, [{ op: 'insert', after: ['1', 'a'] }]);
  const [step] = routes.steps(makeRun(batch));
  assert.ok(step?.kind === 'rows');
  assert.equal(step.writes[0]?.batch, batch);
  assert.deepEqual([...step.writes[0].fields], [0, 1]);
  assert.equal(step.writes[0].target, routes.targets[1]);
});

test('rename, drop and snake_case: only what is made from the source is respelled', async () => {
  const rule = makeRule('public.users', { to: { schema: 'Sales', name: '*' }, drop: ['ssn'], rename: { FullName: 'DisplayName' } });
  const routes = await compileRoutes(makeSpec([rule], { names: 'snake_case' }), 'shop', [users]);
  assert.deepEqual(columnsOf(routes), ['Sales.users(user_id,DisplayName)/0']);
  const [step] = routes.steps(makeRun(makeBatch(users, [{ op: 'insert', after: ['1', 'a', 'secret'] }])));
  assert.ok(step?.kind === 'rows');
  assert.deepEqual([...(step.writes[0]?.fields ?? [])], [0, 1]);
});

test('exact rules come before globs, and several of them route a table to several', async () => {
  const rules = [
    makeRule('public.*', { to: { schema: 'all', name: '*' } }),
    makeRule('public.u*', { to: { schema: 'u', name: '*' } }),
    makeRule('public.orders', { to: { schema: 'a', name: 'orders' } }),
    makeRule('public.orders', { to: { schema: 'b', name: 'orders' } }),
  ];
  const routes = await compileRoutes(makeSpec(rules), 'shop', [users, orders]);
  assert.deepEqual(columnsOf(routes), ['u.users(UserId,FullName,ssn)/0', 'a.orders(id,note)/0', 'b.orders(id,note)/0']);
  const [step] = routes.steps(makeRun(makeBatch(orders, [{ op: 'insert', after: ['1', 'a'] }])));
  assert.equal(step?.kind === 'rows' && step.writes.length, 2);
});

test('two tables share a target when their columns agree, in whatever order', async () => {
  const other = makeRelation('eu.orders', { note: 'text', id: 'int4' }, ['id']);
  const rule = makeRule('*.orders', { to: { schema: 'all', name: 'orders' } });
  const routes = await compileRoutes(makeSpec([rule]), 'shop', [orders, other]);
  assert.deepEqual(columnsOf(routes), ['all.orders(id,note)/0']);
  assert.equal(routes.targets[0]?.columns[1]?.notNull, false);
  const [step] = routes.steps(makeRun(makeBatch(other, [{ op: 'insert', after: ['a', '1'] }])));
  assert.deepEqual(step?.kind === 'rows' && [...(step.writes[0]?.fields ?? [])], [1, 0]);
});

test('what cannot work is a problem with the next step', async () => {
  const twins = makeRelation('public.twins', { id: 'int4', fooBar: 'text', foo_bar: 'text' }, ['id']);
  const keyless = makeRelation('public.keyless', { a: 'text' }, []);
  const wide = makeRelation('eu.orders', { id: 'int8', note: 'text?' }, ['id']);
  const rules = [
    makeRule('public.users', { drop: ['UserId', 'snn'], place: 'millrace.yaml:7:3' }),
    makeRule('*.orders', { to: { schema: 'all', name: 'orders' } }),
  ];
  const routes = await compileRoutes(makeSpec(rules, { names: 'snake_case' }), 'shop', [users, orders, wide, twins, keyless]);
  assert.deepEqual(messages(routes), [
    'public.users: there is no column snn',
    'public.users: the key column UserId is not at the target, so rows cannot be found there',
    'public.twins: column fooBar and column foo_bar would both become the column foo_bar',
    'public.keyless: it has no primary key and no replica identity, so updates and deletes cannot be carried over',
    'eu.orders: it and public.orders both go to all.orders, but the column id is bigint here and integer there',
  ]);
  assert.equal(routes.problems[0]?.hint, 'did you mean ssn?');
  assert.equal(routes.problems[0]?.place, 'millrace.yaml:7:3');
  assert.match(routes.problems[3]?.hint ?? '', /alter table "public"\."keyless" replica identity full/);
  assert.throws(() => routes.steps(makeRun(makeBatch(twins, []))), { code: 'RULE_INVALID' });
});

test('a new shape is compiled when it comes; a table that is not taken is passed over', async () => {
  const spec = makeSpec([], { from: [{ source: 'shop', tables: [pattern('public.*'), pattern('!public.users')] }] });
  const routes = await compileRoutes(spec, 'shop', [orders, users]);
  assert.deepEqual(routes.steps(makeRun(makeBatch(users, [{ op: 'insert', after: ['1', null, null] }]))), []);
  const wider: Relation = makeRelation('public.orders', { id: 'int4', note: 'text?', price: 'numeric' }, ['id']);
  routes.steps(makeRun(makeBatch(wider, [{ op: 'insert', after: ['1', 'a', '2.50'] }])));
  assert.deepEqual(columnsOf(routes), ['public.orders(id,note,price)/0']);
});

test('TRUNCATE goes to all targets of its tables', async () => {
  const routes = await compileRoutes(makeSpec([]), 'shop', [orders, users]);
  const steps = routes.steps({ ...makeRun(), truncate: { relations: [orders, users], cascade: true, restartIdentity: false } });
  assert.deepEqual(steps, [{ kind: 'truncate', truncate: { targets: routes.targets, cascade: true, restartIdentity: false } }]);
});
