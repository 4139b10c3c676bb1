// verify: comparing equal tables, against the one sum over all rows that says no more than that they are equal.
import { rmSync } from 'node:fs';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { connect } from '../pair.ts';
import { build, millrace, newFolder, timed, writeProject } from '../project.ts';
import type { BenchOptions, Report } from '../report.ts';
import { versus } from '../report.ts';

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  build();
  const rows = quick ? 500_000 : 10_000_000;
  const settings = { max_wal_size: '8GB', checkpoint_timeout: '30min', synchronous_commit: 'off' };
  const [source, target] = await Promise.all([startCluster({ settings }), startCluster({ settings })]);
  const folder = newFolder();
  const [db, copy] = [await connect(source.url()), await connect(target.url())];
  try {
    writeProject(folder, source.url(), target.url());
    await db.query('create table stock (id bigint primary key, customer int, amount numeric(12,2), at timestamptz, note text)');
    await db.query(`insert into stock select i, i % 1000, i % 7919 / 100.0, now(), 'note of row ' || i from generate_series(1, ${rows}) i`);
    await millrace(folder, ['up', '--until', 'caught-up']);
    for (const each of [db, copy]) await each.query('vacuum analyze stock');
    const sum = (): Promise<unknown> => Promise.all([db, copy].map((each) => each.rows('select sum(hashtextextended(t::text, 0)) as sum from stock t')));
    await sum(); // both caches are warm
    const sumMs = await timed(sum);
    const verifyMs = await timed(() => millrace(folder, ['verify']));
    report(versus('rate, from the start of the process', rows / verifyMs, 'rows/ms', 'select sum(hashtextextended(t::text, 0)) on both', rows / sumMs, 0.667));
  } finally {
    await Promise.all([db.close(), copy.close()]);
    await Promise.all([source.remove(), target.remove()]);
    rmSync(folder, { recursive: true, force: true });
  }
}
