// Columns that were left out and come later: the values of rows that were there were never sent, so the table is read again by itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

for (const version of [18, 15] as const) {
  describe(`PostgreSQL ${version}`, () => {
    let scenario: Scenario;
    before(async () => (scenario = await Scenario.start({ source: { version }, target: { version } })));
    after(() => scenario.remove());

    const yaml = (columns: string | undefined, publication?: string, rules = ''): string =>
      `millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\n${publication === undefined ? '' : `    publication: ${publication}\n`}${columns === undefined ? '' : `    columns: { public.t: [${columns}] }\n`}replicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n${rules}`;
    const table = `create table t (id int primary key, a text, b text, c text); insert into t select i, 'a' || i, 'b' || i, 'c' || i from generate_series(1, 3) i; create table u (id int primary key)`;
    const same = async (): Promise<void> => {
      const { source, target } = await scenario.both('t');
      assert.deepEqual(target, source);
    };
    const events = (): string[] => (scenario.status().replicas['warehouse']?.tables['public.t']?.events ?? []).map(({ what }) => what);

    test('the project lets more columns leave, from one start to the next', async () => {
      await scenario.fresh(yaml('id, a'));
      await scenario.db.query(table);
      await scenario.caughtUp();
      await scenario.db.query(`update t set b = 'unseen' where id = 2; insert into t values (4, 'a4', 'unseen', 'unseen')`);
      await scenario.caughtUp();
      assert.equal((await scenario.both('t')).target[0], '(1,a1)');
      await scenario.stop();
      await scenario.db.query(`update t set c = 'unseen' where id = 3`);
      scenario.configure(yaml('"*"'));
      await scenario.caughtUp();
      await scenario.db.query(`update t set a = 'seen' where id = 1`);
      await scenario.caughtUp();
      await same();
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a publication that somebody else keeps gets more columns', async () => {
      await scenario.fresh(yaml('id, a', 'dba'));
      await scenario.db.query(`${table}; create publication dba for table t (id, a), u with (publish_via_partition_root = true)`);
      await scenario.caughtUp();
      await scenario.stop();
      scenario.configure(yaml('"*"', 'dba'));
      await scenario.db.query(`update t set a = 'seen' where id = 1; alter publication dba set table t (id, a, b, c), u; update t set a = 'seen' where id = 2`);
      await scenario.caughtUp();
      await same();
      assert.ok(events().includes('rows that are there have values of their own in the new column c'), events().join());
    });

    test('a publication loses a column for a moment while it runs', async () => {
      await scenario.fresh(yaml(undefined, 'dba'));
      await scenario.db.query(`${table}; create publication dba for table t, u with (publish_via_partition_root = true)`);
      await scenario.caughtUp();
      await scenario.db.query(`alter publication dba set table t (id, a, b), u; update t set c = 'unseen', a = 'seen' where id = 1; insert into t values (4, 'a4', 'b4', 'unseen'); alter publication dba set table t, u; insert into u values (1)`);
      await scenario.caughtUp();
      await scenario.db.query(`update t set a = 'seen' where id = 2`);
      await scenario.caughtUp();
      await until(async () => (await scenario.both('t')).target.join() === (await scenario.both('t')).source.join(), 20_000);
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a publication loses a column for longer: the table stops alone, and is read again when it has it again', async () => {
      await scenario.fresh(yaml(undefined, 'dba'));
      await scenario.db.query(`${table}; create publication dba for table t, u with (publish_via_partition_root = true)`);
      await scenario.caughtUp();
      await scenario.db.query(`alter publication dba set table t (id, a, b), u; update t set c = 'unseen' where id = 1`);
      await until(() => scenario.status().sources['shop']?.tables['public.t']?.state === 'failed', 20_000);
      assert.match(scenario.status().sources['shop']?.tables['public.t']?.reason ?? '', /publication "dba" does not hold public\.t as configured/);
      await scenario.db.query('alter publication dba set table t, u; insert into u values (1)');
      await until(async () => (await scenario.both('t')).target.join() === (await scenario.both('t')).source.join(), 20_000);
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a column that comes while it runs is left out, and let out at a later start', async () => {
      await scenario.fresh(yaml('"*", "!d*"'));
      await scenario.db.query(table);
      await scenario.caughtUp();
      await scenario.db.query(`alter table t add d text; update t set d = 'unseen'; insert into u values (1)`);
      await until(async () => (await scenario.copy.rows(`select from millrace.tables where shape->'unsent' = '[5]'`)).length === 1, 20_000);
      await scenario.db.query('insert into t values (5); insert into u values (2)');
      await scenario.caughtUp();
      await scenario.stop();
      scenario.configure(yaml('"*"'));
      await scenario.caughtUp();
      await same();
      assert.equal((await scenario.verify()).equal, true);
    });

    test('a generated column becomes an ordinary one', async () => {
      await scenario.fresh();
      await scenario.db.query('create table t (id int primary key, a text, g text generated always as (a || a) stored); insert into t values (1, $$x$$), (2, $$y$$)');
      await scenario.caughtUp();
      await scenario.db.query(`alter table t alter g drop expression; insert into t values (3, 'z', 'own')`);
      await scenario.caughtUp();
      await same();
    });

    test('a rule no longer drops a column', async () => {
      await scenario.fresh(yaml(undefined, undefined, '    tables: { shop.public.t: { drop: [b] } }\n'));
      await scenario.db.query(table);
      await scenario.caughtUp();
      await scenario.stop();
      scenario.configure(yaml(undefined));
      await scenario.db.query('insert into t values (5, $$a$$, $$b$$, $$c$$)');
      await scenario.caughtUp();
      const { source, target } = await scenario.both('t', 't', 'id, a, b, c');
      assert.deepEqual(target, source);
    });
  });
}
