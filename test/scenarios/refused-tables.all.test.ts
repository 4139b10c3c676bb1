// What source or target refuses of one table stops that table, with the reason and the next step; the others go on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
  await scenario.fresh();
  await scenario.db.query('create role capture login replication');
  await scenario.copy.query('create role writer login');
});
after(() => scenario.remove());

const status = (table: string): { state?: string; reason?: string; next?: string } => scenario.status().replicas['warehouse']?.tables[`public.${table}`] ?? {};
const isStopped = (table: string): Promise<void> => until(() => status(table).state === 'failed', 20_000);

const database = (): string => scenario.targetUrl.split('/').at(-1) as string;

/** Tables a and b with two rows each are replicated; roles that may do what they need, and no more. */
async function begin(rules = ''): Promise<void> {
  const yaml = `millrace: 1\nsources:\n  shop: { postgres: "\${SHOP_URL}", tables: [public.*], publication: dba }\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n${rules}`;
  await scenario.fresh();
  scenario.configure(yaml, { sourceUser: 'capture', targetUser: 'writer' });
  await scenario.db.query(`create table a (id int primary key, v text); create table b (id int primary key, v text); insert into a values (1, 'x'), (2, 'x'); insert into b table a;
    create publication dba for all tables with (publish_via_partition_root = true); grant select on all tables in schema public to capture`);
  await scenario.copy.query(`grant create, temporary on database ${database()} to writer; grant create on schema public to writer`);
}

async function same(...tables: string[]): Promise<void> {
  await scenario.caughtUp();
  for (const table of tables) {
    const { source, target } = await scenario.both(table);
    assert.deepEqual(target, source);
  }
}

/** Runs what the status says, at a server, and reads the table again. */
async function mend(table: string, at: { query(sql: string): Promise<unknown> }): Promise<void> {
  const [sql = '', command] = (status(table).next ?? '').split('; then ');
  assert.equal(command, `millrace resync warehouse.public.${table}`);
  await at.query(sql);
  await scenario.running.resync('warehouse', [`public.${table}`]);
  await until(() => status(table).state !== 'failed', 20_000);
}

test('a role of the target that may not empty a table', async () => {
  await begin();
  await scenario.caughtUp();
  await scenario.copy.query('alter table b owner to postgres; grant select, insert, update on b to writer');
  await scenario.db.query(`insert into a values (3, 'x'); truncate b; insert into a values (4, 'x'); insert into b values (5, 'x')`);
  await isStopped('b');
  assert.equal(status('b').reason, 'permission denied for table b [PRIVILEGE_MISSING]');
  await same('a');
  assert.equal((await scenario.copy.rows('select from b')).length, 2);
  // Also in the next process, in which it cannot be emptied to be read again.
  await scenario.stop();
  await scenario.db.query('update a set v = $$y$$');
  await same('a');
  await isStopped('b');
  assert.match(status('b').next ?? '', /^grant select, insert, update, delete, truncate on "public"\."b" to "writer"; then/);
  await mend('b', scenario.copy);
  await scenario.db.query(`update b set v = 'z'`);
  await same('a', 'b');
  assert.equal((await scenario.verify()).equal, true);
});

test('a TRUNCATE of several tables, one of which a foreign key of the target holds', async () => {
  await begin();
  await scenario.caughtUp();
  await scenario.copy.query('create table notes (id int references b); insert into notes values (1)');
  await scenario.db.query(`truncate b; insert into a values (3, 'x'); insert into b values (7, 'x')`);
  await isStopped('b');
  assert.match(status('b').reason ?? '', /cannot truncate a table referenced in a foreign key constraint/);
  await same('a');
});

test('a TRUNCATE where deletes are soft', async () => {
  await begin('    tables: { shop.public.b: { deletes: soft } }\n');
  await scenario.caughtUp();
  await scenario.db.query(`delete from b where id = 1; begin; truncate a, b; insert into a values (9, 'x'); insert into b values (9, 'x'); commit`);
  await isStopped('b');
  assert.match(status('b').reason ?? '', /public\.b was truncated, but it goes to public\.b, whose deletes are soft/);
  await same('a');
  // Rows that were deleted would be lost: only by request.
  await scenario.stop();
  await same('a');
  assert.equal(status('b').state, 'failed');
  assert.equal((await scenario.copy.rows('select from b')).length, 2);
});

test('a table that cannot be made at the target, in a schema that is there and in one that is not', async () => {
  await begin('    tables: { shop.public.m: { to: more.m } }\n');
  await scenario.db.query('create table m (id int primary key); grant select on m to capture');
  await scenario.caughtUp();
  await scenario.copy.query(`drop schema more cascade; revoke create on schema public from writer; revoke create on database ${database()} from writer`);
  await scenario.db.query(`create table n (id int primary key); insert into n values (1); insert into m values (1); grant select on n to capture; insert into a values (3, 'x')`);
  await Promise.all([isStopped('n'), isStopped('m')]);
  assert.match(status('n').reason ?? '', /permission denied for schema public/);
  assert.match(status('m').reason ?? '', /permission denied for database/);
  await scenario.db.query(`insert into a values (4, 'x'); insert into n values (2)`);
  await same('a', 'b');
  await mend('n', scenario.copy);
  await same('n');
  await mend('m', scenario.copy);
  await scenario.caughtUp();
  assert.deepEqual(await scenario.copy.rows('select id::text from more.m'), [{ id: '1' }]);
});

test('an ALTER TABLE that the target refuses', async () => {
  await begin();
  await scenario.caughtUp();
  await scenario.copy.query('alter table b owner to postgres; grant select, insert, update, delete on b to writer');
  await scenario.db.query(`begin; alter table b add more int; alter table a add more int; insert into b values (3, 'x', 3); insert into a values (3, 'x', 3); commit`);
  await isStopped('b');
  assert.match(status('b').reason ?? '', /must be owner of table b/);
  await same('a');
  await mend('b', scenario.copy);
  await same('a', 'b');
});

test('SELECT on one table at the source, at the first start and later', async () => {
  await begin();
  await scenario.db.query('revoke select on b from capture');
  await scenario.caughtUp();
  await same('a');
  assert.equal(status('b').reason, 'permission denied for table b [PRIVILEGE_MISSING]');
  await scenario.db.query(`create table n (id int primary key); insert into n values (1); insert into a values (3, 'x'); insert into b values (3, 'x')`);
  await isStopped('n');
  await scenario.db.query('insert into n values (2); update a set v = $$y$$');
  await same('a');
  await mend('n', scenario.db);
  await isStopped('b');
  await mend('b', scenario.db);
  await same('a', 'b', 'n');
  assert.equal((await scenario.verify()).equal, true);
});

test('what somebody takes away at the target comes back by itself', async () => {
  await begin();
  await scenario.caughtUp();
  await scenario.copy.query('drop table b; alter table a drop v');
  await scenario.db.query(`insert into b values (3, 'x'); insert into a values (3, 'x')`);
  await until(async () => (await scenario.copy.rows('select from b').catch(() => [])).length === 3 && (await scenario.copy.rows('select v from a').catch(() => [])).length === 3, 20_000);
  await same('a', 'b');
});
