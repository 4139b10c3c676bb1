// Tables that are read while the others are followed: read again by request, and after they were taken in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { expectEqualItems, fillItems, slowSnapshots, writeItems } from '../support/items.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

const tick = 'create table tick (id int primary key, n int); insert into tick values (1, 0)';

async function tickArrives(n: number): Promise<void> {
  await scenario.db.query(`update tick set n = ${n} where id = 1`);
  await until(async () => (await scenario.copy.rows<{ n: string }>('select n::text from tick'))[0]?.n === String(n), 5000);
}

const tickBehind = () => scenario.db.query('update tick set n = 3 where id = 1');

test('a table that is read again does not stop the others, and its changes meet without gap or overlap', async () => {
  await scenario.fresh(slowSnapshots);
  await scenario.db.query(`${tick}; ${fillItems('int8', 5000, 700)}`);
  const running = await scenario.up();
  await running.caughtUp();
  const writing = writeItems(scenario, 'int8');
  const table = () => running.status().sources['shop']?.tables['public.items'];
  await running.resync('warehouse', ['public.items']);
  await until(() => (table()?.reading?.rows ?? 0) > 0);
  await tickArrives(1);
  await tickArrives(2);
  assert.notEqual(table()?.reading, undefined, 'it was read already');
  await until(() => running.status().replicas['warehouse']?.state === 'streaming');
  await writing.stop();
  await scenario.caughtUp();
  await expectEqualItems(scenario);

  // And when the process dies on the way.
  await scenario.stop();
  assert.equal((await scenario.millrace(['resync', 'warehouse.public.items']).outcome).code, 0);
  const more = writeItems(scenario, 'int8', 30_000);
  await scenario.millrace(['up'], { MILLRACE_CRASH_AT: 'snapshot.after-commit:3' }).outcome;
  await tickBehind();
  await scenario.up();
  await tickArrives(4);
  await more.stop();
  await scenario.caughtUp();
  await expectEqualItems(scenario);
});
