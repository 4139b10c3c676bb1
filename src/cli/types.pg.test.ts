// types against a server: what it writes is what check reads, and the same again the second time.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { parsePgUrl, PgConnection } from '../wire/index.ts';
import { command as check } from './check.ts';
import type { Command, CommandContext } from './command.ts';
import { type Cluster, startCluster } from './demo/cluster.ts';
import { command as types } from './types.ts';

let cluster: Cluster;
let folder: string;

before(async () => {
  cluster = await startCluster();
  const connection = await PgConnection.connect(parsePgUrl(cluster.url()));
  await connection.query(`
    create type status as enum ('new', 'paid');
    create table orders (id int8 primary key, status status not null, note text, price numeric(10,2) not null, tags text[]);
    create table "Order.Items" (a int4, b int4, c jsonb, primary key (a, b));
    alter table "Order.Items" replica identity full;
    create table customers (id int4 primary key, ssn text);
    create table audit (at timestamptz)`);
  await connection.close();
  folder = mkdtempSync(join(tmpdir(), 'millrace-types-'));
  writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*, "!public.audit"]
    columns: { public.customers: ["*", "!ssn"] }
replicas:
  warehouse:
    from: shop
    postgres: \${SHOP_URL}
    tables: { 'public."Order.Items"': sales.items, public.orders: { where: "status <> 'new'" } }
`);
});

after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await cluster.remove();
});

async function run(command: Command, options: CommandContext['options'] = {}): Promise<{ code: number; out: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await command.run({ folder, args: [], options, stdout, stderr, env: { SHOP_URL: cluster.url() }, signal: new AbortController().signal });
  return { code, out: String(stdout.read() ?? '') };
}

test('types writes both files, check is content with them, and a changed table is noticed', async () => {
  assert.equal((await run(types, { check: true })).code, 1);
  assert.deepEqual(await run(types), { code: 0, out: 'millrace.schema.json written\nmillrace.d.ts written\n  shop: 3 tables\n' });
  assert.deepEqual(await run(types, { check: true }), { code: 0, out: 'millrace.schema.json is up to date\nmillrace.d.ts is up to date\n  shop: 3 tables\n' });
  assert.equal(readFileSync(join(folder, 'millrace.d.ts'), 'utf8'), `// Written by \`millrace types\`; run it again when a table changes.
import type { Decimal, Json, Unchanged } from 'millrace';

declare module 'millrace' {
  interface Tables {
    'shop.public."Order.Items"': {
      row: {
        readonly a: number;
        readonly b: number;
        readonly c: Json | null;
      };
      key: 'a' | 'b';
      identity: 'full';
    };
    'shop.public.customers': {
      row: {
        readonly id: number;
      };
      key: 'id';
      identity: 'key';
    };
    'shop.public.orders': {
      row: {
        readonly id: bigint;
        readonly status: 'new' | 'paid';
        readonly note: string | Unchanged | null;
        readonly price: Decimal;
        readonly tags: (string | null)[] | Unchanged | null;
      };
      key: 'id';
      identity: 'key';
    };
  }
}
`);
  assert.deepEqual(await run(check), { code: 0, out: 'ok: 1 source, 1 replica\n' });
  const file = join(folder, 'millrace.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('public.orders: {', 'public.ordres: {'));
  const json = await run(check, { json: true });
  assert.equal(json.code, 1);
  const { valid, withSchema, diagnostics } = JSON.parse(json.out) as { valid: boolean; withSchema: boolean; diagnostics: { code: string; line: number; hint: string }[] };
  assert.deepEqual([valid, withSchema, diagnostics.map((each) => [each.code, each.line, each.hint])], [false, true, [['TABLE_UNKNOWN', 11, 'did you mean "shop.public.orders"?']]]);
});
