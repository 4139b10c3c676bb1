// Tables that appear, vanish, and change their names while the project runs: they are found by themselves, and the others go on.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { loadProject, planProject } from '../../src/control/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

for (const version of [18, 15] as const) {
  describe(`PostgreSQL ${version}`, () => {
    let scenario: Scenario;
    before(async () => (scenario = await Scenario.start({ source: { version }, target: { version } })));
    after(() => scenario.remove());

    const status = (table: string): { state?: string; reason?: string; next?: string; events?: readonly { what: string }[] } => scenario.status().replicas['warehouse']?.tables[`public.${table}`] ?? {};
    const source = (table: string): { state?: string; reason?: string; next?: string } => scenario.status().sources['shop']?.tables[`public.${table}`] ?? {};
    const events = (table: string): string[] => (status(table).events ?? []).map(({ what }) => what);
    const count = async (table: string): Promise<number> => Number((await scenario.copy.rows<{ n: string }>(`select count(*)::text as n from ${table}`).catch(() => [{ n: '-1' }]))[0]?.n);
    const arrives = (table: string, rows: number): Promise<void> => until(async () => (await count(table)) === rows, 20_000);
    async function same(table: string, rows: number, columns = '*'): Promise<void> {
      await scenario.caughtUp();
      const { source, target } = await scenario.both(table, table, columns);
      assert.deepEqual(target, source);
      assert.equal(source.length, rows);
    }
    const begin = async (yaml?: string): Promise<void> => {
      await scenario.fresh(yaml);
      await scenario.db.query('create table a (id int primary key, v text); create table b (id int primary key, v text); insert into a values (1, $$x$$); insert into b values (1, $$x$$)');
      await scenario.caughtUp();
    };

    test('a table is made: it is read while the others are followed, and goes on from there', async () => {
      await begin();
      await scenario.db.query(`create table n (id int primary key, v text); insert into n select i, 'before' from generate_series(1, 100) i`);
      // A transaction that is open while the table comes into the publication.
      const open = await connect(scenario.sourceUrl);
      await open.query(`begin; insert into n values (200, 'open'); insert into b values (200, 'open')`);
      await until(async () => (await scenario.db.rows(`select 1 as x from pg_publication_tables where tablename = 'n'`)).length === 1, 20_000);
      await open.query(`insert into n values (201, 'open'); update n set v = 'open' where id = 1; commit`);
      await open.close();
      await arrives('n', 102);
      assert.deepEqual(events('n'), ['it is new: it is read']);
      await scenario.db.query(`begin; update n set v = 'after' where id = 2; delete from n where id = 3; insert into n values (300, 'after'); insert into a values (300, 'after'); commit`);
      await same('n', 102);
      await same('a', 2);
      await same('b', 2);
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a table is renamed, dropped and made again with other columns, dropped: each is told, and the others go on', async () => {
      await begin();
      await scenario.db.query(`insert into a values (2, 'old name'); alter table a rename to c; insert into c values (3, 'new name')`);
      await arrives('c', 3);
      assert.deepEqual(events('a'), ['it is called public.c now; its rows at the target stay under the old name']);
      assert.deepEqual(events('c'), ['it was called public.a: it is read under its new name']);
      await scenario.db.query(`drop table b; create table b (id int primary key, extra date, v int); insert into b values (7, '2024-01-01', 7), (8, null, null)`);
      await arrives('b', 2);
      assert.ok(events('b').includes('it was dropped and made again: it is read again'), events('b').join());
      await scenario.db.query('insert into b values (9, null, 9)');
      await same('b', 3, 'id, extra, v');
      await scenario.db.query('insert into c values (4, $$x$$); drop table b; insert into c values (5, $$x$$)');
      await until(() => events('b').includes('it is gone, or no longer selected; its rows at the target stay'), 20_000);
      await same('c', 5);
      assert.equal(await count('b'), 3);
      assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
      assert.equal((await scenario.verify()).equal, true);
    });

    test('what happened to tables while nothing ran is pending in the plan, and told at the start', async () => {
      await begin();
      await scenario.stop();
      await scenario.db.query('alter table a rename to c; drop table b; create table b (id int primary key, v text); create table n (id int primary key)');
      const { project } = await loadProject(scenario.folder, { env: {} });
      const plan = (await planProject(project)).replicas['warehouse']?.problems.map(({ message }) => message).toSorted();
      const told = [
        'public.a: it is called public.c now; its rows at the target stay under the old name', 'public.b: it was dropped and made again: it is read again',
        'public.c: it was called public.a: it is read under its new name', 'public.n: it is new: it is read',
      ];
      assert.deepEqual(plan, told);
      await scenario.caughtUp();
      assert.deepEqual(['a', 'b', 'c', 'n'].map((table) => `public.${table}: ${events(table)[0]}`), told);
      for (const [table, rows] of [['b', 0], ['c', 1], ['n', 0]] as const) await same(table, rows);
    });

    if (version === 15) return;

    test('a table that loses its key stops alone, and the application can write it; with a key again it is read again', async () => {
      await begin();
      await scenario.db.query('alter table b drop constraint b_pkey');
      await until(() => source('b').state === 'failed', 20_000);
      assert.match(source('b').reason ?? '', /public\.b has no primary key and no replica identity \[IDENTITY_MISSING\]/);
      assert.match(source('b').next ?? '', /^alter table "public"\."b" replica identity full/);
      await scenario.db.query(`update b set v = 'y'; insert into a values (2, 'y')`);
      await same('a', 2);
      // Also when the source has to be opened again.
      await scenario.db.query('select pg_terminate_backend(active_pid) from pg_replication_slots');
      await scenario.db.query(`insert into a values (3, 'y')`);
      await same('a', 3);
      assert.equal(source('b').state, 'failed');
      await scenario.db.query('alter table b add primary key (id)');
      await until(() => source('b').state === 'streaming', 20_000);
      await arrives('b', 1);
      await scenario.db.query(`insert into b values (2, 'z')`);
      await until(async () => (await scenario.both('b')).target.join() === '(1,y),(2,z)', 20_000);
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a table that the project names, with a rule, is dropped: the others go on, also when the source has to be opened again', async () => {
      await begin(`millrace: 1\nsources:\n  shop: { postgres: "\${SHOP_URL}", tables: [public.a, public.b] }\nreplicas:\n  warehouse:\n    from: [shop.public.a, shop.public.b]\n    postgres: \${WAREHOUSE_URL}\n    tables: { public.b: { mask: { v: hash } } }\n`);
      await scenario.db.query(`drop table b; insert into a values (2, 'y')`);
      await until(() => events('b').length > 0, 20_000);
      await scenario.db.query('select pg_terminate_backend(active_pid) from pg_replication_slots');
      await scenario.db.query(`insert into a values (3, 'y')`);
      await same('a', 3);
      await scenario.db.query(`create table b (id int primary key, v text); insert into b values (5, 'secret')`);
      await until(async () => (await scenario.copy.rows('select from b where id = 5 and length(v) = 64')).length === 1, 20_000);
      assert.equal(await count('b'), 1);
    });

    test('a publication that somebody else keeps: what it does not hold is told, and read once it does', async () => {
      await scenario.fresh(`millrace: 1\nsources:\n  shop: { postgres: "\${SHOP_URL}", publication: theirs }\nreplicas:\n  warehouse: { from: shop, postgres: "\${WAREHOUSE_URL}" }\n`);
      await scenario.db.query('create table a (id int primary key, v text); create publication theirs for table a with (publish_via_partition_root = true)');
      await scenario.caughtUp();
      await scenario.db.query(`create table n (id int primary key, v text); insert into n values (1, 'x'); insert into a values (1, 'x')`);
      await until(() => source('n').state === 'failed', 20_000);
      assert.match(source('n').reason ?? '', /publication "theirs" does not hold public\.n as configured \[PUBLICATION_MISSING\]/);
      await same('a', 1);
      await scenario.db.query(source('n').next ?? '');
      await arrives('n', 1);
      await scenario.db.query(`insert into n values (2, 'x'); alter publication theirs drop table n; insert into n values (3, 'x')`);
      await until(() => source('n').state === 'failed', 20_000);
      await scenario.db.query(`insert into n values (4, 'x'); alter publication theirs add table n; insert into n values (5, 'x'); insert into a values (2, 'x')`);
      await arrives('n', 5);
      await same('a', 2);
      assert.equal((await scenario.verify()).equal, true);
    });
  });
}
