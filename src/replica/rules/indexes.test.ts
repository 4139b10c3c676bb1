import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Relation, tableAddress } from '../../data/index.ts';
import type { TableShape } from '../../flow/index.ts';
import type { IndexRule, ReplicaSpec, TableRule } from '../spec.ts';
import { compileRoutes, type Routes } from './routes.ts';
import { makeRelation, makeRule, makeSpec } from './testing.ts';

const on = (...texts: readonly string[]): IndexRule[] => texts.map((text) => ({ on: text, unique: false }));
const orders = makeRelation('public.orders', { id: 'int4', OrderedAt: 'timestamptz', email: 'text?' }, ['id']);
const lines = makeRelation('public.lines', { id: 'int4', note: 'text?' }, ['id']);

const compile = (relations: readonly Relation[], rules: readonly TableRule[], spec: Partial<ReplicaSpec> = {}, shapes?: ReadonlyMap<string, ReadonlyMap<string, TableShape>>): Promise<Routes> =>
  compileRoutes(makeSpec(rules, spec), 'shop', relations, shapes ? { shapes } : {});
const indexesOf = (routes: Routes): Record<string, string[]> =>
  Object.fromEntries(routes.targets.flatMap((target) => (target.indexes ? [[tableAddress(target), target.indexes.map((index) => `${index.name.replace(/_[0-9a-f]{8}$/, '')} (${index.on})`)]] : [])));
/** As after a load. */
const shapes = (routes: Routes): Map<string, Map<string, TableShape>> => new Map(routes.takeShapes().map(({ relation, target }) => [
  tableAddress(relation), new Map([[tableAddress(target), { columns: target.columns.map(({ name, typeText, notNull }) => ({ name, typeText, notNull })), key: ['id'] }]]),
]));

test('columns are those of the target: renamed, made, masked, in snake case', async () => {
  const rule = makeRule('public.orders', {
    rename: { email: 'mail' }, add: { region: { kind: 'constant', value: 'eu' } }, meta: true, indexes: on('ordered_at desc', 'lower(mail), region', '_committed_at'), to: { schema: 'sales', name: '*' },
  });
  const routes = await compile([orders], [rule], { names: 'snake_case' });
  assert.deepEqual(routes.problems, []);
  assert.deepEqual(indexesOf(routes), { 'sales.orders': ['orders_ordered_at_idx (ordered_at desc)', 'orders_lower_region_idx (lower(mail), region)', 'orders__committed_at_idx (_committed_at)'] });
});

test('a rule for many tables makes an index where its columns are; one that fits none is a slip', async () => {
  const routes = await compile([orders, lines], [makeRule('public.*', { indexes: on('note', 'email', 'id, note') })]);
  assert.deepEqual(routes.problems, []);
  assert.deepEqual(indexesOf(routes), { 'public.orders': ['orders_email_idx (email)'], 'public.lines': ['lines_note_idx (note)', 'lines_id_note_idx (id, note)'] });
  const slip = await compile([orders, lines], [makeRule('public.*', { indexes: on('nose'), place: 'millrace.yaml:3:1' })]);
  assert.deepEqual(slip.problems.map(({ code, message, hint, place }) => [code, message, hint, place]), [['COLUMN_UNKNOWN', 'the target has no column nose for the index on (nose)', 'correct the name', 'millrace.yaml:3:1']]);
});

test('several tables of one target have the indexes of all their rules', async () => {
  const copy = makeRelation('public.copy', { id: 'int4', note: 'text?' }, ['id']);
  const to = { schema: 'public', name: 'all' };
  const routes = await compile([lines, copy], [makeRule('public.lines', { to, indexes: on('note') }), makeRule('public.copy', { to, indexes: on('NOTE', 'note desc') })]);
  assert.deepEqual(indexesOf(routes), { 'public.all': ['all_note_idx (NOTE)', 'all_note_idx (note desc)'] });
});

test('a table that goes on already is not stopped for the sake of an index', async () => {
  const known = shapes(await compile([orders], [makeRule('public.orders')]));
  const routes = await compile([orders], [makeRule('public.orders', { indexes: on('emial', 'lower(', 'email') })], {}, known);
  assert.deepEqual(routes.problems, []);
  assert.deepEqual(routes.notes.map(({ table, what }) => `${table}: ${what}`), [
    'public.orders: its index on (emial) is not made: the target has no column emial for the index on (emial); did you mean email?',
    'public.orders: its index on (lower() is not made: the index on (lower(): syntax error at end of input; correct the expression',
  ]);
  assert.deepEqual(indexesOf(routes), { 'public.orders': ['orders_email_idx (email)'] });
  const frozen = makeRelation('public.orders', { id: 'int4', OrderedAt: 'timestamptz' }, ['id']);
  const without = await compile([frozen], [makeRule('public.orders', { indexes: on('email') })], {}, known);
  assert.deepEqual([without.problems, indexesOf(without)], [[], { 'public.orders': ['orders_email_idx (email)'] }], 'the target has the column still');
});
