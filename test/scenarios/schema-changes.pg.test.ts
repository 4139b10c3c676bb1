// Tables change their shape while rows stream: the target follows at the right place of the stream, also for what happened while nobody looked.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

async function same(table: string, columns = '*'): Promise<string[]> {
  const { source, target } = await scenario.both(table, table, columns);
  assert.deepEqual(target, source);
  return source;
}

const noLetters = async (): Promise<void> => assert.deepEqual(await scenario.copy.rows('select message, "column" from millrace.dead_letters'), []);

for (const when of ['while it runs', 'while it is down'] as const) {
  test(`columns added ${when}: constant defaults reach existing rows, in one transaction with rows before and after`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create table t (id int primary key, v text); insert into t select i, 'old' from generate_series(1, 5) i;
      create table p (id int primary key, v text) partition by range (id); create table p1 partition of p for values from (0) to (100); insert into p values (1, 'x')`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`insert into t values (6, 'before'); alter table t add a int`);
    await scenario.db.query(`begin; insert into t values (7, 'before in it', 1); update t set v = 'w' where id = 1;
      alter table t add txt text not null default 'quote '' "d" \\ {x,y}', add arr text[] default '{"a b",NULL,"q\\"r"}', add at timestamptz default '2024-02-03 04:05:06.789+00', add n numeric(10,2) default 1.5,
        add f float8 default '-Infinity', add b bytea default '\\x00ff', add empty text default '';
      insert into t (id, v) values (8, 'after'); update t set v = 'x' where id = 2; update t set id = 30 where id = 3; update t set txt = 'own', arr = null where id = 4; commit`);
    await scenario.db.query(`alter table t add later int default 7; delete from t where id = 5; insert into t (id, v, later) values (9, 'last', null); alter table p add flag boolean not null default true; insert into p values (2, 'y', false)`);
    await scenario.caughtUp();
    assert.equal((await same('t')).length, 8);
    await same('p');
    await noLetters();
    assert.equal((await scenario.verify()).equal, true);
  });

  test(`columns dropped ${when}: the target keeps them, nullable`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create table t (id int primary key, gone text not null, kept int not null, v text); insert into t select i, 'g', i, 'v' from generate_series(1, 5) i`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`begin; insert into t values (6, 'g', 6, 'before'); update t set gone = 'changed' where id = 1; alter table t drop gone; insert into t values (7, 7, 'after'); update t set v = 'w' where id = 2; commit`);
    await scenario.db.query('update t set id = 40 where id = 4; delete from t where id = 5');
    await scenario.caughtUp();
    await same('t', 'id, kept, v');
    assert.deepEqual((await scenario.copy.rows('select id, gone from t order by id')).map((row) => Object.values(row).join()), ['1,changed', '2,g', '3,g', '6,g', '7,', '40,']); // a row that changes its key is a new row
    await noLetters();
    assert.equal((await scenario.verify()).equal, true);
  });

  test(`a new enum label and a new attribute of a composite ${when}`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create type mood as enum ('sad', 'ok'); create type pair as (a int); create table t (id int primary key, m mood, ms mood[], p pair); insert into t values (1, 'sad', '{ok}', row(1))`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`alter type mood add value 'happy' before 'ok'`);
    await scenario.db.query(`alter type pair add attribute b text; insert into t values (2, 'happy', '{happy,sad}', row(2, 'b')); update t set m = 'happy' where id = 1`);
    await scenario.caughtUp();
    await same('t');
    await noLetters();
  });

  test(`columns renamed, widened, narrowed, made nullable, in circles, ${when}: the target follows, or the table is read again`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create table t (id int primary key, a int not null, v varchar(5), n numeric(8,2), r numeric(10,4), w bigint);
      create table circle (id int primary key, a text, b text); create table again (id int primary key, a text);
      insert into t select i, i, 'v', 1.5, 1.2345, i from generate_series(1, 5) i; insert into circle values (1, 'a', 'b'), (2, 'a', 'b'); insert into again values (1, 'old'), (2, 'old')`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`begin; update t set v = 'w' where id = 1; insert into t values (6, 6, 'six', 6, 6, 6); alter table t rename a to "A b"; update t set "A b" = 70 where id = 2;
      alter table t alter "A b" type bigint, alter v type text, alter n type numeric(12,4), alter w type int; insert into t values (7, 1::bigint << 40, 'longer than five', 12345678.1234, 7, 7);
      alter table t alter r type numeric(6,2), alter "A b" drop not null; insert into t values (8, null, 'x', 1, 1.25, 8); commit`);
    await scenario.db.query(`alter table circle rename a to c; alter table circle rename b to a; alter table circle rename c to b; insert into circle values (3, 'b', 'a');
      alter table again drop a; alter table again add a text; insert into again values (3, 'new')`);
    await scenario.caughtUp();
    await same('t', 'id, "A b", v, n, r::numeric(6,2), w'); // rounded as the source's were
    await same('circle', 'id, a, b');
    await same('again');
    const types = await scenario.copy.rows<{ t: string }>(
      `select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) as t from pg_attribute a where attrelid = 't'::regclass and attnum > 0 and not attisdropped order by attnum`);
    assert.deepEqual(types.map((row) => row.t), ['id integer', 'A b bigint', 'v text', 'n numeric(12,4)', 'r numeric(10,4)', 'w bigint']);
    await noLetters();
    assert.equal((await scenario.verify()).equal, true);
  });

  test(`the primary key changes ${when}: the target's follows`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create table t (id int primary key, code text not null, v text); insert into t select i, 'c' || i, 'v' from generate_series(1, 5) i`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`begin; update t set v = 'w' where id = 1; alter table t drop constraint t_pkey, add primary key (code); insert into t values (1, 'c6', 'same id'); update t set v = 'x' where code = 'c2';
      delete from t where code = 'c3'; commit`);
    await scenario.db.query(`alter table t alter id drop not null; insert into t values (null, 'c7', 'y'); update t set code = 'c8' where code = 'c4'`);
    await scenario.caughtUp();
    await same('t');
    const [key] = await scenario.copy.rows<{ k: string }>(`select pg_get_constraintdef(oid) as k from pg_constraint where conrelid = 't'::regclass and contype = 'p'`);
    assert.equal(key?.k, 'PRIMARY KEY (code)');
    await noLetters();
    assert.equal((await scenario.verify()).equal, true);
  });

  test(`columns with a value of their own in each row ${when}: the table is read again, under a new key too`, async () => {
    await scenario.fresh();
    await scenario.db.query(`create table s (id int primary key, v int); create table k (a int primary key, v int); insert into s select i, i from generate_series(1, 5) i; insert into k select v, id from s`);
    await scenario.caughtUp();
    if (when === 'while it is down') await scenario.stop();
    await scenario.db.query(`alter table s add n serial, add r float8 default random(); update s set v = 9 where id = 3; insert into s values (6, 6);
      alter table k drop a, add n int generated always as identity primary key; update k set v = 9 where n = 3; delete from k where n = 1; insert into k values (7)`);
    await scenario.caughtUp();
    assert.equal((await same('s')).length, 6);
    assert.equal((await same('k', 'n, v')).length, 5);
    await noLetters();
    assert.equal((await scenario.verify()).equal, true);
  });
}

test('up --no-ddl waits while it runs for what plan --sql prints, then goes on by itself', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table t (id int primary key, a int); insert into t values (1, 1)`);
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.up({ ddl: false });
  await scenario.caughtUp();
  await scenario.db.query(`alter table t rename a to b; alter table t alter b type bigint; alter table t add c text default 'c'; insert into t values (2, 1::bigint << 40, 'd')`);
  await until(() => scenario.status().replicas['warehouse']?.state === 'retrying');
  assert.match(scenario.status().replicas['warehouse']?.reason ?? '', /3 changes of the target's schema are pending, first table public\.t: column a of public\.t is called b now/);
  const plan = await scenario.millrace(['plan', '--sql']).outcome;
  await scenario.copy.query(plan.stdout);
  await scenario.caughtUp();
  await same('t');
});

test('rows of a shape that came and went while it was down, with no column of today and none of then: the table is read again', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table t (a int); alter table t replica identity full; insert into t values (1), (2)`);
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.db.query(`alter table t add b int, drop a; insert into t values (3), (4); update t set b = 5 where b = 3; delete from t where b = 4;
    alter table t add c int default 7, drop b; insert into t values (8)`);
  await scenario.caughtUp();
  assert.equal((await same('t', 'c')).length, 4);
  await noLetters();
  assert.equal((await scenario.verify()).equal, true);
});

test('a column that only goes as text came and went while it was down: its rows arrive', async () => {
  await scenario.fresh();
  await scenario.db.query('create table t (id int primary key, v int)');
  await scenario.caughtUp();
  await scenario.stop();
  await scenario.db.query(`alter table t add q tsquery[]; insert into t values (1, 1, array['a & b'::tsquery, '']); alter table t drop q; insert into t values (2, 2)`);
  await scenario.caughtUp();
  assert.equal((await same('t', 'id, v')).length, 2);
});
