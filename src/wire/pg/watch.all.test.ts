// Servers that answer late, and one that answers no more.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freeze, thaw } from '../../../test/support/freeze.ts';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { PgConnection } from './connection.ts';
import { type ConnectOptions, parsePgUrl } from './url.ts';

let cluster: Cluster;
let options: ConnectOptions;
before(async () => {
  cluster = await startCluster();
  options = { ...parsePgUrl(cluster.url()), silenceMsMax: 200 };
  const setup = await PgConnection.connect(options);
  await setup.query('create table t (id int primary key)');
  await setup.close();
});
after(() => cluster.remove());

const listening = async (more: Partial<ConnectOptions> = {}): Promise<{ connection: PgConnection; heard: (string | undefined)[] }> => {
  const connection = await PgConnection.connect({ ...options, ...more });
  const heard: (string | undefined)[] = [];
  connection.onSlow = (reason) => heard.push(reason);
  return { connection, heard };
};

test('a long statement and a wait for a lock are told, not cut', async () => {
  const { connection, heard } = await listening();
  await connection.query('select pg_sleep(1)');
  assert.match(heard[0] ?? '', /^the server has not answered for \d s: server process \d+ is at work \(Timeout: PgSleep\)$/);
  while (heard.at(-1) !== undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  const other = await PgConnection.connect(options);
  await other.query('begin; lock table t');
  heard.length = 0;
  const waiting = connection.query('insert into t values (1)');
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(heard[0] ?? '', new RegExp(`waits for a lock of ${other.pid}$`));
  await other.query('commit');
  await waiting;
  await Promise.all([connection.close(), other.close()]);
});

test('a server that waits for us is not complained about', async () => {
  const { connection, heard } = await listening();
  const copy = connection.startCopyIn('copy t from stdin');
  copy.write(Buffer.from('2\n'));
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.equal(await copy.done(), 1);
  assert.deepEqual(heard, []);
  await connection.close();
});

test('a frozen server is given up; one that nothing is asked of is left alone', async () => {
  const { connection } = await listening({ connectTimeoutMs: 500 });
  const { connection: idle } = await listening();
  freeze(cluster);
  try {
    await assert.rejects(connection.query('select 1'), { code: 'CONNECTION_LOST', message: /^the server has not answered for \d s, and it does not answer a new connection either$/ });
    assert.equal(idle.closed, false);
  } finally {
    thaw(cluster);
  }
  assert.equal((await idle.rows<{ one: string }>('select 1 as one'))[0]?.one, '1');
  await idle.close();
});
