// A table that is too large for one snapshot. More of it in snapshot.all.test.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chunkPositions, expectEqualItems, fillItems, slowSnapshots, writeItems } from '../support/items.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
});
after(() => scenario.remove());

test('ranges of a key come from several snapshots while its rows change and move', async () => {
  await scenario.fresh(slowSnapshots);
  await scenario.db.query(fillItems('int8', 5000, 700));
  const writing = writeItems(scenario, 'int8');
  const running = await scenario.up();
  await until(() => running.status().sources['shop']?.tables['public.items']?.reading !== undefined);
  const reading = running.status().sources['shop']?.tables['public.items']?.reading;
  assert.equal(reading?.rowsEstimate, 5000);
  await until(() => running.status().replicas['warehouse']?.state === 'streaming');
  assert.ok((await chunkPositions(scenario)).length > 1, 'it was read from one snapshot only');
  assert.ok((await writing.stop()) > 20);
  await scenario.caughtUp();
  await expectEqualItems(scenario);
});
