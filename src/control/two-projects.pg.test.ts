// Two projects on one source: the second one must not take the first one's publication away, whose changes would be gone without a word.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogger } from '../base/index.ts';
import { startCluster } from '../cli/demo/cluster.ts';
import { withConnection } from '../wire/index.ts';
import { loadProject } from './project/load.ts';
import { run } from './supervise/run.ts';

test('a second project with other tables waits for the slot, or has one of its own with its own publication', async () => {
  const cluster = await startCluster();
  const folders: string[] = [];
  const start = async (replica: string, source: string): ReturnType<typeof run> => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-two-'));
    folders.push(folder);
    writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1
sources:
  shop: { postgres: "${cluster.url('shop')}", ${source} }
replicas:
  ${replica}: { from: shop, postgres: "${cluster.url('warehouse')}", tables: { "shop.public.*": "${replica}.*" } }
`);
    return run((await loadProject(folder, { env: {} })).project, { logger: createLogger('silent') });
  };
  const running: Awaited<ReturnType<typeof run>>[] = [];
  const published = (): Promise<string> => withConnection(cluster.url('shop'), async (shop) =>
    (await shop.rows<{ t: string }>("select string_agg(pubname || ' ' || tablename, ', ' order by 1) as t from pg_publication_tables"))[0]?.t ?? '');
  try {
    await withConnection(cluster.url(), async (admin) => {
      for (const name of ['shop', 'warehouse']) await admin.query(`create database ${name}`);
    });
    await withConnection(cluster.url('shop'), (shop) => shop.query('create table orders (id int primary key); create table people (id int primary key)'));
    const first = await start('first', 'tables: [public.orders]');
    running.push(first);
    await first.caughtUp();
    const second = await start('second', 'tables: [public.people]');
    running.push(second);
    for (const end = Date.now() + 8000; second.status().sources['shop']?.state !== 'retrying' && Date.now() < end;) await new Promise((done) => setTimeout(done, 20));
    assert.match(second.status().sources['shop']?.reason ?? '', /SLOT_IN_USE/);
    assert.equal(await published(), 'millrace_shop orders');
    const third = await start('third', 'tables: [public.people], slot: third');
    running.push(third);
    await third.caughtUp();
    assert.equal(await published(), 'millrace_shop orders, third people');
    await withConnection(cluster.url('shop'), (shop) => shop.query('insert into orders values (1); insert into people values (1)'));
    await Promise.all([first.caughtUp(), third.caughtUp()]);
    const [rows] = await withConnection(cluster.url('warehouse'), (target) => target.rows<{ n: string }>('select ((select count(*) from first.orders) + (select count(*) from third.people))::text as n'));
    assert.equal(rows?.n, '2');
  } finally {
    await Promise.all(running.map((one) => one.stop()));
    await cluster.remove();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
});
