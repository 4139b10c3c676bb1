// Every type arrives exact: what PostgreSQL prints at the source it prints at the target, whether the row came by the snapshot or by the stream.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { quoteIdent, quoteLiteral } from '../../src/data/index.ts';
import { arrayLiteral, samples } from '../samples/pg-types.ts';
import { Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

async function same(table: string): Promise<number> {
  const { source, target } = await scenario.both(table);
  assert.deepEqual(target, source);
  assert.ok(source.length > 0);
  return source.length;
}

const values = (texts: readonly string[], type: string): string => texts.map((text) => `${quoteLiteral(text)}::${type}`).join(', ');

/** Types whose empty value the server sends in a binary form that it cannot read: they make the whole stream a text one. */
const textOnly = ['tsquery', 'int2vector', 'oidvector'];

for (const form of ['binary', 'text'] as const) {
  test(`every built-in type and arrays of it, through snapshot and stream in ${form} form`, async () => {
    const random = new Random(11);
    const types = Object.entries(samples(random, 5)).filter(([type]) => form === 'text' || !textOnly.includes(type));
    await scenario.fresh();
    const columns = types.flatMap(([type], i) => [`c${i} ${type}`, `a${i} ${type}[]`]);
    await scenario.db.query(`create table every (id int primary key, ${columns.join(', ')})`);
    const insert = async (from: number, to: number): Promise<void> => {
      for (let row = from; row < to; row++) {
        const fields = types.flatMap(([type, texts]) => [
          quoteLiteral(texts[row % texts.length] as string), `${quoteLiteral(arrayLiteral(random, texts.slice(0, 40).filter((text) => text.length < 1000), type === 'box' ? ';' : ','))}::${type}[]`,
        ]);
        await scenario.db.query(`insert into every values (${row}, ${fields.join(', ')})`);
      }
    };
    await insert(0, 20);
    await scenario.caughtUp();
    await insert(20, 45);
    await scenario.db.query('insert into every (id) values (-1); update every set id = id + 1000 where id % 3 = 0; update every set c0 = c0 where id % 3 = 1; delete from every where id % 10 = 7');
    await scenario.caughtUp();
    const cells = async (db: typeof scenario.db): Promise<Record<string, string | null>[]> =>
      db.rows(`select id, ${types.map((_, i) => `c${i}::text, a${i}::text`).join(', ')} from every order by id`);
    const [source, target] = [await cells(scenario.db), await cells(scenario.copy)];
    assert.ok(source.length > 30);
    assert.deepEqual(await scenario.copy.rows('select message, "column", key::text from millrace.dead_letters limit 5'), []);
    assert.deepEqual(target.map((row) => row['id']), source.map((row) => row['id']));
    const wrong = source.flatMap((row, i) => Object.entries(row).flatMap(([name, text]) => {
      const there = target[i]?.[name];
      return there === text ? [] : [`${row['id']} ${name} ${types[Number(name.slice(1))]?.[0]}: ${text?.slice(0, 60)} became ${there?.slice(0, 60)}`];
    }));
    assert.deepEqual(wrong, []);
    assert.deepEqual((await scenario.verify()).tables['public.every']?.differing, []);
  });
}

test("users' types: enums, domains, composites, ranges and arrays of them", async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create type mood as enum ('sad', 'it''s ok', 'ünïcode', 'a,b"c\\d');
    create domain cents as numeric(12,2) check (value >= 0);
    create domain many as cents[];
    create type pair as (mood mood, "Total" cents, list mood[], big int8, at timestamptz);
    create type nest as (p pair, ps pair[], r int8range);
    create type span as range (subtype = int8);
    create table t (id int primary key, m mood, ms mood[], c cents, cs cents[], mm many, p pair, n nest, ns nest[], s span, sm spanmultirange, ss span[])`.replace('spanmultirange', '"span_multirange"'));
  const row = (id: number): string => `insert into t values (${id}, ${values(['it\'s ok'], 'mood')}, '[-1:1]={sad,NULL,"a,b\\"c\\\\d"}', 12.30, '{1.5,2.25}', '{3,NULL}',
    row('ünïcode', 9.9, array['sad']::mood[], 9007199254740993, '0044-03-15 00:00:00.000001+00 BC')::pair,
    row(row('sad', null, null, null, 'infinity')::pair, array[row('a,b"c\\d', 0, '{}', -9223372036854775808, '-infinity')::pair, null], '[1,9007199254740993)')::nest,
    array[row(null, null, 'empty')::nest, null], '[1,5)', '{[1,2),[7,)}', array['empty', '(,)']::span[]), (${id + 1}, null, null, null, null, null, null, null, null, null, null, null)`;
  await scenario.db.query(row(1));
  await scenario.caughtUp();
  await scenario.db.query(`${row(3)}; update t set id = 10 where id = 1; update t set m = 'sad', ns = ns || ns where id = 3`);
  await scenario.caughtUp();
  assert.equal(await same('t'), 4);
  assert.equal((await scenario.verify()).equal, true);
});

test('a type without binary output within an array or composite: the stream goes as text', async () => {
  await scenario.fresh();
  await scenario.db.query(`
    create type holder as (a aclitem, n int);
    create table t (id int primary key, acl aclitem, acls aclitem[], h holder, b bytea, f float8, at timestamptz, j jsonb);
    create table plain (id int8 primary key, at timestamptz)`);
  const row = (id: number): string => `insert into t values (${id}, 'postgres=r/postgres', '{postgres=rw/postgres,NULL}', row('=r/postgres', 3), '\\x00ff', 'NaN', 'infinity', '{"a":1.10}'), (${id + 1}, null, null, null, null, null, null, null);
    insert into plain values (${id} + 9007199254740993, '2285-06-05 10:00:00.123456+02')`;
  await scenario.db.query(row(1));
  await scenario.caughtUp();
  await scenario.db.query(`${row(3)}; update t set id = 10 where id = 1; update t set f = '-0' where id = 3; delete from t where id = 2`);
  await scenario.caughtUp();
  assert.equal(await same('t'), 3);
  assert.equal(await same('plain'), 2);
  assert.equal((await scenario.verify()).equal, true);
});

test('a table that gets such a type while the stream runs', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, n int)');
  await scenario.caughtUp();
  await scenario.db.query(`insert into t values (1, 1); alter table t add acls aclitem[]; insert into t values (2, 2, '{postgres=rw/postgres}')`);
  await scenario.caughtUp();
  await same('t');
});

test('names with capitals, dots, quotes, spaces and other alphabets', async () => {
  await scenario.fresh(`millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: ['"Wéird Schema".*', 'public."Order.Items"', 'public."say ""hi"""']
replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
`);
  const tables = [['Wéird Schema', 'Tä.ble "x"'], ['Wéird Schema', 'select'], ['public', 'Order.Items'], ['public', 'say "hi"']] as const;
  await scenario.db.query('create schema "Wéird Schema"; create type "Wéird Schema"."My.Type" as enum (\'x\', \'Y "z"\')');
  const name = ([schema, table]: readonly [string, string]): string => `${quoteIdent(schema)}.${quoteIdent(table)}`;
  for (const table of tables) {
    await scenario.db.query(`create table ${name(table)} ("Ключ" text, "from" int, "a.b" text, "q""uote" "Wéird Schema"."My.Type", " sp ace " text, primary key ("from", "Ключ"));
      insert into ${name(table)} values ('ä', 1, 'x', 'x', ''), ('b', 2, null, 'Y "z"', null)`);
  }
  await scenario.caughtUp();
  for (const table of tables) {
    await scenario.db.query(`insert into ${name(table)} values ('c', 3, 'y', 'x', 'z'); update ${name(table)} set "Ключ" = 'new' where "from" = 1; update ${name(table)} set "a.b" = 'changed' where "from" = 2`);
  }
  await scenario.caughtUp();
  for (const table of tables) assert.equal(await same(name(table)), 3);
  const report = await scenario.verify();
  assert.deepEqual(Object.keys(report.tables).sort(), ['"Wéird Schema"."Tä.ble ""x"""', '"Wéird Schema".select', 'public."Order.Items"', 'public."say ""hi"""'].sort());
  assert.equal(report.equal, true);
});
