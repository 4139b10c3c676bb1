// Partitions that come and go while it runs and while it does not: rows that come with one are read, those that go with one are told.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

for (const version of [18, 15] as const) {
  describe(`PostgreSQL ${version}`, () => {
    let scenario: Scenario;
    before(async () => (scenario = await Scenario.start({ source: { version }, target: { version } })));
    after(() => scenario.remove());

    const events = (): string[] => (scenario.status().replicas['warehouse']?.tables['public.t']?.events ?? []).map(({ what }) => what);
    const readAgain = (): number => events().filter((what) => what === 'it is read again').length;
    const isSame = async (): Promise<boolean> => {
      const { source, target } = await scenario.both('t');
      return source.join() === target.join();
    };
    async function begin(): Promise<void> {
      await scenario.fresh();
      await scenario.db.query(`create table t (id int, at int, v text, primary key (id, at)) partition by range (at);
        create table t1 partition of t for values from (0) to (10); create table t2 partition of t for values from (10) to (20); insert into t select i, i, 'x' from generate_series(1, 19) i; create table u (id int primary key)`);
      await scenario.caughtUp();
    }

    for (const when of ['while it runs', 'while it is down'] as const) {
      const go = async (): Promise<void> => (when === 'while it is down' ? scenario.stop() : undefined);

      test(`a partition is attached with its rows, ${when}`, async () => {
        await begin();
        await go();
        await scenario.db.query(`create table t3 (id int, at int, v text, primary key (id, at)); insert into t3 values (25, 25, 'came'), (26, 26, 'came')`);
        await scenario.db.query('alter table t attach partition t3 for values from (20) to (30); insert into t values (27, 27, $$after$$); update t set v = $$y$$ where at = 25');
        await scenario.caughtUp();
        await until(isSame, 20_000);
        assert.ok(events().includes('partition public.t3 came with rows, which the stream does not have'), events().join());
        assert.equal((await scenario.verify()).equal, true);
        await scenario.caughtUp();
        assert.deepEqual(events(), []);
      });

      test(`a partition is made, filled and attached in one transaction, with a level between, ${when}`, async () => {
        await begin();
        await go();
        await scenario.db.query(`begin; create table t3 (like t including all) partition by range (at); create table t31 partition of t3 for values from (20) to (30); insert into t3 values (25, 25, 'came');
          alter table t attach partition t3 for values from (20) to (40); insert into t values (26, 26, 'after'); commit; create table t32 partition of t3 for values from (30) to (40); insert into t values (31, 31, 'after')`);
        await scenario.caughtUp();
        await until(isSame, 20_000);
        assert.equal((await scenario.verify()).equal, true);
      });

      test(`partitions are made and written, ${when}: nothing is read again`, async () => {
        await begin();
        await go();
        await scenario.db.query(`create table t3 partition of t for values from (20) to (30); begin; create table t4 partition of t for values from (30) to (40) partition by range (at); create table t41 partition of t4 default;
          insert into t values (25, 25, 'n'), (35, 35, 'n'); commit; create table t5 (like t including all); alter table t attach partition t5 for values from (40) to (50)`);
        await until(async () => (await scenario.caughtUp(), (await scenario.copy.rows("select from millrace.tables where pg_catalog.jsonb_array_length(shape->'partitions') = 6")).length === 1), 20_000);
        assert.equal(await isSame(), true);
        await scenario.db.query(`insert into t values (45, 45, 'n'); update t set at = 26 where at = 45`);
        await scenario.caughtUp();
        assert.equal(await isSame(), true);
        assert.deepEqual(events(), []);
      });

      test(`a partition is detached, another dropped, ${when}: their rows stay, and that is told`, async () => {
        await begin();
        await go();
        await scenario.db.query(`alter table t detach partition t1; drop table t2; insert into u values (1)`);
        await scenario.caughtUp();
        await until(() => events().length === 2, 20_000);
        assert.deepEqual(events().map((what) => what.replace(/;.*/, '')), ['partition public.t1 is gone', 'partition public.t2 is gone']);
        assert.equal((await scenario.copy.rows('select from t')).length, 19);
        // It is a table of its own now.
        await until(async () => (await scenario.copy.rows('select from t1').catch(() => [])).length === 9, 20_000);
        await scenario.db.query('update t1 set v = $$own$$; alter table t attach partition t1 for values from (0) to (10)');
        await until(() => readAgain() === 1, 20_000);
        await scenario.caughtUp();
        await until(isSame, 20_000);
        assert.equal((await scenario.verify()).equal, true);
      });
    }

    test('a publication that sends partitions under their own names is refused, with the statement that mends it', async () => {
      await scenario.fresh(`millrace: 1\nsources:\n  shop: { postgres: "\${SHOP_URL}", publication: theirs }\nreplicas:\n  warehouse: { from: shop, postgres: "\${WAREHOUSE_URL}" }\n`);
      await scenario.db.query(`create table t (id int primary key) partition by range (id); create table t1 partition of t for values from (0) to (10); create table u (id int primary key); insert into t values (1); create publication theirs for table t, u`);
      await scenario.up();
      await until(() => scenario.status().sources['shop']?.state === 'failed');
      const { reason, next } = scenario.status().sources['shop'] ?? {};
      assert.match(reason ?? '', /publication "theirs" sends partitions of public\.t under their own names/);
      assert.equal(next, 'run: alter publication "theirs" set (publish_via_partition_root = true);');
      await scenario.stop();
      await scenario.db.query((next ?? '').replace('run: ', ''));
      await scenario.caughtUp();
      assert.equal(await isSame(), true);
      // While it runs: the table stops alone.
      await scenario.db.query('alter publication theirs set (publish_via_partition_root = false); insert into t values (2); insert into u values (1)');
      await until(() => scenario.status().sources['shop']?.tables['public.t']?.state === 'failed', 20_000);
      await scenario.caughtUp();
      assert.equal((await scenario.copy.rows('select from u')).length, 1);
      await scenario.db.query(scenario.status().sources['shop']?.tables['public.t']?.next ?? '');
      await until(isSame, 20_000);
    });

    test('tables that inherit are tables of their own, also while they come and go', async () => {
      await scenario.fresh();
      await scenario.db.query(`create table t (id int primary key, v text); create table k (primary key (id)) inherits (t); create table l (id int not null primary key, v text); insert into t values (1, 'p'); insert into k values (2, 'k'); insert into l values (3, 'l')`);
      await scenario.caughtUp();
      const own = async (): Promise<void> => {
        for (const table of ['t', 'k', 'l']) {
          const read = async (db: typeof scenario.db): Promise<string[]> => (await db.rows<{ r: string }>(`select x::text as r from only ${table} x order by 1`)).map(({ r }) => r);
          assert.deepEqual(await read(scenario.copy), await read(scenario.db), table);
        }
      };
      await scenario.db.query(`alter table l inherit t; update t set v = v || 2; insert into l values (4, 'l'); alter table t add n int default 3; update t set n = 4`);
      await scenario.caughtUp();
      await own();
      await scenario.db.query(`alter table k no inherit t; truncate t; insert into k values (9, 'k', 9); insert into t values (7, 'p', 7)`);
      await scenario.caughtUp();
      await own();
      assert.equal((await scenario.verify()).equal, true);
    });
  });
}
