// memory: the most that `millrace up` needs while it reads a large table and then takes a large transaction, with the default limits.
import { rmSync } from 'node:fs';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { connect, waitFor } from '../pair.ts';
import { build, newFolder, timed, withMillrace, writeProject } from '../project.ts';
import { atMost, type BenchOptions, type Report } from '../report.ts';

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  build();
  const [tableRows, transactionRows] = quick ? [300_000, 150_000] : [20_000_000, 2_000_000];
  const settings = { max_wal_size: '8GB', checkpoint_timeout: '30min', synchronous_commit: 'off' };
  const [source, target] = await Promise.all([startCluster({ settings }), startCluster({ settings })]);
  const folder = newFolder();
  const [db, copy] = [await connect(source.url()), await connect(target.url())];
  try {
    writeProject(folder, source.url(), target.url());
    await db.query(`create table stock (id bigint primary key, customer int, amount numeric(12,2), at timestamptz, note text); create table large (id bigint primary key, filler text)`);
    await db.query(`insert into stock select i, i % 1000, i % 7919 / 100.0, now(), 'note of row ' || i from generate_series(1, ${tableRows}) i`);
    await withMillrace(folder, async ({ peakMb }) => {
      const about = (what: string, ms: number): void => {
        report(atMost(`most memory, ${what}`, peakMb(), 'MB', 300));
        report({ figure: `time, ${what}`, value: ms / 1000, unit: 's' });
      };
      const read = await timed(() => waitFor('the snapshot', () => counted(copy, 'stock', tableRows), 100));
      about(`snapshot of ${millions(tableRows)} rows`, read);
      const written = await timed(async () => {
        await db.query(`insert into large select i, repeat(md5(i::text), 31) from generate_series(1, ${transactionRows}) i`);
        await waitFor('the transaction', () => counted(copy, 'large', transactionRows), 100);
      });
      about(`then a transaction of ${millions(transactionRows)} rows, ${Math.round(transactionRows / 1000)} MB`, written);
    });
  } finally {
    await Promise.all([db.close(), copy.close()]);
    await Promise.all([source.remove(), target.remove()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const millions = (rows: number): string => `${rows / 1_000_000} M`;

/** Whether the target's table has all rows: first by its newest, which is cheap to ask for. */
async function counted(copy: Awaited<ReturnType<typeof connect>>, table: string, rows: number): Promise<true | undefined> {
  const [there] = await copy.rows<{ there: string }>('select (to_regclass($1) is not null)::text as there', [table]);
  if (there?.there !== 'true') return undefined;
  const [newest] = await copy.rows<{ n: string | null }>(`select max(id)::text as n from ${table}`);
  if (Number(newest?.n) < rows) return undefined;
  const [row] = await copy.rows<{ n: string }>(`select count(*)::text as n from ${table}`);
  return Number(row?.n) === rows ? true : undefined;
}
