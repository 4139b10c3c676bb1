// catchup: changes that were written while nobody replicated, read and applied by PostgreSQL's own subscription and by Millrace.
import { type CpuUse, cpuBetween, Pair, type Replicator, waitFor } from '../pair.ts';
import { atMostOf, type BenchOptions, type Report, versus } from '../report.ts';
import { changesTable, writeChanges } from '../workload.ts';

/** The least rate and the most CPU, against a subscription's. */
const reaches = [
  { perTransaction: 1, rate: 1.8, cpu: 0.75 },
  { perTransaction: 10, rate: 1.6, cpu: 0.85 },
  { perTransaction: 1000, rate: 1.3, cpu: 1 },
];

interface Measured {
  readonly startMs: number;
  /** From the start of reading the slot to the last change being visible. */
  readonly seconds: number;
  readonly cpu: CpuUse;
}

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  const changes = quick ? 60_000 : 300_000;
  const pair = await Pair.start();
  try {
    for (const { perTransaction, rate, cpu } of reaches) {
      const { source, native, millrace } = await pair.fresh('changes', changesTable);
      await writeChanges(source, { changes, perTransaction });
      await source.query('insert into changes (id, customer, status, amount, at) values (-1, 0, \'last\', 0, now())');
      await source.query('checkpoint');
      const theirs = await measure(native);
      const ours = await measure(millrace);
      await expectEqual(native, millrace);
      const label = `transactions of ${perTransaction.toLocaleString('en')}`;
      report(versus(`${label}: rate`, changes / ours.seconds, 'changes/s', native.name, changes / theirs.seconds, rate));
      report(atMostOf(`${label}: CPU of everything`, total(ours.cpu) / changes, 'µs/change', native.name, total(theirs.cpu) / changes, cpu));
      for (const [name, us] of Object.entries(ours.cpu)) report({ figure: `${label}: CPU of ${name}`, value: us / changes, unit: 'µs/change' });
      for (const [name, us] of Object.entries(theirs.cpu)) report({ figure: `${label}: CPU of ${name}, ${native.name}`, value: us / changes, unit: 'µs/change' });
      report({ figure: `${label}: start until the slot is read`, value: ours.startMs, unit: 'ms' });
    }
  } finally {
    await pair.remove();
  }
}

const total = (cpu: CpuUse): number => Object.values(cpu).reduce((sum, us) => sum + us, 0);

async function measure(replicator: Replicator): Promise<Measured> {
  const { target } = replicator;
  await target.query('vacuum analyze changes');
  await target.query('checkpoint');
  const startMs = await replicator.start();
  const before = await replicator.cpu();
  const start = performance.now();
  await waitFor('the last change', async () => ((await target.rows('select 1 as x from changes where id = -1')).length > 0 ? true : undefined), 5);
  const seconds = (performance.now() - start) / 1000;
  const after = await replicator.cpu();
  await replicator.stop();
  return { startMs, seconds, cpu: cpuBetween(before, after) };
}

/** A benchmark of something that is wrong says nothing. */
async function expectEqual(one: Replicator, two: Replicator): Promise<void> {
  const sums = await Promise.all(
    [one, two].map(({ target }) => target.rows<{ rows: string; sum: string }>('select count(*)::text as rows, sum(hashtextextended(t::text, 0))::text as sum from changes t')),
  );
  if (JSON.stringify(sums[0]) !== JSON.stringify(sums[1])) throw new Error(`the targets differ: ${JSON.stringify(sums)}`);
}
