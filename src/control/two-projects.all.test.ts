// Two projects on one source, whose slots and publications have the same names unless they say otherwise: neither takes the other one's place
// without being told to, in whichever order they run, since the changes between would be gone without a word.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { createLogger } from '../base/index.ts';
import { type Cluster, startCluster } from '../cli/demo/cluster.ts';
import { parsePgUrl, PgConnection } from '../wire/index.ts';
import { loadProject } from './project/load.ts';
import { planRemoval } from './remove.ts';
import type { Running } from './status.ts';
import { run } from './supervise/run.ts';

let cluster: Cluster;
let shop: PgConnection;
let warehouse: PgConnection;
let count = 0;
let parent: string;
const running = new Set<Running>();

before(async () => {
  cluster = await startCluster();
});
after(() => cluster.remove());
beforeEach(async () => {
  count += 1;
  parent = mkdtempSync(join(tmpdir(), 'millrace-two-'));
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  for (const name of ['shop', 'warehouse']) await admin.query(`create database ${name}${count}`);
  await admin.close();
  [shop, warehouse] = await Promise.all([PgConnection.connect(parsePgUrl(cluster.url(`shop${count}`))), PgConnection.connect(parsePgUrl(cluster.url(`warehouse${count}`)))]);
  await shop.query('create table orders (id int primary key); create table people (id int primary key)');
});
afterEach(async () => {
  await Promise.all([...running].map(stop));
  await shop.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where active_pid is null');
  await Promise.all([shop.close(), warehouse.close()]);
  rmSync(parent, { recursive: true, force: true });
});

/** A project in a folder of this name: its only replica writes to a schema of the same name. */
function project(name: string, source: string, replica = name): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1
sources:
  shop: { postgres: "${cluster.url(`shop${count}`)}", ${source} }
replicas:
  ${replica}: { from: shop, postgres: "${cluster.url(`warehouse${count}`)}", tables: { "shop.public.*": "${replica}.*" } }
`);
  return folder;
}

const load = async (folder: string): ReturnType<typeof loadProject> => loadProject(folder, { env: {} });

async function start(folder: string): Promise<Running> {
  const one = await run((await load(folder)).project, { logger: createLogger('silent') });
  running.add(one);
  return one;
}

async function stop(one: Running): Promise<void> {
  running.delete(one);
  await one.stop();
}

/** Runs it until it is caught up. */
async function once(folder: string): Promise<void> {
  const one = await start(folder);
  await one.caughtUp();
  await stop(one);
}

async function refused(folder: string): Promise<void> {
  const one = await start(folder);
  await assert.rejects(one.caughtUp(), { code: 'SLOT_OF_ANOTHER_PROJECT' });
  await stop(one);
}

const forget = (folder: string): void => rmSync(join(folder, '.millrace'), { recursive: true });
const published = async (): Promise<string> =>
  (await shop.rows<{ t: string }>("select string_agg(pubname || ' ' || tablename, ', ' order by 1) as t from pg_publication_tables"))[0]?.t ?? '';
const ids = async (table: string): Promise<string> => (await warehouse.rows<{ t: string }>(`select coalesce(string_agg(id::text, ' ' order by id), '') as t from ${table}`))[0]?.t ?? '';
/** How often the table was read by a snapshot shows in nothing but when its note was written. */
const loadedAt = async (): Promise<unknown> => warehouse.rows('select consumer, source_table, updated_at::text from millrace.tables order by 1, 2');

test('while the first runs, a second one is refused, and one with a slot of its own has a publication of its own', async () => {
  const first = await start(project('first', 'tables: [public.orders]'));
  await first.caughtUp();
  await refused(project('second', 'tables: [public.people]'));
  assert.equal(await published(), 'millrace_shop orders');
  const third = await start(project('third', 'tables: [public.people], slot: third'));
  await third.caughtUp();
  assert.equal(await published(), 'millrace_shop orders, third people');
  await shop.query('insert into orders values (1); insert into people values (1)');
  await Promise.all([first.caughtUp(), third.caughtUp()]);
  assert.equal(`${await ids('first.orders')}, ${await ids('third.people')}`, '1, 1');
});

test('while the first is stopped, a second one is refused and changes nothing; the first goes on, also when its folder is lost or moved', async () => {
  const first = project('first', 'tables: [public.orders]');
  const second = project('second', 'tables: [public.people]');
  await once(first);
  const loaded = await loadedAt();
  await shop.query('insert into orders values (1)');
  await refused(second);
  await shop.query('insert into orders values (2)');
  forget(second);
  await refused(second);
  assert.equal(await published(), 'millrace_shop orders');
  await once(first);
  assert.equal(await ids('first.orders'), '1 2');

  await shop.query('insert into orders values (3)');
  forget(first);
  await refused(second);
  await once(first);
  assert.equal(await ids('first.orders'), '1 2 3');

  const moved = join(parent, 'moved');
  cpSync(first, moved, { recursive: true });
  rmSync(first, { recursive: true });
  await shop.query('insert into orders values (4)');
  await once(moved);
  assert.equal(await ids('first.orders'), '1 2 3 4');
  assert.deepEqual(await loadedAt(), loaded, 'nothing was read again');
});

test('a copied folder that was made another project is refused, with what it was copied from running or not', async () => {
  const first = project('first', 'tables: [public.orders]');
  await once(first);
  cpSync(first, join(parent, 'copy'), { recursive: true });
  const copy = project('copy', 'tables: [public.people]', 'other');
  await refused(copy);
  const original = await start(first);
  await original.caughtUp();
  await refused(copy);
  await shop.query('insert into orders values (1)');
  await original.caughtUp();
  assert.equal(`${await ids('first.orders')}; ${await published()}`, '1; millrace_shop orders');
});

test('two that start at the same moment: one gets slot and publication, the other one is refused, and nothing is lost to the one', async () => {
  const both = await Promise.all([start(project('first', 'tables: [public.orders]')), start(project('second', 'tables: [public.people]'))]);
  const outcomes = await Promise.allSettled(both.map((one) => one.caughtUp()));
  const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : []));
  assert.deepEqual(refusals, ['SLOT_OF_ANOTHER_PROJECT']);
  const firstWon = outcomes[0]?.status === 'fulfilled';
  await shop.query('insert into orders values (1); insert into people values (1)');
  await both[firstWon ? 0 : 1]?.caughtUp();
  assert.equal(await ids(firstWon ? 'first.orders' : 'second.people'), '1');
});

test('taking over is a word at the source: then the second one goes on, and the first one is refused until it has a slot of its own', async () => {
  const first = project('first', 'tables: [public.orders]');
  const second = project('second', 'tables: [public.people]');
  await once(first);
  const one = await start(second);
  const error = await one.caughtUp().then(() => undefined, (thrown: { hint: string }) => thrown);
  await stop(one);
  const sql = /comment on publication .*;/.exec(error?.hint ?? '')?.[0];
  assert.ok(sql, error?.hint);
  await shop.query(sql);
  await shop.query('insert into orders values (1); insert into people values (1)');
  await once(second);
  assert.equal(await ids('second.people'), '1');
  await refused(first);
  assert.equal(await published(), 'millrace_shop people');
  project('first', 'tables: [public.orders], slot: first');
  // Its position lies before its new slot: it does not go on as if nothing had happened.
  const behind = await start(first);
  await assert.rejects(behind.caughtUp(), { code: 'SLOT_LOST' });
  await behind.resync('first', []);
  await behind.resume('first');
  await behind.caughtUp();
  assert.equal(await ids('first.orders'), '1');
});

test('a publication that somebody else made: a slot that belongs to another project is refused all the same', async () => {
  await once(project('first', 'tables: [public.orders]'));
  await shop.query('create publication theirs for table people');
  await refused(project('second', 'tables: [public.people], publication: theirs'));
  await once(project('third', 'tables: [public.people], publication: theirs, slot: third'));
  assert.equal(await ids('third.people'), '');
});

test('a publication whose slot is gone belongs to nobody any more; what a user wrote into its comment stays', async () => {
  const first = project('first', 'tables: [public.orders]');
  const comment = async (): Promise<string> =>
    (await shop.rows<{ c: string }>("select obj_description(oid, 'pg_publication') as c from pg_publication where pubname = 'millrace_shop'"))[0]?.c ?? '';
  const projectOf = (text: string): string | undefined => /project (\w+)/.exec(text)?.[1];
  await once(first);
  const before = await comment();
  await shop.query(`comment on publication millrace_shop is 'of the shop team\n${before}'; select pg_drop_replication_slot('millrace_shop')`);
  await once(project('second', 'tables: [public.people]'));
  assert.match(await comment(), /^of the shop team\nMillrace: project [0-9a-f]{16}, slot millrace_shop, since \{.*\}$/);
  assert.notEqual(projectOf(await comment()), projectOf(before));
  await refused(first);
});

test('remove leaves slot and publication of another project, and takes its own, also without the folder', async () => {
  const first = project('first', 'tables: [public.orders]');
  const second = project('second', 'tables: [public.people]');
  await once(first);
  await refused(second);
  const plan = async (folder: string): Promise<string[]> => (await planRemoval((await load(folder)).project, true)).map(({ what, run: act }) => `${what} ${act ? 'goes' : 'stays'}`);
  assert.deepEqual(await plan(second), ['slot millrace_shop stays', 'publication millrace_shop stays', 'rows of second in millrace.meta, millrace.positions goes']);
  forget(first);
  assert.deepEqual(await plan(first), ['slot millrace_shop goes', 'publication millrace_shop goes', 'rows of first in millrace.meta, millrace.positions, millrace.tables goes']);
});
