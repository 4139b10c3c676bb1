// latency: from the return of a commit at the source to the row being visible at the target, at 1,000 transactions a second.
import { setTimeout as sleep } from 'node:timers/promises';
import { PgConnection } from '../../src/wire/index.ts';
import { type CpuUse, cpuBetween, Pair, type Replicator, waitFor } from '../pair.ts';
import { atMost, atMostOf, type BenchOptions, percentile, type Report } from '../report.ts';

const perSecond = 1000;

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  const seconds = quick ? 8 : 30;
  const pair = await Pair.start();
  try {
    const { source, native, millrace } = await pair.fresh('ticks', async (db) => {
      await db.query(`create table ticks (seq bigint primary key, customer int not null, amount numeric(12,2) not null, at timestamptz not null default now(), note text)`);
      await db.query('insert into ticks values (0, 0, 0)');
    });
    const theirs = await measure(source, native, 1, seconds);
    const ours = await measure(source, millrace, 1_000_000, seconds);
    for (const [name, p, limitMs] of [['p50', 0.5, 10], ['p99', 0.99, 50], ['max', 1, undefined]] as const) {
      const [value, baseline] = [percentile(ours.ms, p), percentile(theirs.ms, p)];
      const figure = `commit to visible, ${perSecond.toLocaleString('en')} tx/s: ${name}`;
      if (limitMs === undefined) report({ figure, value, unit: 'ms', baseline: `${native.name} (${baseline.toFixed(2)} ms)`, ratio: baseline / value });
      else {
        report(atMostOf(figure, value, 'ms', `${native.name} (${baseline.toFixed(2)} ms)`, baseline, 2));
        report(atMost(figure, value, 'ms', limitMs));
      }
    }
    for (const [replicator, { cpu }] of [[millrace, ours], [native, theirs]] as const) {
      for (const [name, us] of Object.entries(cpu)) report({ figure: `CPU of ${name}${replicator === native ? `, ${native.name}` : ''}`, value: us / (seconds * perSecond), unit: 'µs/tx' });
    }
  } finally {
    await pair.remove();
  }
}

async function measure(source: PgConnection, replicator: Replicator, first: number, seconds: number): Promise<{ ms: number[]; cpu: CpuUse }> {
  await replicator.start();
  const count = seconds * perSecond;
  const warmUp = perSecond;
  const { target } = replicator;
  const visible = async (seq: number): Promise<true | undefined> =>
    Number((await target.rows<{ seq: string }>('select max(seq)::text as seq from ticks'))[0]?.seq) >= seq ? true : undefined;
  // Nothing is measured before it has caught up and its code is warm.
  await write(source, first, warmUp);
  await waitFor('the first rows', () => visible(first + warmUp - 1), 10);
  const before = await replicator.cpu();
  const from = first + warmUp;
  const seen = watch(target, from, count);
  const committed = await write(source, from, count);
  const times = await seen;
  const cpu = cpuBetween(before, await replicator.cpu());
  await replicator.stop();
  return { ms: Array.from(committed, (at, i) => Math.max(0, (times[i] as number) - at)), cpu };
}

/** Inserts one row a transaction at the wanted pace, pipelined on one connection, so that commits are in the order of `seq`. Returns when each commit returned. */
async function write(source: PgConnection, first: number, count: number): Promise<Float64Array> {
  const committed = new Float64Array(count);
  const outstanding: Promise<unknown>[] = [];
  const start = performance.now();
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * perSecond) + 1);
    for (; sent < due; sent++) {
      const i = sent;
      outstanding.push(source.query(`insert into ticks values (${first + i}, ${i % 500}, ${i % 1000}.25, now(), 'note of tick ${i}')`).then(() => (committed[i] = performance.now())));
    }
    await sleep(1);
  }
  await Promise.all(outstanding);
  return committed;
}

/** When each row became visible, asked for every millisecond; more often would take the processor from what is measured. */
async function watch(target: PgConnection, first: number, count: number): Promise<Float64Array> {
  const times = new Float64Array(count);
  let next = 0;
  const poller = await PgConnection.connect(target.options);
  while (next < count) {
    const { rows } = await poller.execute('max', 'select max(seq)::text from ticks', []);
    const at = performance.now();
    const newest = Number((rows[0]?.[0] ?? '').toString()) - first;
    while (next <= newest && next < count) times[next++] = at;
    await sleep(1);
  }
  await poller.close();
  return times;
}
