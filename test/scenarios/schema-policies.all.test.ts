// Schema changes that a table cannot follow, or may not: it stops with the reason, the others go on, and it is read again when it fits.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

const yaml = (replica: string): string =>
  `millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n${replica}`;
const events = (table: string): string[] => (scenario.status().replicas['warehouse']?.tables[table]?.events ?? []).map(({ what }) => what);
const stop = (table: string): { state?: string; reason?: string; next?: string } => scenario.status().replicas['warehouse']?.tables[table] ?? {};

async function same(table: string, columns = '*'): Promise<void> {
  const { source, target } = await scenario.both(table, table, columns);
  assert.deepEqual(target, source);
}

/** The position that the source may forget moves past now, although a table is stopped. */
async function acknowledged(): Promise<void> {
  const [now] = await scenario.db.rows<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
  await until(async () => (await scenario.db.rows<{ ok: string }>('select (confirmed_flush_lsn >= $1::pg_lsn)::text as ok from pg_replication_slots', [now?.lsn ?? '']))[0]?.ok === 'true', 20_000);
}

test('a type that the target does not hold stops its table alone; mended there, it is read again by itself, also after a restart', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table a (id int primary key, n int); create table b (id int primary key, v text); insert into a values (1, 1); insert into b values (1, 'x')`);
  await scenario.caughtUp();
  await scenario.db.query(`alter table a alter n type numeric(10,2); update a set n = 1.25; insert into a values (2, 2.5); insert into b values (2, 'y')`);
  await scenario.caughtUp();
  await same('b');
  assert.equal(stop('public.a').state, 'failed');
  assert.match(stop('public.a').reason ?? '', /column n of public\.a is numeric\(10,2\) at the source now, and integer at the target does not hold all its values/);
  assert.match(stop('public.a').next ?? '', /^alter table public\.a alter column n type numeric\(10,2\)/);
  await scenario.stop();
  await scenario.db.query(`insert into a values (3, 3.5); insert into b values (3, 'z')`);
  await scenario.caughtUp();
  await same('b');
  assert.equal((await scenario.copy.rows('select 1 as x from a')).length, 1);
  assert.equal(stop('public.a').state, 'failed');
  await acknowledged();
  await scenario.copy.query(stop('public.a').next ?? '');
  await until(() => stop('public.a').state !== 'failed', 20_000);
  await scenario.db.query('delete from a where id = 1; update a set n = 9 where id = 2');
  await scenario.caughtUp();
  await same('a');
  assert.equal((await scenario.verify()).equal, true);
});

test('a rule that no longer fits stops its table alone, and it goes on with the mended rule', async () => {
  const rule = (column: string): string => yaml(`    tables:\n      public.a: { mask: { ${column}: hash } }\n      public.*: { drop: [secret] }\n`);
  await scenario.fresh(rule('ssn'));
  await scenario.db.query(`create table a (id int primary key, ssn text); create table b (id int primary key, v text, secret text); create table c (id int primary key, secret text);
    insert into a values (1, '1'); insert into b values (1, 'x', 's'); insert into c values (1, 's')`);
  await scenario.caughtUp();
  // The rule for many tables has its column still, in c: what it withholds from b must not come through.
  await scenario.db.query(`alter table a rename ssn to social; insert into a values (2, '2'); alter table b rename secret to hidden; insert into b values (2, 'y', 't'); insert into c values (2, 't')`);
  await scenario.caughtUp();
  assert.match(stop('public.a').reason ?? '', /there is no column ssn|column ssn, which a rule drops or masks, is called social now/);
  assert.match(stop('public.b').reason ?? '', /column secret, which a rule drops or masks, is called hidden now/);
  assert.deepEqual((await scenario.both('c', 'c', 'id')).target, ['(1)', '(2)']);
  await scenario.stop();
  scenario.configure(rule('social').replace('secret', 'secret, hidden'));
  await scenario.caughtUp();
  assert.equal(stop('public.b').state, 'failed', 'only by request');
  const running = scenario.running;
  await running.resync('warehouse', ['public.b', ...(stop('public.a').state === 'failed' ? ['public.a'] : [])]);
  await scenario.caughtUp();
  assert.deepEqual((await scenario.copy.rows<{ t: string }>('select b::text as t from b order by id')).map((row) => row.t), ['(1,x)', '(2,y)']);
  assert.deepEqual((await scenario.copy.rows<{ n: string }>(`select count(*) as n from a where length(social) = 64`)).map((row) => row.n), ['2']);
});

test('schemaChanges: fail stops the table at any change of its shape, until a resync', async () => {
  await scenario.fresh(yaml('    tables:\n      public.a: { schemaChanges: fail }\n'));
  await scenario.db.query(`create table a (id int primary key, v text); create table b (id int primary key); insert into a values (1, 'x')`);
  await scenario.caughtUp();
  await scenario.db.query(`analyze a; insert into a values (2, 'y')`);
  await scenario.caughtUp();
  await same('a');
  await scenario.db.query('alter table a add extra int; insert into a values (3, \'z\', 3); alter table b add extra int; insert into b values (1, 1)');
  await scenario.caughtUp();
  await same('b');
  assert.deepEqual([stop('public.a').reason, stop('public.a').next], ['its shape has changed: column extra was added [SCHEMA_CHANGED]', 'millrace resync warehouse.public.a']);
  assert.equal((await scenario.copy.rows('select 1 as x from a')).length, 2);
  await scenario.stop();
  await scenario.caughtUp();
  assert.equal(stop('public.a').state, 'failed');
  await acknowledged();
  await scenario.running.resync('warehouse', ['public.a']);
  await scenario.caughtUp();
  await same('a');
  await scenario.db.query('insert into a values (4, null, 4)');
  await scenario.caughtUp();
  await same('a');
  assert.equal(stop('public.a').reason, undefined);
});

test('schemaChanges: freeze keeps the shape and says what it leaves out', async () => {
  await scenario.fresh(yaml('    schemaChanges: freeze\n'));
  await scenario.db.query(`create table a (id int primary key, v text, w int, gone text); insert into a values (1, 'x', 1, 'g')`);
  await scenario.caughtUp();
  await scenario.db.query(`alter table a add extra int default 5; alter table a rename v to called; alter table a alter w type smallint; alter table a drop gone;
    insert into a values (2, 'y', 2, 2); update a set called = 'z' where id = 1`);
  await scenario.caughtUp();
  assert.deepEqual((await scenario.copy.rows<{ t: string }>('select a::text as t from a order by id')).map((row) => row.t), ['(1,z,1,g)', '(2,y,2,)']);
  assert.deepEqual(events('public.a').toSorted(), [
    'column extra is new and left out', 'column gone is gone at the source; it is NULL in new rows',
    'column v keeps its name, it is called called at the source', 'column w is smallint at the source now; the target keeps integer, which holds all its values',
  ]);
  assert.equal((await scenario.verify()).equal, true);
});
