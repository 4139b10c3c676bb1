// Decimal's arithmetic against PostgreSQL's numeric.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { samples } from '../../../test/samples/pg-types.ts';
import { Random } from '../../base/index.ts';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { Decimal } from './decimal.ts';

let cluster: Cluster;
let client: pg.Client;

before(async () => {
  cluster = await startCluster();
  client = new pg.Client(cluster.url());
  await client.connect();
});

after(async () => {
  await client?.end();
  await cluster?.remove();
});

test('sums, products, rounding and order are those of numeric', async () => {
  const seed = Date.now() % 1_000_000;
  const random = new Random(seed);
  const texts = (samples(random, 100)['numeric'] ?? []).filter((text) => text.length < 3000);
  const pairs = Array.from({ length: 600 }, () => [random.pick(texts), random.pick(texts), random.between(-5, 10)] as const);
  const { rows } = await client.query<string[]>({
    text: `select a + b, a - b, a * b, round(a, n), -a, abs(a), case when a < b then -1 when a > b then 1 else 0 end
      from unnest($1::numeric[], $2::numeric[], $3::int4[]) with ordinality u(a, b, n, i) order by i`,
    values: [pairs.map(([a]) => a), pairs.map(([, b]) => b), pairs.map(([, , n]) => n)],
    rowMode: 'array',
  });
  for (const [i, [left, right, scale]] of pairs.entries()) {
    const [a, b] = [Decimal.parse(left), Decimal.parse(right)];
    const found = [a.plus(b), a.minus(b), a.times(b), a.round(scale), a.negate(), a.abs(), a.compare(b)].map(String);
    assert.deepEqual(found, rows[i]?.map(String), `seed ${seed}: ${left}, ${right}, ${scale}`);
    assert.equal(a.toNumber(), Number(left) + 0, `seed ${seed}: ${left}`);
  }
});

test('numbers keep the digits that JavaScript shows', () => {
  assert.equal(Decimal.from(0.1).toString(), '0.1');
  assert.equal(Decimal.from(1e-7).toString(), '0.0000001');
  assert.equal(Decimal.from(1e21).toString(), '1000000000000000000000');
  assert.equal(Decimal.from(-0).toString(), '0');
  assert.equal(Decimal.from('1.50').toJSON(), '1.50');
  assert.ok(Decimal.from(2) > Decimal.from(1));
});
