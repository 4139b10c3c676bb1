// Names that nothing has: a rule that would never apply, a pattern, a table to be read again, a replica that has taken nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createLogger, type MillraceError } from '../base/index.ts';
import { loadProject, planProject, resync, resyncRows, run, verify } from '../control/index.ts';
import { withConnection } from '../wire/index.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';

let cluster: Cluster;
let folder: string;
const logger = createLogger('silent');

before(async () => {
  cluster = await startCluster();
  await withConnection(cluster.url(), async (admin) => {
    for (const name of ['shop', 'warehouse']) await admin.query(`create database ${name}`);
  });
  await withConnection(cluster.url('shop'), (shop) => shop.query('create table orders (id int primary key); insert into orders values (1); create table people (id int primary key)'));
  folder = mkdtempSync(join(tmpdir(), 'millrace-names-'));
});
after(async () => {
  await cluster.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function project(tables: string, rules: string): ReturnType<typeof load> {
  writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1
sources:
  shop:
    postgres: ${cluster.url('shop')}
    tables: [${tables}]
replicas:
  warehouse:
    from: shop
    postgres: ${cluster.url('warehouse')}
    tables:
      shop.public.*: sales.*
${rules}`);
  return load();
}
const load = async (): Promise<Awaited<ReturnType<typeof loadProject>>['project']> => (await loadProject(folder, { env: {} })).project;
const error = (code: string, text: RegExp) => (thrown: MillraceError): boolean => thrown.code === code && text.test(`${thrown.message}\n${thrown.where}\n${thrown.hint}`);

test('a rule for a table that does not exist stops up, and plan says so: its mask would hide nothing', async () => {
  const misspelled = await project('public.*', '      shop.public.peple: { mask: { id: "null" } }\n      shop.publik.*: old.*\n');
  const plan = await planProject(misspelled);
  assert.deepEqual(plan.replicas['warehouse']?.problems.map(({ table, hint }) => [table, hint]), [
    ['shop.public.peple', 'did you mean "shop.public.people"?'], ['shop.publik.*', 'correct the name; `millrace plan` lists the tables'],
  ]);
  const running = await run(misspelled, { logger });
  try {
    await assert.rejects(running.caughtUp(), error('TABLE_UNKNOWN', /shop\.public\.peple.*\nmillrace\.yaml:12:7\n/));
  } finally {
    await running.stop();
  }
});

test('a pattern of the source that matches nothing', async () => {
  await assert.rejects(planProject(await project('public.orders, publik.*', '')), error('TABLE_UNKNOWN', /"publik\.\*" matches no table.*\nmillrace\.yaml:3:3, .*\ndid you mean "public\.\*"/));
});

test('verify before anything ran; resync by either name of a table, and of one that is not there', async () => {
  const sound = await project('public.*', '');
  await withConnection(cluster.url('warehouse'), (target) => target.query('drop schema if exists millrace cascade'));
  await assert.rejects(verify(sound, [], new AbortController().signal), error('VERIFY_IMPOSSIBLE', /has taken nothing yet/));
  await assert.rejects(resync(sound, 'warehouse', ['public.orders']), error('TABLE_UNKNOWN', /has not read any table yet\n[^\n]*\nnothing: the first `millrace up`/));
  const running = await run(sound, { logger });
  try {
    await running.caughtUp();
    await assert.rejects(running.resync('warehouse', ['public.ordrs']), error('TABLE_UNKNOWN', /takes no table/));
  } finally {
    await running.stop();
  }
  await assert.rejects(resync(sound, 'warehouse', ['sales.ordrs']), error('TABLE_UNKNOWN', /did you mean "warehouse\.sales\.orders"/));
  const states = (): Promise<string> => withConnection(cluster.url('warehouse'), async (target) =>
    (await target.rows<{ t: string }>("select string_agg(source_table || ' ' || state, ', ' order by source_table) as t from millrace.tables"))[0]?.t ?? '');
  assert.equal(await states(), 'public.orders done, public.people done');
  // Single rows need the stream; whole tables do not.
  await assert.rejects(resyncRows(sound, 'warehouse', ['sales.orders'], 'repair'), error('NOT_RUNNING', /single rows.*\n.*\nstart `millrace up`.*`millrace resync warehouse\.sales\.orders`/));
  await assert.rejects(resyncRows(sound, 'warehouse', [], { where: 'true' }), error('NOT_RUNNING', /`millrace resync warehouse`/));
  assert.equal(await resync(sound, 'warehouse', ['sales.orders']), 'at the next start');
  assert.equal(await states(), 'public.orders copying, public.people done');
  await resync(sound, 'warehouse', ['public.people']);
  assert.equal(await states(), 'public.orders copying, public.people copying');
});
