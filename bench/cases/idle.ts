// idle: what a project costs while nothing happens: CPU of the process, its memory, and what it asks of both servers.
import { setTimeout as sleep } from 'node:timers/promises';
import { rssOf } from '../cpu.ts';
import { cpuBetween, Pair } from '../pair.ts';
import { atMost, type BenchOptions, type Report } from '../report.ts';

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  const seconds = quick ? 15 : 60;
  const pair = await Pair.start();
  try {
    const { millrace } = await pair.fresh('quiet', (db) => db.query("create table quiet (id int primary key, v text); insert into quiet select i, 'v' from generate_series(1, 1000) i").then(() => undefined));
    await millrace.start();
    await sleep(5000); // what it does once, right after the start
    const before = await millrace.cpu();
    await sleep(seconds * 1000);
    const used = cpuBetween(before, await millrace.cpu());
    const percent = (us: number): number => us / seconds / 10_000;
    report(atMost('CPU of the process', percent(used['millrace'] ?? 0), '% of a core', 1));
    report({ figure: 'CPU of its sessions at source and target', value: percent((used['walsender'] ?? 0) + (used['backends'] ?? 0) + (used['source backends'] ?? 0)), unit: '% of a core' });
    report(atMost('memory', rssOf(millrace.pid()) / 1e6, 'MB', 120));
    await millrace.stop();
  } finally {
    await pair.remove();
  }
}
