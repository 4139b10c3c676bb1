import assert from 'node:assert/strict';
import { request } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MillraceError } from '../../base/index.ts';
import { findRunning, type ProjectStatus, requireRunning, type Running } from '../../control/index.ts';
import { type HttpServer, serveHttp } from './server.ts';

let state: 'starting' | 'streaming' | 'failed' = 'starting';
const calls: string[] = [];
const status = (): ProjectStatus => ({
  sources: { shop: { state: 'streaming', position: '0/16B3748', lagBytes: 0, lagMs: 0, tables: {} } },
  replicas: { 'ware house': { state, position: '0/16B3748', lagBytes: 0, lagMs: 0, rows: 7, deadLetters: 0, tables: {} } },
});
const running: Running = {
  status,
  metrics: () => 'millrace_replica_rows_total{replica="ware house"} 7\n',
  caughtUp: async () => undefined,
  pause: async (name) => void calls.push(`pause ${name}`),
  resume: async () => {
    throw new MillraceError('TARGET_BUSY', 'not now', { detail: 'a lock' });
  },
  resync: async (name, tables) => void calls.push(`resync ${name} ${tables.join(' ')}`),
  resyncRows: async (name, tables, which) => {
    calls.push(`rows ${name} ${tables.join(' ')} ${JSON.stringify(which)}`);
    return { tables: [{ table: 'public.orders', target: 'public.orders', rows: 3 }], shared: [] };
  },
  hold: async (name, position, ms) => void calls.push(`hold ${name} ${position} ${ms}`),
  release: () => {
    throw new Error('a secret stack');
  },
  stop: async () => undefined,
  ended: Promise.resolve(),
};

let server: HttpServer;
before(async () => {
  server = await serveHttp();
});
after(() => server.close());

interface Got { status: number; body: string; headers: Record<string, unknown> }
const call = (method: string, path: string, headers: Record<string, string> = {}): Promise<Got> =>
  new Promise((resolve, reject) => {
    request(`${server.url}${path}`, { method, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    }).on('error', reject).end();
  });

test('before a project is attached: healthy, not ready', async () => {
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.deepEqual(JSON.parse((await call('GET', '/health')).body), { ok: true, pid: process.pid });
  const early = await call('GET', '/ready');
  assert.equal(early.status, 503);
  assert.equal(JSON.parse(early.body).code, 'NOT_RUNNING');
});

test('ready follows the states, metrics are text, status is JSON', async () => {
  server.attach(running);
  assert.deepEqual(JSON.parse((await call('GET', '/ready')).body), { ready: false, waiting: ['replica ware house: starting'] });
  state = 'failed';
  assert.equal((await call('GET', '/ready')).status, 503);
  state = 'streaming';
  assert.equal((await call('GET', '/ready')).status, 200);
  const metrics = await call('GET', '/metrics');
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(metrics.body, /rows_total\{replica="ware house"\} 7/);
  assert.deepEqual(JSON.parse((await call('GET', '/status')).body), status());
  assert.equal((await call('HEAD', '/status')).body, '');
});

test('what does not exist, wrong methods, foreign hosts and web pages are refused', async () => {
  const missing = await call('GET', '/nothing');
  assert.equal(missing.status, 404);
  assert.match(JSON.parse(missing.body).hint, /GET \/status/);
  const wrong = await call('GET', '/replicas/ware%20house/pause');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers['allow'], 'POST');
  assert.equal((await call('GET', '/status', { host: 'evil.example:80' })).status, 403);
  assert.equal((await call('GET', '/status', { host: '127.0.0.1.evil.example' })).status, 403);
  assert.equal((await call('GET', '/status', { host: 'localhost:1' })).status, 200);
  assert.equal((await call('POST', '/replicas/ware%20house/pause', { origin: 'http://127.0.0.1' })).status, 403);
  assert.equal((await call('GET', '/%ff')).status, 404);
  assert.deepEqual(calls, []);
  for (const [name, value] of Object.entries((await call('GET', '/status', { origin: 'http://x' })).headers)) assert.ok(!name.startsWith('access-control'), `${name}: ${value}`);
});

test('the client of control reaches every verb, and errors arrive as themselves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-http-'));
  try {
    assert.equal(findRunning(folder), undefined);
    assert.throws(() => requireRunning(folder), { code: 'NOT_RUNNING' });
    mkdirSync(join(folder, '.millrace'));
    writeFileSync(join(folder, '.millrace', 'run.json'), JSON.stringify({ pid: process.pid, http: server.url }));
    const client = requireRunning(folder);
    assert.equal(client.pid, process.pid);
    assert.deepEqual(await client.status(), status());
    await client.pause('ware house');
    await client.resync('ware house', ['public.orders', 'public."a&b"']);
    assert.equal((await client.resyncRows('ware house', ['public.orders'], { where: "id = '&'" })).tables[0]?.rows, 3);
    await client.resyncRows('ware house', [], 'repair');
    assert.deepEqual(calls.splice(2), [`rows ware house public.orders {"where":"id = '&'"}`, 'rows ware house  "repair"']);
    await client.hold('ware house', '0/16B3748', 500);
    assert.deepEqual(calls, ['pause ware house', 'resync ware house public.orders public."a&b"', 'hold ware house 0/16B3748 500']);
    await assert.rejects(client.resume('ware house'), { code: 'TARGET_BUSY', message: 'not now', detail: 'a lock' });
    await assert.rejects(client.pause('nobody'), { code: 'NAME_UNKNOWN', hint: 'running replicas: ware house' });
    await assert.rejects(client.hold('ware house', '0/1', -1), { code: 'USAGE' });
    const internal = await call('POST', '/replicas/ware%20house/release');
    assert.equal(internal.status, 500);
    assert.ok(!internal.body.includes('at '), internal.body);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an address that cannot be used is a configuration error', async () => {
  const port = Number(new URL(server.url).port);
  await assert.rejects(serveHttp({ host: '127.0.0.1', port }), { code: 'CONFIG_INVALID', where: 'serve.http' });
});
