// `where` in SQL: the rows that a route lets pass are the rows that PostgreSQL selects with the same condition, as written and as `whereSql`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { fieldOf } from '../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../wire/index.ts';
import { compileRoutes } from '../index.ts';
import { makeBatch, makeRelation, makeRule, makeRun, makeSpec } from './testing.ts';

let cluster: Cluster;
let connection: PgConnection;
before(async () => {
  cluster = await startCluster({});
  connection = await PgConnection.connect(parsePgUrl(cluster.url()));
});
after(async () => {
  await connection.close();
  await cluster.remove();
});

test('a condition selects the same rows here and in PostgreSQL', async () => {
  await connection.query(`create table t (id int4 primary key, "Big" int8, note text, price numeric, at timestamptz)`);
  await connection.query(`insert into t select i, case when i % 5 > 0 then i * 3000000000 end, case when i % 3 > 0 then chr(95 + i % 30) || repeat('x', i % 4) end,
    case i % 7 when 0 then null when 1 then 'NaN' else i / 8.0 end, timestamptz '2024-01-01 00:00Z' + i * interval '7 hours' from generate_series(1, 200) i`);
  const rows = await connection.rows<Record<string, string | null>>('select id::text, "Big"::text, note, price::text, at::text from t order by t.id');
  const relation = makeRelation('public.t', { id: 'int4', Big: 'int8?', note: 'text?', price: 'numeric?', at: 'timestamptz?' }, ['id'], 'full');
  const batch = makeBatch(relation, rows.map((row) => ({ op: 'read', after: ['id', 'Big', 'note', 'price', 'at'].map((name) => row[name] ?? null) })));
  const conditions = [
    `"Big" > 300000000000`, `note like '_x%'`, `price > 12.5 or price is null`, `price = 'NaN'`, `at >= '2024-02-01' and id % 2 = 0`,
    `not (note = 'bx')`, `coalesce(length(note), 0) between 2 and 3`, `id in (1, 5, null, 77)`, `note is distinct from 'cxx'`, `case when id > 100 then price < 20 end`,
  ];
  for (const where of conditions) {
    const routes = await compileRoutes(makeSpec([makeRule('public.t', { where })]), 'shop', [relation]);
    assert.deepEqual(routes.problems, []);
    const [route] = routes.for(relation);
    const passed = route?.write(batch, makeRun(batch))?.batch;
    const here = Array.from({ length: passed?.count ?? 0 }, (_, row) => Number(fieldOf(passed?.after.bytes as Buffer, passed?.after.offsets[row] as number, 0)?.toString()));
    for (const condition of [where, route?.whereSql as string]) {
      const there = await connection.rows<{ id: string }>(`select id::text from t where ${condition} order by t.id`);
      assert.deepEqual(here, there.map((row) => Number(row.id)), condition);
    }
  }
});
