// The project's id where targets are away or refuse: nobody guesses whose a slot is.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../cli/demo/cluster.ts';
import { parsePgUrl, PgConnection } from '../wire/index.ts';
import { identify, keptId } from './ownership.ts';
import type { Project } from './project/project.ts';

let cluster: Cluster;
let folder: string;
before(async () => {
  cluster = await startCluster();
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query('create role poor login');
  for (const name of ['one', 'two']) await admin.query(`create database ${name}`);
  await admin.close();
  folder = mkdtempSync(join(tmpdir(), 'millrace-owner-'));
});
after(async () => {
  await cluster.remove();
  rmSync(folder, { recursive: true });
});

const away = 'postgres://postgres@127.0.0.1:1/away';
const project = (...urls: string[]): Pick<Project, 'folder' | 'replicas'> =>
  ({ folder, replicas: urls.map((url, i) => ({ name: `r${i}`, url })) as unknown as Project['replicas'] });
const forget = (): void => rmSync(join(folder, '.millrace'), { recursive: true, force: true });

test('no id is made that no target keeps: all away, or none may write', async () => {
  await assert.rejects(identify(project(away), []), { code: 'CONNECT_FAILED', retriable: true, message: /whose the slot is stands in the targets/ });
  await assert.rejects(identify(project(cluster.url('one').replace('postgres@', 'poor@')), []), { code: 'PRIVILEGE_MISSING', retriable: true });
  assert.equal(existsSync(join(folder, '.millrace', 'project.json')), false);
});

test('the id is found again in any target; what cannot be asked is named, since it may know more', async () => {
  const { id } = await identify(project(cluster.url('one'), away), []);
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.equal(keptId(folder), id);
  forget();
  assert.deepEqual(await identify(project(cluster.url('one'), away), [id]), { id, own: new Set([id]), unasked: ['r1'] });
  const foreign = await identify(project(cluster.url('one'), away), ['f00d']);
  assert.deepEqual([foreign.own.has('f00d'), foreign.unasked], [false, ['r1']]);
});

test('a folder whose id is another one than its target knows: both are its own', async () => {
  forget();
  const first = await identify(project(cluster.url('two')), []);
  forget();
  const second = await identify(project(cluster.url('one')), []);
  assert.notEqual(second.id, first.id);
  const both = await identify(project(cluster.url('two')), [first.id]);
  assert.deepEqual([both.id, both.own], [second.id, new Set([second.id, first.id])]);
});
