// plan, doctor and remove on real servers, as a user calls them.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { parsePgUrl, PgConnection } from '../wire/index.ts';
import type { CommandContext } from './command.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';
import { command as doctor } from './doctor.ts';
import { command as plan } from './plan.ts';
import { command as remove } from './remove.ts';

let cluster: Cluster;
let shop: PgConnection;
let warehouse: PgConnection;
let folder: string;

before(async () => {
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '2GB' } });
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  for (const name of ['shop', 'warehouse']) await admin.query(`create database ${name}`);
  await admin.close();
  [shop, warehouse] = await Promise.all([PgConnection.connect(parsePgUrl(cluster.url('shop'))), PgConnection.connect(parsePgUrl(cluster.url('warehouse')))]);
  await shop.query(`create type status as enum ('new', 'done'); create table orders (id int primary key, status status not null);
    create table customers (id int primary key, email text)`);
  folder = mkdtempSync(join(tmpdir(), 'millrace-plan-'));
  writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1
sources:
  shop:
    postgres: ${cluster.url('shop')}
    tables: [public.*]
replicas:
  warehouse:
    from: shop
    postgres: ${cluster.url('warehouse')}
    tables:
      shop.public.*: sales.*
      shop.public.customers: { to: sales.people, drop: [email] }
`);
});
after(async () => {
  await Promise.all([shop.close(), warehouse.close()]);
  await cluster.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function call(command: typeof plan, options: CommandContext['options'] = {}): Promise<{ code: number; text: string }> {
  const stdout = new PassThrough();
  const chunks: Buffer[] = [];
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await command.run({ folder, args: [], options, stdout, stderr: new PassThrough(), env: {}, signal: new AbortController().signal });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, text: Buffer.concat(chunks).toString() };
}

const own = "('pg_catalog', 'information_schema')";

test('plan shows the way of every table; its SQL makes everything, and then nothing is left to change', async () => {
  const graph = await call(plan);
  assert.equal(graph.code, 0);
  assert.match(graph.text, /^shop → log   2 tables of postgres@127.0.0.1:\d+\/shop$/m);
  assert.match(graph.text, /^shop → log → warehouse   postgres@127.0.0.1:\d+\/warehouse$/m);
  assert.match(graph.text, /exactly once: rows and position commit in one transaction/);
  assert.match(graph.text, /^ {2}shop\.public\.customers → sales\.people +bytes: drop email$/m);
  assert.match(graph.text, /^ {2}shop\.public\.orders +→ sales\.orders +bytes$/m);
  assert.deepEqual(await warehouse.rows(`select 1 as one from pg_tables where schemaname not in ${own}`), [], 'plan changes nothing');

  const { sources, replicas } = JSON.parse((await call(plan, { json: true })).text) as {
    sources: Record<string, { sql: { sql: string }[] }>; replicas: Record<string, { ddl: { sql: string }[]; tables: unknown[] }> };
  assert.deepEqual(replicas['warehouse']?.tables[0], { from: 'shop.public.customers', to: 'sales.people', path: 'bytes', rules: ['drop email'] });
  const script = (await call(plan, { sql: true })).text;
  for (const { sql } of sources['shop']?.sql ?? []) {
    assert.ok(script.includes(`${sql};`));
    await shop.query(sql);
  }
  for (const { sql } of replicas['warehouse']?.ddl ?? []) {
    assert.ok(script.includes(`${sql};`));
    await warehouse.query(sql);
  }
  assert.equal((await call(plan, { sql: true })).text, '');
  assert.match((await call(plan)).text, /`millrace up` changes no schema/);
});

test('doctor: exit code 1 with the SQL at the end, 0 when it was run', async () => {
  await shop.query('create table keyless (a int)');
  const sick = await call(doctor);
  assert.equal(sick.code, 1);
  assert.match(sick.text, /✗ public\.keyless has no primary key/);
  assert.match(sick.text, /\n-- source shop, postgres@[^\n]+:\nalter table public\.keyless replica identity full;\n/);
  const json = JSON.parse((await call(doctor, { json: true })).text) as { healthy: boolean; systems: { kind: string; findings: { level: string; sql?: string }[] }[] };
  assert.equal(json.healthy, false);
  for (const finding of json.systems[0]?.findings ?? []) if (finding.level === 'error') await shop.query(finding.sql ?? '');
  const well = await call(doctor);
  assert.equal(well.code, 0, well.text);
  assert.match(well.text, /replica warehouse/);
  await shop.query('drop table keyless');
});

test('a role without privileges: what plan prints as grants is enough for its DDL', async () => {
  await warehouse.query('create role poor login; drop schema sales cascade; drop schema millrace cascade; drop type if exists public.status');
  const yaml = join(folder, 'millrace.yaml');
  const rich = readFileSync(yaml, 'utf8');
  writeFileSync(yaml, rich.replace(cluster.url('warehouse'), cluster.url('warehouse').replace('postgres@', 'poor@')));
  const printed = await call(plan);
  assert.match(printed.text, /\+ 2 statements for an owner: schemas are to be made, …/);
  const { replicas } = JSON.parse((await call(plan, { json: true })).text) as { replicas: Record<string, { grants: { sql: string }[]; ddl: { sql: string }[] }> };
  const poor = await PgConnection.connect({ ...warehouse.options, user: 'poor' });
  for (const { sql } of replicas['warehouse']?.grants ?? []) await warehouse.query(sql);
  for (const { sql } of replicas['warehouse']?.ddl ?? []) await poor.query(sql);
  await poor.close();
  assert.match((await call(plan)).text, /changes no schema/);
  writeFileSync(yaml, rich);
});

test('remove: refuses while the project runs, asks, drops slot and publication, leaves foreign ones', async () => {
  await warehouse.query("insert into millrace.positions (consumer, part, fence) values ('warehouse', 'shop', 1), ('other', 'shop', 1)");
  await shop.query('create publication foreign_one');
  await shop.query("select pg_create_logical_replication_slot('foreign_one', 'pgoutput')");
  mkdirSync(join(folder, '.millrace'));
  writeFileSync(join(folder, '.millrace', 'run.json'), JSON.stringify({ pid: process.ppid, http: 'http://127.0.0.1:1' }));
  await assert.rejects(call(remove, { yes: true }), { code: 'ALREADY_RUNNING' });
  rmSync(join(folder, '.millrace'), { recursive: true });
  await assert.rejects(call(remove), { code: 'USAGE' });
  const left = (): Promise<{ name: string }[]> => shop.rows("select slot_name::text as name from pg_replication_slots union all select pubname from pg_publication order by 1");
  assert.equal((await left()).length, 4);
  const first = await call(remove, { yes: true });
  assert.match(first.text, /removed slot millrace_shop\nremoved publication millrace_shop\n$/);
  assert.deepEqual(await left(), [{ name: 'foreign_one' }, { name: 'foreign_one' }]);
  assert.match((await call(remove, { yes: true, target: true })).text, /removed rows of warehouse in millrace\.positions\n$/);
  assert.deepEqual(await warehouse.rows('select consumer from millrace.positions'), [{ consumer: 'other' }]);
  assert.equal((await call(remove, { yes: true, target: true })).text, 'nothing is there to remove\n');
});
