// Snapshots in chunks, on 18 and 15: by place from one snapshot, by key from several, while rows change and move, after the process was killed
// in between, and when the table is emptied and altered.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chunkPositions, expectEqualItems, fillItems, slowSnapshots, writeItems } from '../support/items.ts';
import { Scenario, until } from '../support/scenario.ts';

for (const version of [18, 15] as const) {
  describe(`PostgreSQL ${version}`, () => {
    let scenario: Scenario;
    before(async () => {
      scenario = await Scenario.start({ source: { version }, target: { version } });
    });
    after(() => scenario.remove());

    for (const key of ['int8', 'uuid']) {
      test(`ranges of a key of type ${key} come from several snapshots while its rows change and move`, async () => {
        await scenario.fresh(slowSnapshots);
        await scenario.db.query(fillItems(key, 9000, 700));
        const writing = writeItems(scenario, key);
        const running = await scenario.up();
        await until(() => running.status().sources['shop']?.tables['public.items']?.reading !== undefined);
        const reading = running.status().sources['shop']?.tables['public.items']?.reading;
        assert.equal(reading?.rowsEstimate, 9000);
        await until(() => running.status().replicas['warehouse']?.state === 'streaming');
        assert.ok((await chunkPositions(scenario)).length > 1, 'it was read from one snapshot only');
        assert.ok((await writing.stop()) > 20);
        await scenario.caughtUp();
        await expectEqualItems(scenario);
      });
    }

    test('a killed process goes on with the ranges that are left', async () => {
      await scenario.fresh(slowSnapshots);
      await scenario.db.query(fillItems('int8', 9000, 700));
      const writing = writeItems(scenario, 'int8');
      const first = scenario.millrace(['up'], { MILLRACE_CRASH_AT: 'snapshot.after-commit:4' });
      await first.outcome;
      const chunks = await scenario.copy.rows('select key_from, key_to, position from millrace.chunks order by 1, 2');
      assert.ok(chunks.length >= 4);
      const second = await scenario.millrace(['up', '--until', 'caught-up']).outcome;
      assert.equal(second.code, 0, second.stderr);
      assert.match(second.stderr, /going on with a snapshot/);
      const later = await scenario.copy.rows('select key_from, key_to, position from millrace.chunks order by 1, 2');
      for (const chunk of chunks) assert.ok(later.some((other) => JSON.stringify(other) === JSON.stringify(chunk)), 'a chunk was read again');
      await writing.stop();
      await scenario.caughtUp();
      await expectEqualItems(scenario);
    });

    test('chunks by place come from one snapshot, and are all read again after a kill', async () => {
      await scenario.fresh();
      await scenario.db.query(fillItems('int8', 40_000, 1000));
      const first = scenario.millrace(['up'], { MILLRACE_CRASH_AT: 'snapshot.after-commit:2' });
      await first.outcome;
      assert.ok((await scenario.copy.rows('select from items limit 1')).length === 1, 'nothing was committed');
      await scenario.db.query('update items set n = -n where id % 7 = 0');
      await scenario.caughtUp();
      assert.equal((await chunkPositions(scenario)).length, 1);
      const sum = 'select count(*)::text as rows, sum(hashtextextended(t::text, 0))::text as sum from items t';
      assert.deepEqual(await scenario.copy.rows(sum), await scenario.db.rows(sum));
    });

    test('a table that is truncated and altered between its chunks is read anew', async () => {
      await scenario.fresh(slowSnapshots);
      await scenario.db.query(fillItems('int8', 9000, 700));
      const running = await scenario.up();
      await until(() => running.status().sources['shop']?.tables['public.items']?.reading?.rows !== undefined);
      await until(async () => (await scenario.copy.rows('select from millrace.chunks')).length >= 2);
      await scenario.db.query("truncate items; insert into items select i * 10, i, repeat('y', 700) from generate_series(1, 6000) i");
      await until(() => running.status().replicas['warehouse']?.state === 'snapshot');
      await scenario.db.query("alter table items add column extra int default 7; update items set n = 0 where id < 1000");
      await scenario.caughtUp();
      await expectEqualItems(scenario);
    });
  });
}
