// The least that Millrace can do with: at the source REPLICATION and SELECT, a publication that the DBA made; at the target DML and TEMP on what the
// operator made.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

const yaml = `millrace: 1
sources:
  shop: { postgres: "\${SHOP_URL}", tables: [public.*], publication: dba }
replicas:
  warehouse: { from: shop, postgres: "\${WAREHOUSE_URL}", tables: { shop.public.*: sales.* } }
`;

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start({ source: { version: 15 } });
});
after(() => scenario.remove());

test('no superuser, no CREATE, no TRUNCATE', async () => {
  await scenario.fresh(yaml);
  const { db, copy } = scenario;
  scenario.configure(yaml, { sourceUser: 'capture', targetUser: 'writer' });
  await db.query(`create role capture login replication; create type mood as enum ('sad', 'glad');
    create table parent (id int primary key, m mood, big text); alter table parent alter big set storage external; create table child (id int primary key, parent int references parent);
    create table bag (n int); alter table bag replica identity full;
    insert into parent select i, 'sad', repeat('b', 3000) from generate_series(1, 1000) i; insert into child select i, i from generate_series(1, 100) i; insert into bag values (1), (1);
    create publication dba for all tables; grant usage on schema public to capture; grant select on all tables in schema public to capture`);
  await copy.query(`create role writer login; do $$ begin execute format('revoke all on database %I from public; grant connect, temporary on database %I to writer', current_database(), current_database()); end $$; revoke all on schema public from public`);

  // The operator reviews what is to be made, and makes it.
  const planned = await scenario.millrace(['plan', '--sql']).outcome;
  assert.equal(planned.code, 0, planned.stderr);
  await copy.query(planned.stdout.split('\n').filter((line) => !line.startsWith('--') && !/^(grant|select pg_create)/.test(line)).join('\n'));
  await copy.query(`alter table sales.child add foreign key (parent) references sales.parent;
    grant usage on schema millrace, sales to writer`);
  // What is missing is said: the type's schema, and rights on the tables.
  const missing = await scenario.millrace(['doctor']).outcome;
  assert.equal(missing.code, 1);
  assert.match(missing.stdout, /grant usage on schema public to writer;/);
  await copy.query(`grant usage on schema public to writer; grant select, insert, update, delete on all tables in schema millrace, sales to writer`);

  const running = await scenario.up({ ddl: false });
  await running.caughtUp();
  const equal = async (): Promise<void> => {
    await running.caughtUp();
    for (const table of ['parent', 'child', 'bag']) {
      const { source, target } = await scenario.both(table, `sales.${table}`);
      assert.ok(source.join() === target.join(), `${table}: ${source.length} rows at the source, ${target.length} at the target`);
    }
  };
  await equal();
  await db.query(`update parent set m = 'glad' where id > 100; update parent set id = id + 5000 where id between 900 and 950; delete from parent where id between 800 and 850; insert into parent select i, null, 'n' from generate_series(2001, 4000) i;
    insert into child values (900000, 2001); delete from bag where ctid = (select ctid from bag limit 1)`);
  await equal();
  await running.resync('warehouse', []);
  await until(() => running.status().replicas['warehouse']?.state === 'streaming', 30_000);
  await equal();
  await db.query('truncate bag; insert into bag values (7)');
  await equal();
  assert.equal(running.status().replicas['warehouse']?.deadLetters, 0);

  // A change of the schema waits for the operator.
  await db.query('alter table bag add column note text; insert into bag values (8, $$n$$)');
  await until(() => /TARGET_DDL_REFUSED/.test(running.status().replicas['warehouse']?.reason ?? ''));
  await copy.query('alter table sales.bag add column note text');
  await until(() => running.status().replicas['warehouse']?.state === 'streaming', 30_000);
  await equal();
  const doctor = await scenario.millrace(['doctor']).outcome;
  assert.equal(doctor.code, 0, doctor.stdout);
  await scenario.stop();
  const verified = await scenario.millrace(['verify']).outcome;
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});
