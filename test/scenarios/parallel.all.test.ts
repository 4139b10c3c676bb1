// A replica that several sessions write: killed in the middle of an epoch again and again, each time gone on with by another number of sessions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { loadProject, planProject } from '../../src/control/index.ts';
import { configuration, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => void (scenario = await Scenario.start()));
after(() => scenario.remove());

const yaml = (sessions: number, more = ''): string => `${configuration()}${sessions === 0 ? '' : `    transactions: split\n    parallel: ${sessions}\n`}${more}`;

/** Shared by key; by a key of two columns, old rows in full; not shared: another unique column, no key. */
const schema = `create table items (id int primary key, n int, note text, big text); alter table items alter big set storage external;
  create table pairs (a int, b text, n int, primary key (b, a)); alter table pairs replica identity full;
  create table codes (id int primary key, code int unique); create sequence ids; create table notes (id int, note text); alter table notes replica identity full`;
const tables = ['items', 'pairs', 'codes', 'notes'];

class Traffic {
  readonly #random: Random;
  #next = 1;
  #columns = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A transaction of several statements, of a thousand rows or more. */
  transaction(): string {
    return Array.from({ length: this.#random.between(1, 3) }, () => this.#statement()).join('; ');
  }

  #statement(): string {
    const random = this.#random;
    const [from, step] = [this.#next, random.between(2, 9)];
    const some = (column: string): string => `${column} % ${step} = ${random.below(step)}`;
    this.#next += 1000;
    const fill = `from generate_series(${from}, ${from + 999}) i`;
    return random.pick([
      () => `insert into items select i, i, 'note ' || i, case when i % 5 = 0 then repeat(md5(i::text), 100) end ${fill}`,
      () => `insert into pairs select i, 'b' || i % 3, 0 ${fill}`,
      () => `insert into codes select nextval('ids'), i ${fill}`,
      () => `insert into notes select i, 'n' ${fill}`,
      () => `update items set n = n + 1 where ${some('id')}`,
      () => `update items set n = n + 1, big = big || 'x' where ${some('id')}`,
      () => `delete from items where ${some('id')}; insert into items select i, 0, 'again', null ${fill}`,
      () => `update pairs set n = n + 1 where ${some('a')}`,
      // Rows come under other keys.
      () => `update pairs set b = b || '!' where ${some('a')}`,
      () => `update items set id = -id where ${some('id')}`,
      // Values that are unique go from row to row.
      () => `with gone as (delete from codes where ${some('id')} returning code) insert into codes select nextval('ids'), code from gone`,
      () => `delete from notes where ${some('id')}; update notes set note = note || '.' where ${some('id')}`,
      () => (random.chance(0.3) ? `truncate ${random.pick(tables)}` : `update items set note = null where ${some('id')}`),
      () => (random.chance(0.5) ? `alter table items add column c${this.#columns++} int default 7; update items set c${this.#columns - 1} = n where ${some('id')}` : `update items set n = -n where ${some('id')}`),
    ])();
  }
}

async function isTorn(): Promise<boolean> {
  const rows = await scenario.copy.rows("select 1 as one from millrace.lanes l join millrace.positions p using (consumer, part) where l.epoch = p.epoch + 1 limit 1");
  return rows.length > 0;
}

// SEED=n tries that one.
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

test(`killed in the middle of epochs, gone on with by another number of sessions: nothing is lost or doubled, seed ${seed}`, async () => {
  await scenario.fresh(yaml(3));
  await scenario.db.query(schema);
  const random = new Random(seed);
  const traffic = new Traffic(random);
  await scenario.db.query(traffic.transaction());
  await scenario.caughtUp();
  await scenario.stop();
  let torn = 0;
  for (let round = 0; round < 6 || (torn === 0 && round < 40); round++) {
    for (let n = random.between(2, 6); n > 0; n--) await scenario.db.query(`begin; ${traffic.transaction()}; commit`);
    if (round === 3) await scenario.db.query("insert into items (id, big) select i, repeat(md5(i::text), 100) from generate_series(10000001, 10014000) i");
    for (let kill = random.between(1, 2); kill > 0; kill--) {
      scenario.configure(yaml(random.pick([2, 3, 4, 5])));
      const point = random.pick(['apply.after-commit', 'apply.after-commit', 'apply.after-commit-sent', 'apply.before-commit']);
      await scenario.millrace(['up', '--until', 'caught-up'], { MILLRACE_CRASH_AT: `${point}:${random.between(1, 8)}` }).outcome;
      if (await isTorn()) torn += 1;
    }
    scenario.configure(yaml(random.pick([0, 1, 2, 4])));
    const { code, stderr } = await scenario.millrace(['up', '--until', 'caught-up']).outcome;
    assert.equal(code, 0, stderr);
    assert.equal(await isTorn(), false);
    for (const table of tables) {
      const columns = (await scenario.db.rows<{ c: string }>(`select string_agg(quote_ident(attname), ', ' order by attname) as c from pg_attribute where attrelid = '${table}'::regclass and attnum > 0`))[0]?.c;
      const { source, target } = await scenario.both(table, table, columns);
      assert.ok(source.length === target.length && source.every((row, i) => row === target[i]), `round ${round}, ${table}: ${source.length} rows at the source, ${target.length} at the target`);
    }
  }
  assert.ok(torn > 0, 'no epoch was torn');
  assert.deepEqual(await scenario.copy.rows('select message from millrace.dead_letters'), []);
  assert.equal((await scenario.verify()).equal, true);
  console.log(`# seed ${seed}: ${torn} times an epoch was begun and not ended`);
});

test('verify, rows that are read again, and what one session has written while others do', async () => {
  await scenario.fresh(yaml(4));
  await scenario.db.query(`${schema}; insert into items select i, 0, 'x', null from generate_series(1, 5000) i`);
  const { child, outcome } = scenario.millrace(['up']);
  await until(async () => (await scenario.copy.rows("select 1 as x from pg_catalog.pg_class where relname = 'items'")).length > 0);
  await until(async () => (await scenario.copy.rows('select 1 as x from items limit 1')).length > 0);
  let writing = true;
  const traffic = (async (): Promise<void> => {
    for (let n = 1; writing; n++) await scenario.db.query(`update items set n = ${n}`);
  })();
  try {
    await until(async () => (await scenario.copy.rows('select 1 as x from millrace.lanes')).length > 0);
    await scenario.copy.query('insert into items values (-77, 0)');
    const verified = await scenario.millrace(['verify']).outcome;
    assert.notEqual(verified.code, 0, verified.stdout);
    assert.match(verified.stdout, /77/);
    const repaired = await scenario.millrace(['resync', 'warehouse.public.items', '--repair']).outcome;
    assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr);
    const again = await scenario.millrace(['verify']).outcome;
    assert.equal(again.code, 0, again.stdout + again.stderr);
  } finally {
    writing = false;
    await traffic;
    child.kill('SIGTERM');
  }
  const { code, stderr } = await outcome;
  assert.equal(code, 0, stderr);
});

test('foreign keys that the role may not switch off are refused with the reason, before anything is written', async () => {
  await scenario.fresh(yaml(3));
  await scenario.db.query('create table parents (id int primary key); create table children (id int primary key, parent int references parents); insert into parents values (1); insert into children values (1, 1)');
  await scenario.copy.query(`create table parents (id int primary key); create table children (id int primary key, parent int references parents);
    create role plain login; grant all on schema public to plain; grant all on parents, children to plain`);
  await scenario.copy.query("do $$ begin execute format('grant create on database %I to plain', current_database()); end $$");
  scenario.configure(yaml(3), { targetUser: 'plain' });
  const { project } = await loadProject(scenario.folder, { env: {} });
  const problems = (await planProject(project)).replicas['warehouse']?.problems.filter(({ level }) => level === 'error');
  assert.deepEqual(problems?.map(({ table, hint }) => [table, hint]), ['public.children', 'public.parents'].map((table) => [table, 'grant set on parameter session_replication_role to plain']));
  const { code, stderr } = await scenario.millrace(['up', '--until', 'caught-up']).outcome;
  assert.notEqual(code, 0);
  assert.match(stderr, /has foreign keys that the role may not switch off/);
  assert.deepEqual((await scenario.both('parents')).target, []);
  scenario.configure(yaml(1), { targetUser: 'plain' });
  await scenario.caughtUp();
  assert.deepEqual((await scenario.both('children')).target, ['(1,1)']);
  await scenario.stop();
  await scenario.copy.query('grant set on parameter session_replication_role to plain');
  scenario.configure(yaml(3), { targetUser: 'plain' });
  await scenario.db.query('insert into parents select i from generate_series(2, 4000) i; insert into children select i, i from generate_series(2, 4000) i');
  await scenario.caughtUp();
  const { source, target } = await scenario.both('children');
  assert.deepEqual(target, source);
  await scenario.stop();
});
