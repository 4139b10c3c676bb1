// Every sslmode against a server with a real certificate (test/support/tls: an authority, a server "localhost" and a client "postgres" of it).
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { parsePgUrl, PgConnection } from '../index.ts';

const certificates = join(import.meta.dirname, '../../../test/support/tls');
const file = (name: string): string => join(certificates, name);

let cluster: Cluster;
let plain: Cluster;

before(async () => {
  [cluster, plain] = await Promise.all([startCluster({ hba: ['hostssl cert all 127.0.0.1/32 cert'] }), startCluster()]);
  const data = join(cluster.folder, 'data');
  const { uid, gid } = statSync(data);
  for (const name of ['server.crt', 'server.key', 'ca.crt']) {
    copyFileSync(file(name), join(data, name));
    chownSync(join(data, name), uid, gid);
    chmodSync(join(data, name), 0o600); // a key that others may read is refused, and git keeps no such modes
  }
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query("create database cert");
  for (const [name, value] of [['ssl_ca_file', 'ca.crt'], ['ssl_cert_file', 'server.crt'], ['ssl_key_file', 'server.key'], ['ssl', 'on']]) {
    await admin.query(`alter system set ${name} = '${value}'`);
  }
  await admin.query('select pg_reload_conf()');
  await admin.close();
});
after(() => Promise.all([cluster?.remove(), plain?.remove()]));

async function encrypted(url: string): Promise<boolean> {
  const connection = await PgConnection.connect(parsePgUrl(url));
  try {
    const big = Buffer.alloc(3 << 20, 'x');
    await connection.query('create temp table t (a text)');
    assert.equal(await connection.copyIn('copy t from stdin', [big, Buffer.from('\n')]), 1);
    const chunks: Buffer[] = [];
    for await (const chunk of connection.copyOut('copy t to stdout')) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).length, big.length + 1);
    return (await connection.rows<{ ssl: string }>('select ssl::text from pg_stat_ssl where pid = pg_backend_pid()'))[0]?.ssl === 'true';
  } finally {
    await connection.close();
  }
}

const at = (host: string, options: string, database = 'postgres', server = cluster): string => `postgres://postgres@${host}:${server.port}/${database}?${options}`;

test('encrypted where the server can, and where it must be', async () => {
  // The server reads its new settings when it gets to it.
  for (let tries = 0; tries < 100 && !(await encrypted(at('127.0.0.1', 'sslmode=prefer'))); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await encrypted(at('127.0.0.1', 'sslmode=prefer')), true);
  assert.equal(await encrypted(at('127.0.0.1', 'sslmode=require')), true);
  assert.equal(await encrypted(at('127.0.0.1', 'sslmode=disable')), false);
  assert.equal(await encrypted(at('127.0.0.1', 'sslmode=prefer', 'postgres', plain)), false);
  await assert.rejects(encrypted(at('127.0.0.1', 'sslmode=require', 'postgres', plain)), { code: 'TLS_FAILED', message: /does not offer TLS/ });
});

test('the certificate is checked: its authority with verify-ca, its name too with verify-full', async () => {
  const authority = `sslrootcert=${file('ca.crt')}`;
  assert.equal(await encrypted(at('localhost', `sslmode=verify-full&${authority}`)), true);
  assert.equal(await encrypted(at('127.0.0.1', `sslmode=verify-ca&${authority}`)), true);
  await assert.rejects(encrypted(at('127.0.0.1', `sslmode=verify-full&${authority}`)), { code: 'TLS_FAILED' });
  await assert.rejects(encrypted(at('localhost', 'sslmode=verify-full')), { code: 'TLS_FAILED' });
  await assert.rejects(encrypted(at('localhost', `sslmode=verify-ca&sslrootcert=${file('client.crt')}`)), { code: 'TLS_FAILED' });
});

test('a client shows its own certificate', async () => {
  const own = `sslmode=verify-full&sslrootcert=${file('ca.crt')}&sslcert=${file('client.crt')}&sslkey=${file('client.key')}`;
  assert.equal(await encrypted(at('localhost', own, 'cert')), true);
  await assert.rejects(encrypted(at('localhost', `sslmode=verify-full&sslrootcert=${file('ca.crt')}`, 'cert')), { code: 'AUTH_FAILED' });
});
