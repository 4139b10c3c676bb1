// A table that is read in chunks, with somebody who writes to it meanwhile.
import assert from 'node:assert/strict';
import type { Scenario } from './scenario.ts';

const yaml = (limits: string): string =>
  `millrace: 1\nsources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\nlimits:\n  ${limits}\n`;
/** Snapshots that may be 300 ms old, and a rate at which a table of some megabytes takes several of them. */
export const slowSnapshots = yaml('snapshotMinutes: 0.01\n  readers: 2\n  readBytesPerSec: 4MB');

export const fillItems = (key: string, rows: number, bytes: number): string =>
  `create table items (id ${key} primary key, n int not null, note text not null default 'x', large text);
   alter table items alter large set storage external;
   insert into items select ${key === 'uuid' ? "md5(i::text)::uuid" : 'i * 10'}, i, repeat('x', ${bytes}), case when i % 500 = 0 then repeat('large', 1000) end from generate_series(1, ${rows}) i; analyze items`;

/** Writes to the table, transactions numbered from `first` on, until it is told to stop. Some rows move over to other ranges of keys. */
export function writeItems(scenario: Scenario, key: string, first = 0): { stop(): Promise<number> } {
  let stopped = false;
  let transactions = first;
  const id = (i: string): string => (key === 'uuid' ? `md5(${i}::text)::uuid` : `(${i})::int8 * 10`);
  const working = (async () => {
    while (!stopped) {
      const i = transactions++;
      const other = (i * 7919) % 9000;
      await scenario.db.query(
        `begin; update items set n = n + 1 where id = ${id(String(other))}; delete from items where id = ${id(String((i * 104_729) % 9000))};
         insert into items values (${id(String(20_000 + i))}, ${i}, 'new');
         update items set id = ${key === 'uuid' ? `md5('moved ${i}')::uuid` : `${(i % 2 === 0 ? 1 : 90_000) + i * 10}`} where id = ${id(String((i * 31) % 9000))} and large is null; commit`,
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return { stop: async () => ((stopped = true), await working, transactions) };
}

export async function expectEqualItems(scenario: Scenario): Promise<void> {
  const { source, target } = await scenario.both('items');
  assert.ok(source.length > 1000);
  assert.deepEqual(target, source);
}

export const chunkPositions = async (scenario: Scenario): Promise<string[]> =>
  (await scenario.copy.rows<{ position: string }>("select distinct position from millrace.chunks where source_table = 'public.items'")).map((row) => row.position);
