// Every built-in type against PostgreSQL itself: what the server prints is what we print, what it sends is what we write.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { ByteWriter, Random } from '../../base/index.ts';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { baseType, type PgType } from '../../data/index.ts';
import { typeCodec, valueToText } from './codec.ts';
import { anyText, arrayLiteral, samples } from '../../../test/samples/pg-types.ts';
import { builtinPgTypes, typeByOid } from './type-by-oid.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const version = process.env['PG_VERSION'] === '15' ? 15 : 18;

let cluster: Cluster;
let client: pg.Client;

before(async () => {
  cluster = await startCluster({ version, settings: { lc_monetary: 'C', datestyle: 'ISO, MDY', intervalstyle: 'postgres', extra_float_digits: '1' } });
  client = new pg.Client(cluster.url());
  await client.connect();
  await client.query(`
    create schema "Odd schema";
    create type mood as enum ('sad', 'a,b', '"quoted"', '');
    create type "Odd schema"."Pair" as (a int4, "B b" text, c numeric[]);
    create type nested as (p "Odd schema"."Pair", m mood, r tsrange);
    create domain positive as numeric check (value > 0);
    create domain matrix as int4[];
    create domain moods as mood[];
    create type textrange as range (subtype = text);
  `);
});

after(async () => {
  await client?.end();
  await cluster?.remove();
});

/**
 * Runs the texts through the server's type: its text form and its binary form of each. The binary form comes out of record_send, since pg
 * reads every field as UTF-8.
 */
async function served(sqlType: string, texts: readonly string[]): Promise<{ text: string; binary: Buffer; input: string }[]> {
  const { rows } = await client.query<[string, Buffer]>({
    text: `select v::${sqlType}, record_send(row(v::${sqlType})) from unnest($1::text[]) with ordinality u(v, n) order by n`,
    values: [texts],
    rowMode: 'array',
    types: { getTypeParser: (oid: number) => (value: string) => (oid === 17 && sqlType !== 'bytea' ? Buffer.from(value.slice(2), 'hex') : value) } as unknown as pg.CustomTypesConfig,
  });
  // int32 count of fields, OID, length, then the value.
  return rows.map(([text, record], i) => ({ input: texts[i] as string, text, binary: (typeof record === 'string' ? Buffer.from((record as string).slice(2), 'hex') : record).subarray(12) }));
}

/** A PgType from the catalog, for the types that this test creates. */
async function typeOf(sqlType: string | number): Promise<PgType> {
  const known = typeof sqlType === 'number' ? typeByOid(sqlType) : undefined;
  if (known) return known;
  const { rows: [row] } = await client.query<{ oid: number; schema: string; name: string; typtype: string; elem: number; base: number; labels: string[] | null; atts: { name: string; type: number }[] | null; binary: boolean }>(`
    select t.oid::int4, n.nspname as schema, typname as name, typtype, typelem::int4 as elem, typbasetype::int4 as base, typsend <> 0 as binary,
      (select json_agg(enumlabel order by enumsortorder) from pg_enum where enumtypid = t.oid) as labels,
      (select json_agg(json_build_object('name', attname, 'type', atttypid::int4) order by attnum) from pg_attribute
        where attrelid = t.typrelid and attnum > 0 and not attisdropped) as atts,
      coalesce(rngsubtype::int4, 0) as sub
    from pg_type t join pg_namespace n on n.oid = typnamespace left join pg_range on rngtypid = t.oid
    where t.oid = $1::regtype`, [sqlType]);
  assert.ok(row);
  const builtIn = typeByOid(row.oid);
  if (builtIn) return builtIn;
  const common = { oid: row.oid, schema: row.schema, name: row.name, binary: row.binary };
  if (row.typtype === 'e') return { ...common, kind: 'enum', labels: row.labels ?? [] };
  if (row.typtype === 'd') return { ...common, kind: 'domain', base: await typeOf(row.base) };
  if (row.typtype === 'c') {
    const attributes = [];
    for (const { name, type } of row.atts ?? []) attributes.push({ name, type: await typeOf(type), typmod: -1 });
    return { ...common, kind: 'composite', attributes };
  }
  if (row.typtype === 'r') return { ...common, kind: 'range', element: await typeOf((row as unknown as { sub: number }).sub) };
  assert.notEqual(row.elem, 0, `${sqlType} is not built in`);
  return { ...common, kind: 'array', element: await typeOf(row.elem) };
}

const encoded = (write: (out: ByteWriter) => void): Buffer => {
  const out = new ByteWriter(8);
  write(out);
  return out.take();
};

/** Whether the JavaScript form drops something that the binary form has, so that only the text it prints is compared. */
function lossy(type: PgType, text: string): boolean {
  const base = baseType(type);
  if (base.name === 'json' || base.name === 'jsonb') return true;
  if (base.kind === 'array') return text.startsWith('[') || (base.element !== undefined && (baseType(base.element).kind === 'array' || lossy(base.element, '')));
  return false;
}

/**
 * Where one text has several binary forms: numeric's NaN and ±Infinity come with a weight and scale that mean nothing (numeric_send reads them
 * from beyond the value), and a tsquery does not print how `a | (b | c)` was grouped.
 */
const ambiguous = (sqlType: string, text: string): boolean => sqlType.startsWith('tsquery') || (/NaN|Infinity/.test(text) && !sqlType.startsWith('float'));

async function check(sqlType: string, type: PgType, texts: readonly string[]): Promise<void> {
  const codec = typeCodec(type);
  for (const { input, text, binary } of await served(sqlType, texts)) {
    const context = `seed ${seed}, ${sqlType}: ${input.slice(0, 200)}`;
    const value = codec.decode(binary);
    const again = encoded((out) => codec.encode(value, out));
    const fromText = encoded((out) => codec.encodeText(text, out));
    assert.equal(codec.toText(binary), text, `toText, ${context}`);
    assert.deepEqual(codec.decodeText(text), value, `decodeText, ${context}`);
    if (ambiguous(sqlType, text)) assert.equal(codec.toText(fromText), text, `encodeText, ${context}`);
    else assert.deepEqual(fromText, binary, `encodeText, ${context}`);
    if (lossy(type, text) || ambiguous(sqlType, text)) assert.deepEqual(codec.decode(again), value, `decode(encode), ${context}`);
    else assert.deepEqual(again, binary, `encode(decode), ${context}`);
    assert.equal(valueToText(type, value), lossy(type, text) ? codec.toText(again) : text, `valueToText, ${context}`);
  }
}

test('the table of built-in types is the catalog', async () => {
  const { rows } = await client.query<{ oid: number; name: string; elem: number; array: boolean }>(`
    select oid::int4, typname as name, typelem::int4 as elem, typinput = 'array_in'::regproc as array
    from pg_type t where typnamespace = 'pg_catalog'::regnamespace and typrelid = 0 and typtype in ('b', 'r', 'm')
      and typelem <> 'cstring'::regtype
      and not exists (select from pg_class c join pg_type e on e.oid = t.typelem and e.typrelid = c.oid)`);
  for (const row of rows) {
    const type = typeByOid(row.oid);
    assert.equal(type?.name, row.name);
    if (row.array) assert.equal(type?.element?.oid, row.elem, row.name);
    else assert.notEqual(type?.kind, 'array');
  }
});

test('every built-in type that has a binary form has samples', () => {
  const names = new Set(Object.keys(samples(new Random(1), 0)).map((name) => name.replace(/^"|"$|\(.*/g, '')));
  names.add('bpchar').delete('char(5)');
  for (const type of builtinPgTypes()) {
    if (type.kind === 'array' || !type.binary) continue;
    assert.ok(names.has(type.name) || type.name === 'char', type.name);
    assert.equal(typeCodec(type).binary, true, type.name);
  }
});

test('built-in types', async () => {
  for (const [sqlType, texts] of Object.entries(samples(new Random(seed), 60))) {
    await check(sqlType, await typeOf(sqlType), texts);
  }
});

test('arrays of built-in types', async () => {
  const random = new Random(seed);
  for (const [sqlType, texts] of Object.entries(samples(random, 10))) {
    if (sqlType.endsWith('vector') && sqlType !== 'tsvector') continue;
    const short = texts.filter((text) => text.length < 2000);
    const literals = ['{}', '{NULL}', ...Array.from({ length: 12 }, () => arrayLiteral(random, short, sqlType === 'box' ? ';' : ','))];
    const type = await typeOf(`${sqlType}[]`);
    await check(`${sqlType}[]`, type, literals);
  }
});

test('enums, domains, composites, ranges of users, and their arrays', async () => {
  const random = new Random(seed);
  const quote = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '""')}"`;
  const pair = (): string => `(${random.pick(['', '7'])},${random.chance(0.2) ? '' : quote(anyText(random))},${random.pick(['', '"{1.50,NULL}"', '"[0:1]={1,2}"', '{}'])})`;
  const cases: Record<string, string[]> = {
    mood: ['sad', 'a,b', '"quoted"', ''],
    positive: ['1.50', '99999999999999999999.5'],
    matrix: ['{{1,2},{3,4}}', '[0:0]={7}', '{}'],
    moods: ['{sad,"a,b",NULL,"\\"quoted\\"",""}'],
    '"Odd schema"."Pair"': ['(,,)', ...Array.from({ length: 60 }, pair)],
    nested: ['(,,)', ...Array.from({ length: 60 }, () => `(${quote(pair())},${random.pick(['', 'sad', '"a,b"'])},"[2024-01-01,infinity)")`)],
    textrange: ['empty', '[a,b)', '["",)', '(" ","\\\\")', '["a""b","c,d"]', '["(","]"]'],
  };
  for (const [sqlType, texts] of Object.entries(cases)) {
    await check(sqlType, await typeOf(sqlType), texts);
    await check(`${sqlType}[]`, await typeOf(`${sqlType}[]`), Array.from({ length: 20 }, () => arrayLiteral(random, texts, ',')));
  }
});

test('texts as people write them', async () => {
  const cases: Record<string, string[]> = {
    bool: ['TRUE', ' yes ', 'off', '0', 'n'],
    int4: [' 42 ', '+7', '-0'],
    int8: [' -9 ', '+9223372036854775807'],
    numeric: ['1e3', '.5', '5.', ' +1.50 ', '1.5E-3', 'nan', 'inf', '-infinity', '123e-2'],
    float8: ['1e3', '.5', '5.', ' +1 ', 'inf', '-Infinity', 'nan'],
    float4: ['1e3', '0.1', '16777217'],
    bytea: ['abc', 'a\\\\b', '\\000\\377', '\\xAB'],
    date: ['2024-01-02', '2024-1-2', '2024-01-02 10:00:00', 'Infinity', '2024-01-02T10:00:00Z'],
    time: ['10:00', '10:00:00.1234567', '24:00', '10:00:00+02', '23:59:60'],
    timetz: ['10:00+02', '10:00:00.5-03:30', '10:00Z'],
    timestamp: ['2024-01-02T10:00:00Z', '2024-01-02 10:00', '2024-01-02', '2024-01-02 10:00:00.1234565', '2024-01-02 24:00:00', '2024-01-02 10:00:00+02'],
    timestamptz: ['2024-01-02T10:00:00+02:00', '2024-01-02 10:00:00-0330', '2024-01-02T10:00:00.5Z', '2024-01-02', '2024-01-02 10:00:00 +05:45:30'],
    interval: ['P1Y2M-3DT4H5M6.7S', '@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs', '1 hour ago', '2 weeks', '1.5 hours', '5', '1 decade', '-1:02', 'PT0S', '1 day -00:00:01', '3 ms', '1 century 2 years'],
    uuid: ['{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'],
    inet: ['::FFFF:1.2.3.4', '2001:DB8::1/64'],
    macaddr: ['08002b:010203', '0800.2b01.0203', '08002b010203'],
    macaddr8: ['08-00-2b-01-02-03-04-05', '08002b0102030405'],
    money: ['12', '$1,000.5', '-$3.25', '-4'],
    'int4[]': ['{ 1 , 2,3 }', '[2:3]={1,2}', '{{1,2},{3,4}}', '{null, NULL}'],
    'text[]': ['{a b , "c" , \\"d}', '{ null, "null" }', '{"a\\\\b","x\\"y"}'],
    int4range: ['[1,5)', '(,)', 'EMPTY', ' [1,7) '],
    numrange: ['[ 1.50,2.5 ]', '("1",)'],
    tsrange: ['[2024-01-01 00:00:00,2024-01-02 00:00:00)', '["2024-01-01",infinity]'],
    nummultirange: ['{ [1,2) , [3,4] }', '{}'],
    point: ['1,2', '( 1 , 2 )'],
    circle: ['((1,2),3)', '1,2,3'],
    polygon: ['(1,2),(3,4)', '((1,2),(3,4))'],
    path: ['(1,2),(3,4)', '[ (1,2) , (3,4) ]'],
    lseg: ['((1,2),(3,4))', '1,2,3,4'],
    tsvector: ['The quick:3,1 the quick:1A', 'b a  c', "a:1,1B"],
    tsquery: ['a&b|!c', 'a<->b', '(((a)))', "'x y':*A"],
    pg_lsn: ['16/b374d848'],
    oidvector: [' 1  2 '],
    '"Odd schema"."Pair"': ['( 1,a b,)', '(,"x\\"y",)', '(,x\\,y,{1})'],
  };
  for (const [sqlType, texts] of Object.entries(cases)) {
    const codec = typeCodec(await typeOf(sqlType));
    for (const { input, binary } of await served(sqlType, texts)) {
      const bytes = encoded((out) => codec.encode(input, out));
      if (ambiguous(sqlType, codec.toText(binary))) assert.equal(codec.toText(bytes), codec.toText(binary), `${sqlType}: ${input}`);
      else assert.deepEqual(bytes, binary, `${sqlType}: ${input}`);
    }
  }
});
