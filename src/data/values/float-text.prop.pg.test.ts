// The texts of floats against PostgreSQL's: powers of two, whole numbers beyond 2^53, and random bits.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { Random } from '../../base/index.ts';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { float4Text, float8Text } from './float-text.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
let cluster: Cluster;
let client: pg.Client;

before(async () => {
  cluster = await startCluster({ settings: { extra_float_digits: '1' } });
  client = new pg.Client(cluster.url());
  await client.connect();
});

after(async () => {
  await client?.end();
  await cluster?.remove();
});

/** The server reads the exact value: JavaScript's own text of a double means no other. */
async function served(type: 'float4' | 'float8', values: readonly number[]): Promise<string[]> {
  const { rows } = await client.query<[string]>({ text: `select v::${type}::text from unnest($1::text[]) with ordinality u(v, n) order by n`, values: [values.map(String)], rowMode: 'array' });
  return rows.map(([text]) => text);
}

const powers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => 2 ** (from + i)).flatMap((value) => [value, -value]);

test(`texts of floats, seed ${seed}`, async () => {
  const random = new Random(seed);
  const bits = new DataView(new ArrayBuffer(8));
  const some = (make: () => number): number[] => Array.from({ length: 10_000 }, make).filter(Number.isFinite);
  const any = (): void => {
    bits.setUint32(0, random.below(2 ** 32));
    bits.setUint32(4, random.below(2 ** 32));
  };
  const singles = [
    0, 0.1, NaN, Infinity, -Infinity, 16_777_217, ...powers(-149, 128),
    ...some(() => (any(), bits.getFloat32(0))), ...some(() => random.below(2 ** 32) * 2 ** random.below(20)),
  ].map(Math.fround);
  const doubles = [
    0, 0.1, NaN, Infinity, -Infinity, 1e23, 5e-324, ...powers(-1074, 1024),
    ...some(() => (any(), bits.getFloat64(0))), ...some(() => random.below(2 ** 32) * 2 ** 30 * 2 ** random.below(60)),
  ];
  assert.deepEqual(singles.map(float4Text), await served('float4', singles), `seed ${seed}`);
  assert.deepEqual(doubles.map(float8Text), await served('float8', doubles), `seed ${seed}`);
});

test('a double that means a single is taken for it', () => {
  assert.equal(float4Text(0.1), '0.1');
  assert.equal(float4Text(0.123456789), '0.12345679');
});
