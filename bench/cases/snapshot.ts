// snapshot: the first copy of a large table with a primary key, by PostgreSQL's own subscription, by psql piped into psql, and by Millrace.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import { parsePgUrl, type PgConnection } from '../../src/wire/index.ts';
import { connect, waitFor } from '../pair.ts';
import { build, newFolder, timed, withMillrace, writeProject } from '../project.ts';
import type { BenchOptions, Report } from '../report.ts';
import { versus } from '../report.ts';
import { changesTable, columns, fillChanges } from '../workload.ts';

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  build();
  const rows = quick ? 200_000 : 5_000_000;
  const settings = { max_wal_size: '8GB', checkpoint_timeout: '30min', synchronous_commit: 'off' };
  const [source, target] = await Promise.all([startCluster({ settings }), startCluster({ settings })]);
  const folder = newFolder();
  const db = await connect(source.url());
  try {
    await changesTable(db, false);
    await fillChanges(db, rows);
    await db.query('vacuum changes');
    await db.query('create publication native for table changes');
    const bySubscription = await copied(target, 'native', rows, true, (copy) => subscribe(copy, source));
    const byPsql = await copied(target, 'psql', rows, true, () => pipe(source.url(), target.url('psql')));
    let [cpuUs, peak] = [0, 0];
    const byMillrace = await copied(target, 'millrace', rows, false, async (copy) => {
      writeProject(folder, source.url(), target.url('millrace'));
      await withMillrace(folder, async (running) => {
        await waitFor('the snapshot', () => loaded(copy), 20);
        [cpuUs, peak] = [running.cpuUs(), running.peakMb()];
      });
    });
    report(versus('rate, from the start of the process', rows / byMillrace, 'rows/s', 'CREATE SUBSCRIPTION', rows / bySubscription, 1.2));
    report(versus('rate, from the start of the process', rows / byMillrace, 'rows/s', 'psql COPY | psql COPY, binary', rows / byPsql, 1));
    report({ figure: 'CPU of the process', value: cpuUs / rows, unit: 'µs/row' });
    report({ figure: 'most memory', value: peak, unit: 'MB' });
  } finally {
    await db.close();
    await Promise.all([source.remove(), target.remove()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Seconds that the work takes to fill a new database of the target, which is compared by its number of rows and dropped afterwards. */
async function copied(target: Cluster, name: string, rows: number, make: boolean, work: (copy: PgConnection) => Promise<void>): Promise<number> {
  const admin = await connect(target.url());
  await admin.query(`create database ${name}`);
  const copy = await connect(target.url(name));
  try {
    if (make) await copy.query(`create table changes (${columns})`);
    await copy.query('checkpoint');
    const ms = await timed(() => work(copy));
    const [there] = await copy.rows<{ n: string }>('select count(*)::text as n from changes');
    if (Number(there?.n) !== rows) throw new Error(`${name} copied ${there?.n} of ${rows} rows`);
    return ms / 1000;
  } finally {
    await copy.close();
    await admin.query(`drop database ${name}`);
    await admin.close();
  }
}

async function subscribe(copy: PgConnection, source: Cluster): Promise<void> {
  const { host, port } = parsePgUrl(source.url());
  await copy.query(`create subscription native connection 'host=${host} port=${port} user=postgres dbname=postgres sslmode=disable' publication native with (binary = true)`);
  await waitFor('the subscription', async () => ((await copy.rows("select 1 as x from pg_subscription_rel where srsubstate in ('s', 'r')")).length > 0 ? true : undefined), 20);
  await waitFor('the end of its worker', async () => {
    await copy.query('alter subscription native disable');
    return (await copy.rows("select 1 as x from pg_stat_subscription where subname = 'native' and pid is not null")).length === 0 ? true : undefined;
  }, 20);
  await copy.query('drop subscription native');
}

async function pipe(from: string, to: string): Promise<void> {
  const read = spawn('psql', ['-X', '-q', '-c', 'copy changes to stdout (format binary)', from], { stdio: ['ignore', 'pipe', 'inherit'] });
  const write = spawn('psql', ['-X', '-q', '-c', 'copy changes from stdin (format binary)', to], { stdio: [read.stdout, 'inherit', 'inherit'] });
  for (const child of [read, write]) {
    const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)));
    if (code !== 0) throw new Error(`psql ended with ${String(code)}`);
  }
}

async function loaded(copy: PgConnection): Promise<true | undefined> {
  const [there] = await copy.rows<{ there: string }>("select (to_regclass('millrace.tables') is not null)::text as there");
  if (there?.there !== 'true') return undefined;
  return (await copy.rows("select 1 as x from millrace.tables where state = 'done'")).length > 0 ? true : undefined;
}
