// Loading: the contract's minimum, every key, variables, both spellings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProjectError } from './diagnostic.ts';
import { loadProject, resolveDefinition } from './load.ts';
import { columnFilter } from './project.ts';
import { defineProject, env, table } from './api.ts';
import { fullYaml, testEnv, urlOf, withProject } from './testing.ts';

const load = (files: Record<string, string>, environment: Record<string, string> = testEnv) =>
  withProject(files, (folder) => loadProject(folder, { env: environment }));

const problems = (files: Record<string, string>, environment: Record<string, string> = testEnv): Promise<string> =>
  load(files, environment).then(() => 'none', (error: unknown) => (error instanceof ProjectError ? `${error.code}\n${error.detail}` : String(error)));

const minimum = `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*]
replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
`;

test('the least that works', async () => {
  const { project, warnings } = await load({ 'millrace.yaml': minimum });
  assert.deepEqual(warnings, []);
  assert.equal(urlOf(project.sources[0]?.url), testEnv.SHOP_URL);
  assert.equal(project.sources[0]?.place, 'millrace.yaml:3:3');
  assert.deepEqual(project.sources[0]?.tables.map((each) => each.text), ['public.*']);
  const replica = project.replicas[0];
  assert.deepEqual(replica && { ...replica, url: urlOf(replica.url), from: replica.from.map((each) => [each.source, each.tables.map((pattern) => pattern.text)]) }, {
    name: 'warehouse', from: [['shop', ['*.*']]], url: testEnv.WAREHOUSE_URL, names: 'as-is', rules: [], onBadRow: 'deadLetter', schemaChanges: 'apply', existing: 'refuse', parallel: 1,
  });
  assert.deepEqual(project.limits, { walKeptBytes: 2 * 1024 ** 3, memoryBytes: 1024 ** 3, readers: 4, readBytesPerSec: undefined, snapshotMs: 600_000 });
});

test('every key arrives', async () => {
  const { project, warnings } = await load({ 'millrace.yaml': fullYaml });
  assert.deepEqual(warnings, []);
  const [shop, crm] = project.sources;
  assert.ok(shop && crm);
  assert.equal(urlOf(crm.url), 'postgres://me@localhost/crm');
  assert.deepEqual([shop.slot, shop.publication], ['millrace_shop', 'millrace_shop']);
  assert.ok(shop.tables[2]?.matches({ schema: 'public', name: 'Order.Items' }));
  assert.equal(columnFilter(shop)({ schema: 'public', name: 'customers' }, 'ssn'), false);
  assert.equal(columnFilter(shop)({ schema: 'public', name: 'customers' }, 'name'), true);
  assert.equal(columnFilter(shop)({ schema: 'public', name: 'orders' }, 'ssn'), true);
  const rules = project.replicas[0]?.rules ?? [];
  assert.deepEqual(rules.map((rule) => [rule.source, rule.tables.text, rule.to?.schema, rule.to?.name, rule.appendOnly, rule.place]), [
    ['shop', 'public.*', 'sales', '*', false, 'millrace.yaml:23:7'],
    ['shop', 'public.customers', 'sales', 'customers', false, 'millrace.yaml:24:7'],
    ['shop', 'public.orders', 'sales', 'orders', false, 'millrace.yaml:34:7'],
    ['shop', 'public.orders', 'audit', 'orders', true, 'millrace.yaml:34:7'],
  ]);
  const { mask, add, rename, drop, key, where, deletes, meta } = rules[1] ?? assert.fail();
  assert.deepEqual({ mask, add, rename, drop, key, where, deletes, meta }, {
    mask: { email: { kind: 'hash', salt: '' }, phone: { kind: 'null' }, name: { kind: 'fixed', value: '-' }, card: { kind: 'hash', salt: 'pepper' } },
    add: {
      region: { kind: 'constant', value: 'eu' }, total: { kind: 'sql', sql: 'cents / 100.0' }, since: { kind: 'constant', value: '2020-01-01', type: 'date' },
    },
    rename: { ts: 'created_at' }, drop: ['note'], key: ['id'], where: "status <> 'draft'", deletes: 'soft', meta: true,
  });
  assert.deepEqual(project.serve, { http: { host: '127.0.0.1', port: 8686 } });
});

test('variables come from the environment, .env and files; $${ is an escape', async () => {
  const yaml = minimum.replace('${WAREHOUSE_URL}', () => 'postgres://${USER_NAME}:${file:password}@${HOST:-localhost}/w?application_name=$${x}');
  const files = { 'millrace.yaml': yaml, password: 'p\n', '.env': '# c\nSHOP_URL="postgres://dot@env/shop" # c\nexport USER_NAME=from_dot_env\n' };
  const { project, warnings } = await load(files, { USER_NAME: 'from_env' });
  assert.deepEqual(warnings, []);
  assert.equal(urlOf(project.replicas[0]?.url), 'postgres://from_env:p@localhost/w?application_name=${x}');
  assert.equal(urlOf(project.sources[0]?.url), 'postgres://dot@env/shop');
});

const script = `import { defineProject, env, Decimal, table } from 'millrace';
import { half } from './half.ts';
export default defineProject({
  sources: { shop: { postgres: env('SHOP_URL'), tables: ['public.*', '!public.audit'] } },
  replicas: {
    warehouse: {
      from: 'shop',
      postgres: env('WAREHOUSE_URL', 'postgres://me@localhost/other'),
      tables: [
        table('shop.public.orders', { to: 'sales.orders', where: (o) => o.status !== 'draft', row: (o) => ({ id: o.id, half: half(o.cents), d: Decimal.parse('1.5') }) }),
        table('shop.public.lines', { mask: { note: null } }),
      ],
    },
  },
});
`;
const half = 'export const half = (n: number): number => n / 2;\n';

test('a project in TypeScript, outside any package, whatever its package.json says', async () => {
  for (const more of [{}, { 'package.json': '{"type":"commonjs"}' }]) {
    const { project, warnings } = await load({ 'millrace.config.ts': script, 'half.ts': half, ...more });
    assert.deepEqual(warnings, []);
    const [orders, lines] = project.replicas[0]?.rules ?? [];
    assert.equal(orders?.place, 'millrace.config.ts:10:9');
    assert.ok(typeof orders?.where === 'function' && !orders.where({ status: 'draft' }));
    assert.equal(String(orders?.row?.({ id: 1, cents: 5 })?.['half']), '2.5');
    assert.equal(String(orders?.row?.({ id: 1, cents: 5 })?.['d']), '1.5');
    assert.deepEqual(lines?.mask, { note: { kind: 'null' } });
    assert.equal(urlOf(project.replicas[0]?.url), testEnv.WAREHOUSE_URL);
  }
});

test('mistakes in TypeScript have places too', async () => {
  const wrong = script.replace("to: 'sales.orders'", "too: 'sales.orders'").replace("from: 'shop'", "from: 'shpo'").replace('SHOP_URL', 'SHOPP_URL');
  assert.equal(await problems({ 'millrace.config.ts': wrong, 'half.ts': half }), `CONFIG_VARIABLE
millrace.config.ts:3:16: error: the variable SHOPP_URL is not set
  3 | export default defineProject({
    |                ^^^^^^^^^^^^^
  help: set it in the environment or in .env, or give a default: \${SHOPP_URL:-value}
millrace.config.ts:3:16: error: there is no source "shpo"
  3 | export default defineProject({
    |                ^^^^^^^^^^^^^
  help: did you mean "shop"?
millrace.config.ts:10:9: error: unknown key "too" in replicas.warehouse.tables[0]
  10 |         table('shop.public.orders', { too: 'sales.orders', where: (o) => o.status !== 'draft', row: (o) => ({ id: o.id, half: half(o.cents), d: Decimal.parse('1.5') }) }),
     |         ^^^^^
  help: did you mean "to"?`);
  assert.match(await problems({ 'millrace.config.ts': script, 'half.ts': `${half}throw new Error("no");` }), /^CONFIG_SYNTAX\nhalf\.ts:2:7: error: millrace\.config\.ts does not run: no\n/);
  assert.match(await problems({ 'millrace.config.ts': script, 'half.ts': 'const x const' }), /^CONFIG_SYNTAX\nhalf\.ts:1:\d+: error: millrace\.config\.ts does not run: /);
  assert.match(await problems({ 'millrace.config.ts': 'export default 3;' }), /its default export is not a project/);
});

test('transforms that YAML names', async () => {
  const yaml = minimum + '    transform: ./reporting.ts\n    tables: { shop.public.lines: sales.lines }\n';
  const transform = "import { table } from 'millrace';\nexport default [table('public.orders', { to: 'r.orders', row: ({ id }) => ({ id }) })];\n";
  const { project } = await load({ 'millrace.yaml': yaml, 'reporting.ts': transform });
  assert.deepEqual(project.replicas[0]?.rules.map((rule) => [rule.tables.text, rule.place]), [['public.lines', 'millrace.yaml:11:15'], ['public.orders', 'reporting.ts:2:17']]);
  assert.match(await problems({ 'millrace.yaml': yaml }), /millrace\.yaml:10:16: error: there is no file \.\/reporting\.ts/);
  assert.match(await problems({ 'millrace.yaml': yaml, 'reporting.ts': 'export default {};' }), /is not a list of table/);
  assert.match(await problems({ 'millrace.yaml': yaml, 'reporting.ts': transform.replace('public.orders', 'shpo.public.orders') }), /reporting\.ts:2:17: error: there is no source "shpo"[\s\S]*did you mean "shop"/);
});

test('a project made in a program', async () => {
  const made = defineProject({
    sources: { shop: { postgres: env('SHOP_URL') } },
    replicas: { warehouse: { from: ['shop', '!shop.public.audit*'], postgres: 'postgres://me@localhost/w', tables: [table('shop.public.a*', { to: 'x.b' })] } },
  });
  const { project } = await resolveDefinition(made, { env: testEnv });
  assert.equal(project.replicas[0]?.rules[0]?.to?.name, 'b');
  assert.deepEqual(project.replicas[0]?.from[0]?.tables.map((each) => each.text), ['*.*', '!public.audit*']);
});

test('no project, or two', async () => {
  assert.match(await problems({}), /there is no millrace\.yaml or millrace\.config\.ts here/);
  assert.match(await problems({ 'millrace.yaml': minimum, 'millrace.config.ts': script }), /keep one|both/);
});
