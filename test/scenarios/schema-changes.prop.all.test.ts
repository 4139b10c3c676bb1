// Random schema changes in random traffic, on two tables, while snapshots are read, while it streams, over restarts and resyncs: in the end the
// target has the source's rows, in the columns that the source has. Tables that stop are mended as their status says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { ChangingTable } from '../support/changing-table.ts';
import { Scenario, until } from '../support/scenario.ts';

for (const [source, target] of [[18, 18], [15, 18], [18, 15]] as const) {
  test(`random schema changes from ${source} to ${target}`, async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    console.log(`random schema changes from ${source} to ${target}, seed ${seed}`);
    const scenario = await Scenario.start({ source: { version: source }, target: { version: target } });
    try {
      await play(scenario, seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify(scenario.status().replicas)}`, { cause: error });
    } finally {
      await scenario.remove();
    }
  });
}

async function play(scenario: Scenario, seed: number): Promise<void> {
  const random = new Random(seed);
  await scenario.fresh();
  await scenario.db.query(`create type mood as enum ('sad', 'ok', 'happy')`);
  const tables = ['t', 'u'].map((name) => new ChangingTable(name, random));
  for (const table of tables) await scenario.db.query(table.create(1 + random.below(20_000)));
  let labels = 0;
  const traffic = async (): Promise<void> => {
    for (let i = 0; i < 25; i++) {
      const table = tables[random.below(2)] as ChangingTable;
      const statements = Array.from({ length: 1 + random.below(6) }, () => (random.below(4) === 0 ? table.alter() : table.change()));
      await scenario.db.query(`begin; ${statements.join('; ')}; commit`);
      if (random.below(10) === 0) await scenario.db.query(`alter type mood add value 'label ${(labels += 1)}' before 'ok'`);
    }
  };
  await scenario.up();
  await traffic(); // while it reads
  await scenario.caughtUp();
  await traffic();
  if (random.below(2) === 0) await scenario.stop();
  await traffic();
  await scenario.caughtUp();
  await scenario.running.resync('warehouse', [`public.${['t', 'u'][random.below(2)]}`]);
  await traffic();
  // A change of the shape comes with the rows behind it.
  for (const table of tables) await scenario.db.query(table.row());
  await mend(scenario);
  for (const { name, list } of tables) {
    const { source, target } = await scenario.both(name, name, list);
    assert.deepEqual(target, source);
  }
  assert.deepEqual(await scenario.copy.rows(`select message from millrace.dead_letters where state = 'open'`), []);
}

/** Does what the status says until no table is stopped. */
async function mend(scenario: Scenario): Promise<void> {
  const stops = (): [string, { next?: string }][] => Object.entries(scenario.status().replicas['warehouse']?.tables ?? {}).filter(([, { state }]) => state === 'failed');
  for (let tries = 0; ; tries++) {
    await scenario.caughtUp();
    const stopped = stops();
    if (stopped.length === 0) return;
    assert.ok(tries < 12, JSON.stringify(stopped));
    const before = JSON.stringify(stopped);
    for (const [table, { next = '' }] of stopped) {
      // Where the values of the column do not fit its new type, it goes: the table is read again anyway.
      // It may have been run a moment ago.
      if (next.startsWith('alter table')) await scenario.copy.query(next).catch(() => scenario.copy.query(next.replace(/alter column (\S+) type.*/, 'drop column $1')).catch(() => undefined));
      // It sees by itself that it fits; to ask for it is faster.
      if (tries > 0) await scenario.running.resync('warehouse', [table]);
    }
    await until(() => JSON.stringify(stops()) !== before, 10_000);
  }
}
