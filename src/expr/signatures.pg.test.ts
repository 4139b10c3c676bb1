// Every operator and function of the tables exists in PostgreSQL's catalog, with the same result type.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Cluster, startCluster } from '../cli/demo/cluster.ts';
import { functions } from './functions/index.ts';
import { operators } from './operators/index.ts';
import type { Routine } from './routine.ts';

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

const key = (name: string, args: readonly number[], result: number): string => `${name}(${args.join(',')}) ${result}`;

/** Functions whose last argument is variadic are declared with an array there; `any` and text mean the same arguments. */
const keyOf = (one: Routine): string => {
  const args = one.args.map((arg) => arg.oid);
  if (one.variadic && one.args.at(-1)?.name === 'text') args[args.length - 1] = 1009;
  return key(one.name, args, one.result.oid);
};

/** PostgreSQL has these under other declarations: anycompatible types, defaults. */
const differently = new Set(['array_position', 'jsonb_strip_nulls', 'array_to_string']);

test('operators are those of pg_operator', async () => {
  const { rows } = await client.query<{ name: string; l: number; r: number; result: number }>(
    'select oprname as name, oprleft::int as l, oprright::int as r, oprresult::int as result from pg_operator',
  );
  const known = new Set(rows.map(({ name, l, r, result }) => key(name, l === 0 ? [r] : [l, r], result)));
  const wrong = [...operators.values()].flat().map(keyOf).filter((one) => !known.has(one));
  assert.deepEqual(wrong, []);
});

test('functions are those of pg_proc', async () => {
  const { rows } = await client.query<{ name: string; args: number[]; result: number }>(
    `select proname as name, proargtypes::oid[]::int[] as args, prorettype::int as result from pg_proc
     where pronamespace = 'pg_catalog'::regnamespace`,
  );
  const known = new Set(rows.map(({ name, args, result }) => key(name, args, result)));
  const wrong = [...functions.values()].flat().filter((one) => !differently.has(one.name)).map(keyOf).filter((one) => !known.has(one));
  assert.deepEqual(wrong, []);
});
