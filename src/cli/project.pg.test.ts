// The commands of a running project, by the real program against real servers: up, status, pause, resume, tail, dead, and what they leave.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findRunning } from '../control/index.ts';
import { parsePgUrl, PgConnection } from '../wire/index.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';

const script = fileURLToPath(new URL('./main.ts', import.meta.url));
let cluster: Cluster;
let folder: string;
let source: PgConnection;
let target: PgConnection;
let up: ChildProcess | undefined;

before(async () => {
  cluster = await startCluster();
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query('create database shop');
  await admin.query('create database warehouse');
  await admin.close();
  source = await PgConnection.connect(parsePgUrl(cluster.url('shop')));
  target = await PgConnection.connect(parsePgUrl(cluster.url('warehouse')));
  await source.query("create table orders (id int primary key, status text); insert into orders values (1, 'new'), (2, 'new')");
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
  writeFileSync(
    join(folder, 'millrace.yaml'),
    `millrace: 1\nsources:\n  shop:\n    postgres: ${cluster.url('shop')}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: ${cluster.url('warehouse')}\n`,
  );
});
after(async () => {
  up?.kill('SIGKILL');
  await Promise.all([source.close(), target.close()]);
  await cluster.remove();
  rmSync(folder, { recursive: true });
});

interface Ran { code: number | null; out: string; err: string }
function millrace(...args: string[]): Promise<Ran> & { child: ChildProcess } {
  const child = spawn(process.execPath, [script, '--project', folder, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'code') },
  });
  const ran = new Promise<Ran>((resolve) => {
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.once('close', (code) => resolve({ code, out, err }));
  });
  return Object.assign(ran, { child });
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) if (await holds().catch(() => false)) return;
  assert.fail(`not within 20 s: ${what}`);
}
const stateNow = async (): Promise<string | undefined> => (await findRunning(folder)?.status())?.replicas['warehouse']?.state;
const rowsAtTarget = async (): Promise<string> => (await target.rows<{ t: string }>("select string_agg(id || status, ',' order by id) as t from orders"))[0]?.t ?? '';

test('a project in daily life', async () => {
  const once = await millrace('up', '--until', 'caught-up');
  assert.equal(once.code, 0, once.err);
  assert.equal(await rowsAtTarget(), '1new,2new');
  for (const line of once.err.trim().split('\n').filter(Boolean)) assert.doesNotThrow(() => JSON.parse(line), line);

  const stopped = JSON.parse((await millrace('status', '--json')).out);
  assert.equal(stopped.replicas.warehouse.state, 'stopped');
  assert.equal(stopped.replicas.warehouse.next, 'millrace up');
  assert.deepEqual(stopped.sources.shop.tables, { 'public.orders': { state: 'stopped', snapshotRows: 2, changes: 0 } });
  assert.match(stopped.replicas.warehouse.position, /^[0-9A-F]+\/[0-9A-F]+$/);

  const running = millrace('up');
  up = running.child;
  await until('streaming', async () => (await stateNow()) === 'streaming');
  const { pid, http } = JSON.parse(readFileSync(join(folder, '.millrace', 'run.json'), 'utf8'));
  assert.equal(pid, running.child.pid);
  assert.equal((await fetch(`${http}/ready`)).status, 200);
  const second = await millrace('up');
  assert.equal(second.code, 2);
  assert.match(second.err, new RegExp(`^error\\[ALREADY_RUNNING\\]: process ${pid} runs this project`));

  assert.equal((await millrace('pause', 'warehouse')).code, 0);
  await source.query("update orders set status = 'paid' where id = 1");
  await until('paused', async () => (await stateNow()) === 'paused');
  assert.equal(JSON.parse((await millrace('status', '--json')).out).replicas.warehouse.next, 'millrace resume warehouse');
  assert.equal(await rowsAtTarget(), '1new,2new');
  assert.equal((await millrace('resume', 'warehouse')).code, 0);
  await until('the paid order', async () => (await rowsAtTarget()) === '1paid,2new');

  await target.query("alter table orders add constraint sane check (status <> 'bad')");
  await source.query("insert into orders values (3, 'bad')");
  await until('a dead letter', async () => (await target.rows('select 1 from millrace.dead_letters')).length === 1);
  const [letter] = JSON.parse((await millrace('dead', 'list', '--json')).out);
  assert.deepEqual([letter.replica, letter.target, letter.key, letter.code], ['warehouse', 'public.orders', ['3'], '23514']);
  assert.match((await millrace('dead', 'show', letter.id)).out, /status bad/);
  assert.equal((await millrace('dead', 'replay', letter.id)).code, 2);
  await target.query('alter table orders drop constraint sane');
  assert.equal((await millrace('dead', 'replay', letter.id)).code, 0);
  assert.equal(await rowsAtTarget(), '1paid,2new,3bad');

  const tail = await millrace('tail', 'shop.public.orders', '--no-follow', '--json');
  const changes = tail.out.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(changes.map(({ op, key, after: row }) => [op, key.id, row?.status]), [['update', 1, 'paid'], ['insert', 3, 'bad']]);
  assert.equal((await millrace('tail', 'shpo')).err.split('\n').at(1), '  next: did you mean "shop"?');

  running.child.kill('SIGTERM');
  assert.equal((await running).code, 0);
  assert.equal(existsSync(join(folder, '.millrace', 'run.json')), false);
});
