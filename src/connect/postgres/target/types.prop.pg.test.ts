// Random types built on each other: what the plan makes has the same format_type, attributes, labels and bases as at the source, and nothing is
// left to plan. fast-check prints the seed of a failure.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { parseTablePattern, quoteIdent, quoteLiteral, type TablePattern } from '../../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../../wire/index.ts';
import { readRelations } from '../catalog.ts';
import { applyTarget } from './apply.ts';
import { planTarget } from './plan.ts';

let cluster: Cluster;
let source: PgConnection;
let target: PgConnection;

before(async () => {
  cluster = await startCluster();
  source = await PgConnection.connect(parsePgUrl(cluster.url()));
  await source.query('create database target');
  target = await PgConnection.connect(parsePgUrl(cluster.url('target')));
});
after(async () => {
  await Promise.all([source.close(), target.close()]);
  await cluster.remove();
});

const builtIn = ['int4', 'text', 'numeric(9,4)', 'varchar(7)', 'timestamptz(3)', 'bit(3)', 'interval day to second(2)', 'jsonb', 'int4range', 'tsmultirange'];
const name = fc.oneof(fc.constantFrom('order', 'a b', 'Ä"x', 'user', 'tab.le', "it's", 'plain'), fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('a', 'B', '_', '1', '$') }));
const labels = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', "'", '\\', ' ', 'é') }), { minLength: 1, maxLength: 4 });
const part = fc.record({ pick: fc.nat(), array: fc.boolean() });
const kind = fc.oneof(
  fc.record({ kind: fc.constant('enum' as const), labels }),
  fc.record({ kind: fc.constant('domain' as const), part }),
  fc.record({ kind: fc.constant('composite' as const), parts: fc.array(part, { minLength: 1, maxLength: 4 }) }),
  fc.record({ kind: fc.constant('range' as const) }),
);

const shape = `
  select coalesce(json_agg(x order by x::text), '[]')::text as shape from (
    select t.typname, t.typtype, format_type(t.typbasetype, t.typtypmod) as base,
      (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) as labels,
      (select json_agg(array[a.attname::text, format_type(a.atttypid, a.atttypmod)] order by a.attnum) from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0) as attributes
    from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = 'odd "s"') x`;

test('types built on each other arrive as they are', async () => {
  const schema = quoteIdent('odd "s"');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, kind), { minLength: 1, maxLength: 7 }), async (drawn) => {
      await Promise.all([source, target].map((connection) => connection.query(`drop schema if exists ${schema} cascade`)));
      await source.query(`set search_path = 'pg_catalog'; create schema ${schema}`);
      const made: string[] = [];
      const textOf = ({ pick, array }: { pick: number; array: boolean }): string => {
        const all = [...builtIn, ...made];
        return `${all[pick % all.length]}${array ? '[]' : ''}`;
      };
      for (const [i, [base, one]] of drawn.entries()) {
        const full = `${schema}.${quoteIdent(`${base}${i}`)}`;
        if (one.kind === 'enum') await source.query(`create type ${full} as enum (${one.labels.map(quoteLiteral).join(', ')})`);
        else if (one.kind === 'domain') await source.query(`create domain ${full} as ${textOf(one.part)}`);
        else if (one.kind === 'composite') await source.query(`create type ${full} as (${one.parts.map((each, at) => `${quoteIdent(`${base}${at}`)} ${textOf(each)}`).join(', ')})`);
        else await source.query(`create type ${full} as range (subtype = int8)`);
        made.push(full);
      }
      await source.query(`create table ${schema}.t (${made.map((type, i) => `c${i} ${type}, a${i} ${type}[]`).join(', ')})`);
      const wanted = (await readRelations(source, [parseTablePattern(`${schema}.t`) as TablePattern])).map(({ schema: s, name: n, columns, key }) => ({ schema: s, name: n, columns, key }));
      assert.equal(wanted.length, 1);
      await applyTarget(target, await planTarget(target, wanted));
      const [atSource, atTarget] = await Promise.all([source, target].map((connection) => connection.rows(shape)));
      assert.deepEqual(atTarget, atSource);
      const again = await planTarget(target, wanted);
      assert.deepEqual([again.ddl, again.grants, again.problems], [[], [], []]);
    }),
    { numRuns: 20 },
  );
});
