// Single rows are read again while their table is written: by a condition, and where they differ.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadProject, resyncRows, type WhichRows } from '../../src/control/index.ts';
import { connect, Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

const project = (tables: string): string => `millrace: 1
sources:
  shop:
    postgres: \${SHOP_URL}
    tables: [public.*]
replicas:
  warehouse:
    from: shop
    postgres: \${WAREHOUSE_URL}
    tables:
${tables.split('\n').map((line) => `      ${line}`).join('\n')}
`;

async function rowsAgain(tables: readonly string[], which: WhichRows) {
  const loaded = await loadProject(scenario.folder, { env: {} });
  return resyncRows(loaded.project, 'warehouse', tables, which);
}

const orders = `create table orders (id int primary key, state text not null, n int not null default 0, big text);
  alter table orders alter big set storage external;
  insert into orders select i, case i % 3 when 0 then 'open' when 1 then 'paid' else 'gone' end, 0, repeat('x', 3000) || i from generate_series(1, 6000) i`;

/** Updates that leave the large value out, deletes, inserts, and keys that change, until it is stopped. */
function writing(): { stop(): Promise<void> } {
  let stopped = false;
  const done = (async () => {
    const db = await connect(scenario.sourceUrl);
    for (let i = 1; !stopped; i++) {
      const id = (i * 37) % 6000;
      await db.query(`update orders set n = n + 1 where id = ${id}`);
      if (i % 3 === 0) await db.query(`update orders set state = 'open', big = repeat('y', 3000) where id = ${id + 1}`);
      if (i % 7 === 0) await db.query(`delete from orders where id = ${id + 2}`);
      if (i % 11 === 0) await db.query(`insert into orders values (${100_000 + Date.now() % 1e6 * 100 + i % 100}, 'open', 1, repeat('z', 3000))`);
      await new Promise((resolve) => setTimeout(resolve, 4));
      if (i % 13 === 0) await db.query(`update orders set id = ${1e9 + Date.now() % 1e6 * 100 + i % 100} where id = ${id + 3}`);
    }
    await db.close();
  })();
  return { stop: () => ((stopped = true), done) };
}

const spoil = `update sales.orders set big = 'spoilt', n = -1 where order_id % 5 = 0; delete from sales.orders where order_id % 7 = 0;
  update sales.orders set state = 'open' where order_id % 11 = 0;
  insert into sales.orders select i, 'open', 0, 'never was' from generate_series(900001, 900500) i`;

const differing = async (where = 'true'): Promise<number> => {
  const { source, target } = await scenario.both(`(select id, state, n, big from orders where ${where}) o`, `(select order_id, state, n, big from sales.orders where ${where}) o`);
  const [a, b] = [new Set(source), new Set(target)];
  return source.filter((row) => !b.has(row)).length + target.filter((row) => !a.has(row)).length;
};

test('rows that match at the source or at the target are mended, the others are left; then what differs, with the table being written', async () => {
  await scenario.fresh(project('shop.public.orders: { to: sales.orders, rename: { id: order_id } }'));
  await scenario.db.query(orders);
  await scenario.caughtUp();
  await scenario.copy.query(spoil);
  const before = await differing();
  const writer = writing();
  const report = await rowsAgain(['sales.orders'], { where: "orders.state = 'open' -- of all" });
  assert.equal(report.tables[0]?.target, 'sales.orders');
  assert.ok((report.tables[0]?.rows ?? 0) > 2000);
  await writer.stop();
  await scenario.caughtUp();
  assert.equal(await differing("state = 'open'"), 0);
  const rest = await differing();
  assert.ok(rest > 0 && rest < before, `${rest} of ${before}`);

  const again = writing();
  await rowsAgain([], 'repair');
  await again.stop();
  await scenario.caughtUp();
  assert.equal(await differing(), 0);
  assert.deepEqual(await rowsAgain([], 'repair'), { tables: [], shared: [] });
  // Rows that an update could not find are there now.
  assert.equal(scenario.status().replicas['warehouse']?.deadLetters, 0);
  await assert.rejects(rowsAgain(['sales.orders'], { where: 'nothing = 1' }), { code: 'EXPRESSION_INVALID' });
  await assert.rejects(rowsAgain(['sales.orders'], { where: 'true); delete from orders; select (true' }), { code: 'EXPRESSION_INVALID' });
  await scenario.running.pause('warehouse');
  await assert.rejects(rowsAgain([], 'repair'), { code: 'NOT_STREAMING' });
});

test('through the rules: filters, soft deletes, masks, several sources in one table, keys that cannot be found at the source', async () => {
  await scenario.fresh(project(`shop.public.soft: { to: sales.soft, deletes: soft }
shop.public.part_of: { to: sales.part_of, where: "n > 0", mask: { secret: hash } }
shop.public.north: sales.both
shop.public.south: sales.both
shop.public.hidden: { to: sales.hidden, mask: { id: hash } }`));
  await scenario.db.query(`create table soft (id int primary key, v text); insert into soft values (1, 'a'), (2, 'b'), (3, 'c');
    create table part_of (id numeric primary key, n int, secret text); insert into part_of values (1.50, 1, 's'), (2.5, 0, 't'), (3, 7, 'u');
    create table north (id int primary key, v text); insert into north values (1, 'n');
    create table south (id int primary key, v text); insert into south values (2, 's');
    create table hidden (id int primary key, v text); insert into hidden values (1, 'h')`);
  await scenario.caughtUp();
  const { copy } = scenario;
  const right = await copy.rows('select * from sales.part_of order by id');
  await copy.query(`delete from sales.soft where id = 1; insert into sales.soft values (4, 'extra'); update sales.soft set v = 'x' where id = 2;
    update sales.part_of set secret = 'plain'; insert into sales.part_of values (2.50, 9, 'was filtered'); update sales.both set v = 'x'; insert into sales.both values (3, 'too much')`);
  const report = await rowsAgain([], 'repair');
  assert.deepEqual(report.shared, ['sales.both']);
  assert.deepEqual(await copy.rows('select id::text, v, (_deleted_at is not null)::text as gone from sales.soft order by id'), [
    { id: '1', v: 'a', gone: 'false' }, { id: '2', v: 'b', gone: 'false' }, { id: '3', v: 'c', gone: 'false' }, { id: '4', v: 'extra', gone: 'true' },
  ]);
  assert.deepEqual(await copy.rows('select * from sales.part_of order by id'), right);
  assert.deepEqual(await copy.rows('select id::text, v from sales.both order by 1'), [{ id: '1', v: 'n' }, { id: '2', v: 's' }, { id: '3', v: 'too much' }]);
  await copy.query("update sales.hidden set v = 'x'");
  await assert.rejects(rowsAgain(['public.hidden'], 'repair'), { code: 'RESYNC_IMPOSSIBLE' });
  assert.equal((await copy.rows<{ n: string }>('select count(*) as n from millrace.dead_letters'))[0]?.n, '0');
});
