// Transactions that are legal at the source and hard to merge at the target: swaps, hand-overs, key cycles, foreign keys, deferrable constraints.
// Each is applied to a target that has the constraints too, as a superuser, as a role that may set session_replication_role, and as one that may not.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
  await scenario.fresh();
  await scenario.copy.query(`create role granted login; create role plain login; grant set on parameter session_replication_role to granted`);
});
after(() => scenario.remove());

const schema = `
  create table slots (id int primary key, tag text, during int4range, v text);
  create table parents (id int primary key, v text);
  create table children (id int primary key, parent int references parents, note text, big text); alter table children alter big set storage external;
  create table tree (id int primary key, up int references tree, v text)`;
const constraints = `
  alter table slots add constraint one_tag unique (tag);
  alter table slots add constraint apart exclude using gist (during with &&)`;

/** The target's tables exist with all constraints and belong to the role. */
async function prepare(role: string, deferrable = ''): Promise<void> {
  await scenario.fresh();
  for (const db of [scenario.db, scenario.copy]) await db.query(`${schema}; ${constraints}${deferrable}; alter table slots replica identity default`);
  await scenario.copy.query(`
    alter table children drop constraint children_parent_fkey; alter table children add foreign key (parent) references parents on delete cascade;
    grant create on database ${scenario.targetUrl.split('/').at(-1)} to ${role}; grant all on schema public to ${role};
    ${['slots', 'parents', 'children', 'tree'].map((table) => `alter table ${table} owner to ${role}`).join('; ')}`);
  scenario.configure(undefined, { targetUser: role });
  await scenario.db.query(`
    insert into slots select i, 'tag' || i, int4range(i * 10, i * 10 + 10), 'v' from generate_series(1, 20) i;
    insert into parents select i, 'p' from generate_series(1, 10) i;
    insert into children select i, i % 10 + 1, 'note', repeat('b', 3000) from generate_series(1, 40) i;
    insert into tree select i, nullif(i / 2, 0), 't' from generate_series(1, 15) i`);
  await scenario.caughtUp();
  await scenario.stop();
}

async function proveSame(what: string): Promise<void> {
  await scenario.caughtUp();
  for (const table of ['slots', 'parents', 'children', 'tree']) {
    const { source, target } = await scenario.both(table, table, table === 'children' ? 'id, parent, note, md5(big) as big' : '*');
    assert.deepEqual(target, source, `${what}: ${table}`);
  }
}

const swaps: Record<string, string> = {
  'unique swap': `update slots set tag = 'free' where id = 1; update slots set tag = 'tag1' where id = 2; update slots set tag = 'tag2' where id = 1`,
  'exclusion swap': `update slots set during = 'empty' where id = 3; update slots set during = '[30,40)' where id = 4; update slots set during = '[40,50)' where id = 3`,
  'hand-over to a smaller key': `update slots set tag = 'given' where id = 9; update slots set tag = 'tag9' where id = 8`,
  'hand-over to a larger key': `update slots set tag = 'given2' where id = 10; update slots set tag = 'tag10' where id = 11`,
  'hand-over to a new row': `delete from slots where id = 12; insert into slots values (30, 'tag12', '[120,130)', 'n')`,
  'hand-over by a deleted row, key used again': `delete from slots where id = 13; update slots set tag = 'tag13' where id = 14; insert into slots values (13, 'tag14', '[130,140)', 'n')`,
  'cyclic keys': `update slots set id = 1000 where id = 15; update slots set id = 15 where id = 16; update slots set id = 16 where id = 1000`,
  'a cycle of three with changed values': `update slots set id = -1 where id = 17; update slots set id = 17, v = 'a' where id = 18; update slots set id = 18, v = 'b' where id = 19; update slots set id = 19, v = 'c' where id = -1`,
  'delete and insert of one key': `delete from slots where id = 20; insert into slots values (20, 'tag20', '[200,210)', 'back')`,
};
const families: Record<string, string> = {
  'child moved, then its old parent deleted': `update children set parent = 2 where parent = 1; delete from parents where id = 1`,
  'a parent and its children, new': `insert into parents values (50, 'n'); insert into children values (100, 50, 'n', 'x'); update children set parent = 50 where id = 5`,
  'a parent replaced': `insert into parents values (51, 'n'); update children set parent = 51 where parent = 3; delete from parents where id = 3; insert into parents values (3, 'again'); update children set parent = 3 where id = 2`,
  'children deleted, then the parent': `delete from children where parent = 4; delete from parents where id = 4`,
  'a tree built and cut': `insert into tree values (100, 1, 'n'), (101, 100, 'n'), (102, 101, 'n'); delete from tree where id = 102; update tree set up = 101 where id = 15; delete from tree where id in (14)`,
};

for (const role of ['postgres', 'granted', 'plain']) {
  test(`hard transactions, one by one and all at once, as ${role}`, async () => {
    await prepare(role);
    for (const [what, sql] of Object.entries(role === 'granted' ? {} : { ...swaps, ...families })) {
      await scenario.db.query(`begin; ${sql}; commit`);
      await proveSame(what);
    }
    if (role !== 'granted') await prepare(role);
    await scenario.stop();
    for (const sql of Object.values({ ...swaps, ...families })) await scenario.db.query(`begin; ${sql}; commit`);
    await proveSame('all at once');
    assert.deepEqual(await scenario.copy.rows('select * from millrace.dead_letters'), []);
    assert.equal((await scenario.verify()).equal, true);
  });
}

test('deferrable constraints at both sides, and a deferrable key at the target', async () => {
  await prepare('postgres', `; alter table slots drop constraint one_tag, add constraint one_tag unique (tag) deferrable initially deferred`);
  await scenario.stop();
  await scenario.copy.query('alter table slots drop constraint slots_pkey, add primary key (id) deferrable');
  await scenario.db.query(`begin; update slots set tag = case id when 1 then 'tag2' else 'tag1' end where id in (1, 2); update slots set tag = 'tag' || (id % 3 + 3) where id in (3, 4, 5); commit`);
  await scenario.db.query(`begin; ${swaps['cyclic keys']}; commit`);
  await proveSame('deferrable');
  await scenario.db.query(`update slots set v = 'w'; delete from slots where id > 15; insert into slots values (77, 'x', 'empty', 'v')`);
  await proveSame('deferrable, everything');
  assert.equal((await scenario.verify()).equal, true);
});
