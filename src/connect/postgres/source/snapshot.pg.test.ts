// A snapshot leaves no session behind, however its readers end: one would hold its tables' locks, and everything that the source forgets, for ever.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { parseTablePattern, type TablePattern } from '../../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { PostgresSnapshot } from './snapshot.ts';

let cluster: Cluster;
let db: PgConnection;
before(async () => {
  cluster = await startCluster();
  db = await PgConnection.connect(parsePgUrl(cluster.url()));
  await db.query("create table small (id int primary key); insert into small select generate_series(1, 10); create table big (id int primary key, v text); insert into big select i, repeat('v', 500) from generate_series(1, 20000) i");
});
after(async () => {
  await db?.close();
  await cluster?.remove();
});

const take = (): Promise<PostgresSnapshot> =>
  PostgresSnapshot.take(parsePgUrl(cluster.url()), [parseTablePattern('public.*') as TablePattern], { sendsColumn: () => true, appendOnly: [] }, () => undefined, new AbortController().signal);

async function nobodyIsLeft(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const left = await db.rows<{ query: string }>("select query from pg_stat_activity where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()");
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('a session is left behind');
}

for (const table of ['small', 'big']) {
  test(`who stops reading the ${table} table early`, async () => {
    const snapshot = await take();
    const relation = snapshot.relations.find(({ name }) => name === table);
    assert.ok(relation);
    for await (const batch of snapshot.read(relation, new AbortController().signal)) {
      assert.ok(batch.count > 0);
      break;
    }
    await snapshot.close();
    await nobodyIsLeft();
  });

  test(`the snapshot is closed while the ${table} table is read`, async () => {
    const snapshot = await take();
    const relation = snapshot.relations.find(({ name }) => name === table);
    assert.ok(relation);
    const reader = snapshot.read(relation, new AbortController().signal);
    await reader.next();
    await snapshot.close();
    await assert.rejects(async () => {
      for (;;) if ((await reader.next()).done) return;
    });
    await nobodyIsLeft();
  });
}
