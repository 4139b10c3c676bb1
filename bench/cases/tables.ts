// tables: 1,000 tables with one change each a second.
import { setTimeout as sleep } from 'node:timers/promises';
import { rssOf } from '../cpu.ts';
import { cpuBetween, Pair, waitFor } from '../pair.ts';
import { atMost, type BenchOptions, type Report } from '../report.ts';

const tables = 1000;
const stepMs = 10;

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  const seconds = quick ? 10 : 60;
  const pair = await Pair.start();
  try {
    const { source, millrace } = await pair.fresh('t0', async (db) => {
      await db.query(`do $$ begin for i in 0..${tables - 1} loop
        execute format('create table t%s (id int primary key, n int not null, note text)', i);
        execute format('insert into t%s select n, 0, ''note'' from generate_series(1, 10) n', i);
      end loop; end $$`);
    });
    await millrace.start();
    const write = async (from: number, until: number): Promise<void> => {
      const start = performance.now();
      const outstanding: Promise<unknown>[] = [];
      const perStep = (tables * stepMs) / 1000;
      for (let step = from; step < until; step++) {
        for (let i = 0; i < perStep; i++) outstanding.push(source.query(`update t${(step * perStep + i) % tables} set n = ${step} where id = ${1 + (step % 10)}`));
        await sleep(Math.max(0, start + (step - from + 1) * stepMs - performance.now()));
      }
      await Promise.all(outstanding);
    };
    const arrived = (step: number): Promise<true> =>
      waitFor('the last change', async () => ((await millrace.target.rows(`select 1 as x from t${((step + 1) * ((tables * stepMs) / 1000) - 1) % tables} where n = ${step}`)).length > 0 ? true : undefined), 20);
    const perSecond = 1000 / stepMs;
    await write(0, 2 * perSecond); // each table once or twice, so that all is known and warm
    await arrived(2 * perSecond - 1);
    const before = await millrace.cpu();
    await write(2 * perSecond, (2 + seconds) * perSecond);
    await arrived((2 + seconds) * perSecond - 1);
    const used = cpuBetween(before, await millrace.cpu());
    report(atMost('CPU of the process', (used['millrace'] ?? 0) / seconds / 1e6, 'cores', 0.3));
    for (const [name, us] of Object.entries(used)) if (name !== 'millrace') report({ figure: `CPU of ${name}`, value: us / seconds / 1e6, unit: 'cores' });
    report({ figure: 'memory', value: rssOf(millrace.pid()) / 1e6, unit: 'MB' });
    await millrace.stop();
  } finally {
    await pair.remove();
  }
}
