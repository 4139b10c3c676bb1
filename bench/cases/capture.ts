// capture: reading prepared changes from a slot, against pg_recvlogical writing the same to /dev/null.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { systemClock, silentLogger } from '../../src/base/index.ts';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { PostgresSource } from '../../src/connect/index.ts';
import { asPosition, parseTablePattern, runRows, type TablePattern } from '../../src/data/index.ts';
import { parsePgUrl, PgConnection } from '../../src/wire/index.ts';
import { type BenchOptions, median, type Report, versus } from '../report.ts';
import { changesTable, writeChanges } from '../workload.ts';

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  const changes = quick ? 150_000 : 600_000;
  const cluster = await startCluster();
  try {
    const db = await PgConnection.connect(parsePgUrl(cluster.url()));
    await changesTable(db);
    await db.query('create publication bench for table changes');
    // One slot a measurement, all at the same point: each reads the same changes.
    const tries = quick ? 2 : 3;
    for (let i = 0; i < tries; i++) {
      await db.query(`select pg_create_logical_replication_slot('ours${i}', 'pgoutput'), pg_create_logical_replication_slot('theirs${i}', 'pgoutput')`);
    }
    await writeChanges(db, { changes, perTransaction: 100 });
    const [row] = await db.rows<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn from pg_logical_emit_message(true, 'bench', 'end')");
    const end = row?.lsn ?? '0/0';
    const rates: { ours: number[]; theirs: number[]; cpu: number[] } = { ours: [], theirs: [], cpu: [] };
    for (let i = 0; i < tries; i++) {
      const theirs = await recvlogical(cluster.url(), `theirs${i}`, end);
      const ours = await capture(cluster.url(), `ours${i}`, changes, join(cluster.folder, 'spill'));
      rates.theirs.push(changes / theirs);
      rates.ours.push(changes / ours.seconds);
      rates.cpu.push(ours.cpuUs / changes);
    }
    report(versus('changes read', median(rates.ours), 'changes/s', 'pg_recvlogical to /dev/null', median(rates.theirs), 0.95));
    report({ figure: 'CPU of the reading process', value: median(rates.cpu), unit: 'µs/change' });
    await db.close();
  } finally {
    await cluster.remove();
  }
}

async function recvlogical(url: string, slot: string, end: string): Promise<number> {
  const start = performance.now();
  const child = spawn('pg_recvlogical', ['-d', url, '-S', slot, '--start', '-f', '/dev/null', '--endpos', end, '-o', 'proto_version=1', '-o', 'publication_names=bench', '-o', 'binary=true', '-F', '0'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`pg_recvlogical ended with ${code}`);
  return (performance.now() - start) / 1000;
}

async function capture(url: string, slot: string, changes: number, folder: string): Promise<{ seconds: number; cpuUs: number }> {
  const source = new PostgresSource({
    name: 'bench', url, tables: [parseTablePattern('public.changes') as TablePattern], sendsColumn: () => true, appendOnly: [], slot, publication: 'bench',
    managesPublication: false, identify: () => Promise.resolve({ id: '', own: new Set(), unasked: [] }), clock: systemClock, logger: silentLogger,
    spill: { folder, memoryBytesMax: 8 << 20 },
  });
  await source.open();
  const stop = new AbortController();
  let rows = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await source.stream(asPosition(0n), { run: (one) => ((rows += runRows(one)), rows >= changes && stop.abort()), ready: () => Promise.resolve() }, stop.signal);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  await source.close();
  return { seconds, cpuUs: used.user + used.system };
}

