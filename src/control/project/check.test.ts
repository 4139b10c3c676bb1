// The schema file, the generated types, and what `check` says with them. The tables are those of test/types/millrace.d.ts.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { typeByOid } from '../../codec/index.ts';
import { type CatalogTable, makeRelation } from '../../connect/index.ts';
import type { Column, PgType, ReplicaIdentity } from '../../data/index.ts';
import { checkProject } from './check.ts';
import { formatDiagnostic } from './diagnostic.ts';
import { generateTypes } from './generate-types.ts';
import { readSchemaFile, schemaFile } from './schema-file.ts';
import { testEnv, withProject } from './testing.ts';

const status: PgType = { oid: 50_001, schema: 'public', name: 'status', kind: 'enum', labels: ['new', 'paid', 'draft'], binary: true };
const statuses: PgType = { oid: 50_002, schema: 'public', name: '_status', kind: 'array', element: status, binary: true };
const money: PgType = { oid: 50_003, schema: 'public', name: 'Mon.ey', kind: 'domain', base: typeByOid(1700) as PgType, baseTypmod: 655_366, binary: true };
const pair: PgType = {
  oid: 50_004, schema: 'public', name: 'pair', kind: 'composite', binary: true,
  attributes: [{ name: 'a', type: typeByOid(23) as PgType, typmod: -1 }, { name: 'b', type: statuses, typmod: -1 }],
};

const column = (name: string, type: number | PgType, typeText: string, notNull = true, typmod = -1): Column =>
  ({ name, type: typeof type === 'number' ? (typeByOid(type) as PgType) : type, typmod, typeText, notNull });

function catalogTable(name: string, columns: Column[], key: string[], identity: ReplicaIdentity = 'default', toastable: string[] = []): CatalogTable {
  return {
    relation: makeRelation({ schema: 'public', name, oid: 60_000 + name.length }, columns, identity, key),
    leftOut: [], toastable, partitioned: false, primaryKey: key, rowsEstimate: -1,
  };
}

const orders = catalogTable('orders', [
  column('id', 20, 'bigint'), column('status', status, 'public.status'), column('cents', 20, 'bigint'), column('note', 25, 'text', false), column('placed', 1184, 'timestamp with time zone'),
], ['id'], 'default', ['note']);
const lines = catalogTable('lines', [
  column('order_id', 20, 'bigint'), column('line', 23, 'integer'), column('price', 1700, 'numeric', false), column('note', 25, 'text', false),
], ['order_id', 'line'], 'full', ['price', 'note']);
const odd = catalogTable('Odd.Name', [
  column('Id', 20, 'bigint'), column("it's", statuses, 'public.status[]', false), column('money', money, 'public."Mon.ey"'), column('pair', pair, 'public.pair', false),
  column('short', 1043, 'character varying(5)', true, 9), column('long', 1043, 'character varying(6)', true, 10), column('price', 1700, 'numeric(10,2)', true, 655_366),
  column('day', 1082, 'date'), column('data', 3802, 'jsonb'),
], [], 'nothing', ["it's", 'pair', 'short', 'long', 'price', 'data']);

test('the types that the type tests are compiled with are what is generated', () => {
  const generated = generateTypes({ shop: [orders, lines] });
  const declarations = new URL('../../../test/types/millrace.d.ts', import.meta.url);
  if (process.env['UPDATE']) writeFileSync(declarations, generated);
  assert.equal(generated, readFileSync(declarations, 'utf8'));
});

test('names that are no identifiers, arrays, domains; what is too short to be left out', () => {
  assert.equal(generateTypes({ 'my-shop': [odd] }), `// Written by \`millrace types\`; run it again when a table changes.
import type { CalendarDate, Decimal, Json, Unchanged } from 'millrace';

declare module 'millrace' {
  interface Tables {
    'my-shop.public."Odd.Name"': {
      row: {
        readonly Id: bigint;
        readonly 'it\\'s': ('new' | 'paid' | 'draft' | null)[] | Unchanged | null;
        readonly money: Decimal;
        readonly pair: string | Unchanged | null;
        readonly short: string;
        readonly long: string | Unchanged;
        readonly price: Decimal;
        readonly day: CalendarDate;
        readonly data: Json | Unchanged;
      };
      key: never;
      identity: 'key';
    };
  }
}
`);
});

test('the schema file reads back as it was written, and does not depend on OIDs or order', () => {
  const written = schemaFile({ shop: { tables: [orders, lines, odd], others: [{ schema: 'public', name: 'audit' }] } });
  const read = readSchemaFile(written).get('shop') ?? assert.fail();
  assert.equal(schemaFile({ shop: read }), written);
  assert.equal(schemaFile({ shop: { tables: [odd, lines, orders], others: read.others } }), written);
  const back = read.tables.find((table) => table.relation.name === 'Odd.Name')?.relation ?? assert.fail();
  assert.deepEqual(back.columns.map((each) => [each.name, each.typeText, each.typmod, each.notNull, each.type.kind]),
    odd.relation.columns.map((each) => [each.name, each.typeText, each.typmod, each.notNull, each.type.kind]));
  assert.equal(back.columns[1]?.type.element?.labels?.[1], 'paid');
  assert.equal(back.columns[3]?.type.attributes?.[1]?.type.element?.name, 'status');
  assert.equal(generateTypes({ shop: read.tables }), generateTypes({ shop: [orders, lines, odd] }));
  for (const bad of ['', '{}', '{"millrace":2}', '{"millrace":1}', '{"millrace":1,"sources":{"a":{"tables":[{"columns":[{"type":"x.y"}]}]}}}']) {
    assert.throws(() => readSchemaFile(bad), { code: 'CONFIG_INVALID' }, bad);
  }
});

const yaml = (source: string, replica: string): string => `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
${source}
replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
${replica}
`;

const schema = schemaFile({ shop: { tables: [orders, lines], others: [{ schema: 'public', name: 'audit' }] } });

const check = (text: string, files: Record<string, string> = { 'millrace.schema.json': schema }): Promise<string[]> =>
  withProject({ 'millrace.yaml': text, ...files }, async (folder) => (await checkProject(folder, { env: testEnv })).diagnostics.map(formatDiagnostic));

test('a project that fits its schema has no problems', async () => {
  assert.deepEqual(await check(yaml("    tables: [public.*, '!public.audit']\n    columns: { public.orders: ['*', '!note'] }", '    tables: { public.orders: { to: sales.orders, mask: { note: hash } } }')), []);
});

test('tables that do not exist, with the nearest; globs that match nothing', async () => {
  assert.deepEqual(await check(yaml('    tables: [public.ordres, sales.*, public.*]\n    columns: { public.orders: ["*", "!notes"] }', '    tables: { shop.public.linse: sales.lines, x*.*: a.* }')), [
    `millrace.yaml:5:14: error: there is no table public.ordres
  5 |     tables: [public.ordres, sales.*, public.*]
    |              ^^^^^^^^^^^^^
  help: did you mean "public.orders"?`,
    `millrace.yaml:5:29: error: sales.* matches no table
  5 |     tables: [public.ordres, sales.*, public.*]
    |                             ^^^^^^^
  help: the tables stand in millrace.schema.json; \`millrace types\` writes it anew`,
    `millrace.yaml:5:5: warning: public.audit is selected, but millrace.schema.json does not describe it
  5 |     tables: [public.ordres, sales.*, public.*]
    |     ^^^^^^
  help: run \`millrace types\``,
    `millrace.yaml:6:37: error: public.orders has no column notes
  6 |     columns: { public.orders: ["*", "!notes"] }
    |                                     ^^^^^^^^
  help: did you mean "note"?`,
    `millrace.yaml:11:15: error: there is no table shop.public.linse
  11 |     tables: { shop.public.linse: sales.lines, x*.*: a.* }
     |               ^^^^^^^^^^^^^^^^^
  help: did you mean "shop.public.lines"?`,
    `millrace.yaml:11:47: error: shop.x*.* matches no table
  11 |     tables: { shop.public.linse: sales.lines, x*.*: a.* }
     |                                               ^^^^`,
  ].toSorted((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1]) || Number(a.split(':')[2]) - Number(b.split(':')[2])));
});

test('rules with unknown columns, impossible keys, wrong expressions, and conditions on what may be left out', async () => {
  const said = async (rule: string): Promise<string> =>
    (await check(yaml('    tables: [public.orders, public.lines]', `    tables: { public.orders: ${rule} }`))).join('\n');
  assert.match(await said('{ drop: [notes] }'), /:10:15: error: .*notes[\s\S]*note/);
  assert.match(await said('{ mask: { notes: hash } }'), /error: .*notes/);
  assert.match(await said('{ rename: { notes: n } }'), /error: .*notes/);
  assert.match(await said('{ key: [status] }'), /error: .*status[\s\S]*replica identity full/);
  assert.match(await said('{ where: "stauts = \'new\'" }'), /error: .*stauts/);
  assert.match(await said('{ add: { total: { sql: "cents +" } } }'), /error: /);
  assert.match(await said('{ where: "note = \'x\'" }'), /the condition asks note, which an update leaves out[\s\S]*alter table "public"\."orders" replica identity full/);
  assert.equal(await said('{ where: "cents > 5" }'), '');
  assert.match(await said('{ indexes: [cent] }'), /:10:15: error: public\.orders: the target has no column cent for the index on \(cent\)[\s\S]*did you mean cents/);
  assert.match(await said('{ rename: { cents: total }, indexes: [lower(cents)] }'), /the target has no column cents for the index on \(lower\(cents\)\)/);
  assert.match(await said('{ indexes: [lower(note] }'), /:10:15: error: public\.orders: the index on \(lower\(note\): syntax error at end of input/);
  assert.match(await said('{ indexes: [{ on: cents, where: "stauts = 1" }] }'), /no column stauts for the index on \(cents\)/);
  assert.equal(await said('{ rename: { cents: total }, meta: true, indexes: ["total desc, _committed_at", { on: note, using: hash, where: "status = \'new\'", unique: true }] }'), '');
});

test('without a schema file tables and columns are not checked, and that is said', async () => {
  assert.deepEqual(await check(yaml('    tables: [nowhere.*]', ''), {}), [`millrace.yaml:2:1: warning: tables and columns of "shop" are not checked: millrace.schema.json does not have them
  2 | sources:
    | ^^^^^^^
  help: write it with \`millrace types\``]);
});
