// A connection to the target is cut in the middle of a transaction that is long: a table that is loaded, a commit that goes in pieces. The server is
// not told, so that its session keeps rows and tables locked from the next attempt.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cuts, struckWithin } from '../support/cuts.ts';
import { until } from '../support/scenario.ts';

let cuts: Cuts;
before(async () => {
  cuts = await Cuts.start();
});
after(() => cuts.remove());

/** Within what it takes to notice and to try again, and well below the half minute for which a lock is waited for. */
async function goesOn(): Promise<void> {
  await until(async () => {
    const { source, target } = await cuts.scenario.both('t');
    return source.join() === target.join();
  }, 20_000);
  await cuts.faults.write(2);
  await cuts.faults.equal();
  assert.equal((await cuts.scenario.verify()).equal, true);
}

test('while a table is read again', async () => {
  await cuts.begin();
  await cuts.scenario.db.query(`insert into t (v, big) select 'l', repeat('l', 3000) from generate_series(1, 3000)`);
  const running = await cuts.faults.up();
  const struck = cuts.between.target.trap({ toward: 'server', bytes: 4_000_000, session: 'from stdin', breaks: 'client' });
  await running.resync('warehouse', ['public.t']);
  await struckWithin(struck, 'rows of a load');
  await goesOn();
});

test('while a large transaction is applied in pieces', async () => {
  await cuts.begin();
  await cuts.scenario.db.query(`insert into t (v, big) select 'l', repeat('l', 3000) from generate_series(1, 20000)`);
  await cuts.faults.up();
  const struck = cuts.between.target.trap({ toward: 'server', bytes: 40_000_000, session: 'from stdin', breaks: 'client' });
  await cuts.scenario.db.query(`update t set big = repeat('p', 3000)`);
  await struckWithin(struck, 'rows of a piece');
  await goesOn();
});
