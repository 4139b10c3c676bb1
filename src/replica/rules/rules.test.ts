import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Relation } from '../../data/index.ts';
import { typeCodec } from '../../codec/index.ts';
import { fieldOf, Format, opNames, type RowBlock, type Run, Unchanged } from '../../data/index.ts';
import type { TableWrite } from '../../flow/index.ts';
import { compileRoutes } from '../index.ts';
import type { RowFunction, TableRule } from '../spec.ts';
import { makeBatch, makeRelation, makeRule, makeRun, makeSpec, type RowChange } from './testing.ts';

const columns = { id: 'int4', email: 'text?', total: 'numeric?', status: 'text' };
const orders = makeRelation('public.orders', columns, ['id']);
const fullOrders = makeRelation('public.orders', columns, ['id'], 'full');

/** Rows of a write as text, by column; `undefined` is unchanged. */
function shown(write: TableWrite): unknown[] {
  const { batch, fields, target } = write;
  const values = (block: RowBlock, row: number): unknown => {
    if (block.offsets[row] === block.offsets[row + 1]) return undefined;
    return Object.fromEntries(target.columns.map((column, i) => {
      const field = fields[i] as number;
      const bytes = fieldOf(block.bytes, block.offsets[row] as number, field);
      const text = !bytes ? bytes : batch.formats[field] === Format.text ? bytes.toString() : typeCodec(column.type).toText(bytes);
      return [column.name, text];
    }));
  };
  const rows = write.rows ? [...write.rows] : Array.from({ length: batch.count }, (_, i) => i);
  return rows.map((row) => [opNames[batch.ops[row] as number], values(batch.after, row), values(batch.before, row)]);
}

async function apply(relation: Relation, rule: Partial<TableRule>, changes: readonly RowChange[], run?: Partial<Run>): Promise<{ rows: unknown[]; errors: string[]; write: TableWrite | undefined }> {
  const routes = await compileRoutes(makeSpec([makeRule('public.*', rule)]), 'shop', [relation]);
  assert.deepEqual(routes.problems, []);
  const [step] = routes.steps({ ...makeRun(makeBatch(relation, changes)), ...run });
  const write = step?.kind === 'rows' ? step.writes[0] : undefined;
  return { rows: write ? shown(write) : [], errors: write?.rejected?.errors.map((error) => error.message) ?? [], write };
}

async function problems(relation: Relation, rule: Partial<TableRule>): Promise<string[]> {
  return (await compileRoutes(makeSpec([makeRule('public.*', rule)]), 'shop', [relation])).problems.map((problem) => problem.message);
}

const one: RowChange = { op: 'insert', after: ['1', 'a@b', '2.50', 'new'] };

test('masks: null, fixed, and the hash of salt and text', async () => {
  const { rows } = await apply(orders, { mask: { email: { kind: 'hash', salt: 's' }, total: { kind: 'null' }, status: { kind: 'fixed', value: 'x' } } }, [
    one, { op: 'update', after: ['1', undefined, null, 'b'] },
  ]);
  const email = createHash('sha256').update('sa@b').digest('hex');
  assert.deepEqual(rows, [
    ['insert', { id: '1', email, total: null, status: 'x' }, undefined],
    ['update', { id: '1', email: undefined, total: null, status: 'x' }, undefined],
  ]);
});

test('added columns and meta columns', async () => {
  const { rows, errors } = await apply(orders, {
    add: { tenant: { kind: 'constant', value: 'acme' }, n: { kind: 'constant', value: 7 }, doubled: { kind: 'sql', sql: 'total * 2' } }, meta: true, drop: ['email', 'status'],
  }, [one, { op: 'update', after: ['1', null, undefined, 'x'] }]);
  const meta = (op: string): object => ({ _source: 'shop', _op: op, _committed_at: '2023-11-14 22:13:20+00' });
  assert.deepEqual(errors, []);
  assert.deepEqual(rows, [
    ['insert', { id: '1', total: '2.50', tenant: 'acme', n: '7', doubled: '5.00', ...meta('insert') }, undefined],
    ['update', { id: '1', total: undefined, tenant: 'acme', n: '7', doubled: undefined, ...meta('update') }, undefined],
  ]);
});

test('an expression that fails costs one row, and the letter holds back what the rules hide', async () => {
  const { rows, errors, write } = await apply(orders, { add: { x: { kind: 'sql', sql: '1 / (id - 1)' } }, drop: ['email'] }, [
    one, { op: 'insert', after: ['3', 'c', '1', 's'] },
  ]);
  assert.match(errors[0] ?? '', /division by zero/);
  assert.equal(rows.length, 1);
  const letter = write?.rejected;
  assert.ok(letter);
  assert.deepEqual([0, 1, 2].map((field) => fieldOf(letter.batch.after.bytes, letter.batch.after.offsets[0] as number, field)?.toString()), ['1', undefined, '2.50']);
});

const whereOpen: Partial<TableRule>[] = [{ where: "status <> 'draft'" }, { where: (row) => row['status'] !== 'draft' }];
for (const rule of whereOpen) {
  test(`where as ${typeof rule.where}: rows come and go with their condition`, async () => {
    const changes: RowChange[] = [
      { op: 'insert', after: ['1', null, null, 'draft'] },
      { op: 'insert', after: ['2', null, null, 'new'] },
      { op: 'update', after: ['2', null, null, 'draft'] },
      { op: 'update', after: ['9', null, null, 'draft'], before: ['2', null, null, null] },
      { op: 'update', after: ['1', null, null, undefined] },
      { op: 'delete', before: ['1', null, null, null] },
    ];
    const { rows, errors } = await apply(orders, rule, changes);
    const key = (id: string): object => ({ id, email: null, total: null, status: null });
    assert.deepEqual(rows, [
      ['insert', { id: '2', email: null, total: null, status: 'new' }, undefined],
      ['delete', undefined, key('2')],
      ['delete', undefined, key('2')],
      ['delete', undefined, key('1')],
    ]);
    assert.match(errors[0] ?? '', /`where` needs "status", which the source did not send/);
  });
  test(`where as ${typeof rule.where} under the full identity fills unchanged values and knows what was there`, async () => {
    const { rows } = await apply(fullOrders, rule, [
      { op: 'update', after: ['1', undefined, null, 'new'], before: ['1', 'big', null, 'draft'] },
      { op: 'update', after: ['1', undefined, null, 'draft'], before: ['1', 'big', null, 'draft'] },
      { op: 'update', after: ['2', undefined, null, undefined], before: ['1', 'big', null, 'new'] },
      { op: 'delete', before: ['1', 'big', null, 'draft'] },
    ]);
    assert.deepEqual(rows, [
      ['insert', { id: '1', email: 'big', total: null, status: 'new' }, undefined],
      ['update', { id: '2', email: 'big', total: null, status: 'new' }, { id: '1', email: null, total: null, status: null }],
    ]);
  });
}

test('soft deletes mark the row and leave its values; ignored ones leave it', async () => {
  const changes: RowChange[] = [one, { op: 'delete', before: ['1', null, null, null] }];
  const soft = await apply(orders, { deletes: 'soft' }, changes);
  const row = { id: '1', email: 'a@b', total: '2.50', status: 'new' };
  assert.deepEqual(soft.rows, [
    ['insert', { ...row, _deleted_at: null }, undefined],
    ['update', { id: '1', email: undefined, total: undefined, status: undefined, _deleted_at: '2023-11-14 22:13:20+00' }, undefined],
  ]);
  assert.deepEqual((await apply(orders, { deletes: 'ignore' }, changes)).rows, [['insert', row, undefined]]);
  assert.deepEqual(await problems(orders, { deletes: 'soft', where: 'id > 1' }), ['`where` with `deletes: soft` needs the whole old row, to know whether the deleted row was at the target']);
});

test('TRUNCATE: passed over where deletes are ignored, refused where they are soft', async () => {
  const truncate = { relations: [orders], cascade: false, restartIdentity: false };
  assert.equal((await apply(orders, { deletes: 'ignore' }, [], { batches: [], truncate })).write, undefined);
  await assert.rejects(apply(orders, { deletes: 'soft' }, [], { batches: [], truncate }), { code: 'RULE_INVALID' });
});

test('a transform makes rows, passes bytes on, drops rows, and fails for one row at a time', async () => {
  const row: RowFunction = ({ total, ...rest }) => {
    if (rest['status'] === 'bad') throw new Error('no');
    if (rest['status'] === 'gone') return null;
    return { ...rest, cents: total === null || total === Unchanged ? total : Number(total) * 100 };
  };
  const { rows, errors, write } = await apply(orders, { row }, [
    one,
    { op: 'insert', after: ['2', null, '1', 'bad'] },
    { op: 'update', after: ['1', undefined, undefined, 'paid'] },
    { op: 'update', after: ['1', null, null, 'gone'] },
    { op: 'delete', before: ['5', null, null, null] },
  ]);
  assert.deepEqual(write?.target.columns.map((column) => `${column.name} ${column.typeText}`), ['id integer', 'email text', 'status text', 'cents double precision']);
  assert.deepEqual(errors, ['the transform threw: no']);
  const key = (id: string): object => ({ id, email: null, status: null, cents: null });
  assert.deepEqual(rows, [
    ['insert', { id: '1', email: 'a@b', status: 'new', cents: '250' }, undefined],
    ['update', { id: '1', email: undefined, status: 'paid', cents: undefined }, undefined],
    ['delete', undefined, key('1')],
    ['delete', undefined, key('5')],
  ]);
});

test('a transform may compute the key under the full identity only', async () => {
  const row: RowFunction = (source) => ({ ...source, id: Number(source['id']) + 100 });
  const full = await apply(fullOrders, { row }, [{ op: 'update', after: ['2', null, null, 's'], before: ['1', null, null, 's'] }]);
  assert.deepEqual(full.rows, [['update', { id: '102', email: null, total: null, status: 's' }, { id: '101', email: null, total: null, status: null }]]);
  const key = await apply(orders, { row }, [one]);
  assert.match(key.errors[0] ?? '', /the key column "id" must be passed on as it is/);
});

test('a returned value that does not fit, a stray column and a promise are errors of the row', async () => {
  const bad = (value: unknown): RowFunction => (row) => (row['status'] === 'new' ? (value as never) : row);
  const error = async (value: unknown): Promise<string | undefined> => (await apply(orders, { row: bad(value) }, [one])).errors[0];
  assert.match((await error({ id: 1, total: 'abc', status: 's' })) ?? '', /"id" must be passed on|"total"/);
  assert.match((await error({ other: 1 })) ?? '', /a column "other", which the target table does not have/);
  assert.match((await error(Promise.resolve({}))) ?? '', /a promise \(it must be synchronous\)/);
});

test('an appendOnly table takes inserts; an update is refused', async () => {
  const { rows, errors } = await apply(makeRelation('public.log', { line: 'text' }, []), { appendOnly: true }, [
    { op: 'insert', after: ['a'] }, { op: 'update', after: ['b'] },
  ]);
  assert.equal(rows.length, 1);
  assert.match(errors[0] ?? '', /an update came for a table that is declared appendOnly/);
});

test('rules that cannot work say so', async () => {
  assert.deepEqual(await problems(orders, { mask: { id: { kind: 'null' } } }), ['the key column id has the same value in all rows under its mask']);
  assert.deepEqual(await problems(orders, { key: ['status'] }), ["status is made of a column outside the source's key, whose old value an update or delete does not carry"]);
  assert.deepEqual(await problems(fullOrders, { key: ['status'] }), []);
  assert.deepEqual(await problems(orders, { mask: { total: { kind: 'fixed', value: 'abc' } } }), ['the mask of total is not a value of its type, numeric']);
  assert.match((await problems(orders, { where: 'stauts = 1' }))[0] ?? '', /column "stauts" does not exist/);
  assert.match((await problems(orders, { add: { id: { kind: 'constant', value: 1 } } }))[0] ?? '', /would both become the column id/);
});

test('a condition on a large column under the default identity is a warning with the mend', async () => {
  const routes = await compileRoutes(makeSpec([makeRule('public.*', { where: "status = 'x'" })]), 'shop', [orders]);
  assert.deepEqual(routes.problems, []);
  assert.equal(routes.warnings[0]?.hint, 'at the source: alter table "public"."orders" replica identity full');
});

test('a failure over a withheld column does not quote its value', async () => {
  const { errors } = await apply(orders, { drop: ['email'], where: 'email::int4 > 0' }, [one]);
  assert.equal(errors.length, 1);
  assert.doesNotMatch(errors[0] ?? '', /a@b/);
});

test('two rules for one table with one target are refused; rows of a snapshot have no commit time', async () => {
  const twice = await compileRoutes(makeSpec([makeRule('public.orders'), makeRule('public.orders')]), 'shop', [orders]);
  assert.deepEqual(twice.problems.map((problem) => problem.message), ['two rules send it to public.orders']);
  const { rows } = await apply(orders, { meta: true, drop: ['email', 'total', 'status'] }, [{ op: 'read', after: ['1', null, null, 's'] }]);
  assert.deepEqual(rows, [['read', { id: '1', _source: 'shop', _op: 'read', _committed_at: null }, undefined]]);
});
