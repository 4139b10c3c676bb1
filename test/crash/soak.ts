// Soak: mixed load for as long as you like, with a fault every few seconds. At any moment the sum of balances at the target is the constant; at every
// rest both sides are equal, with nothing refused; the memory of the process stays flat.
// `npm run soak -- --minutes 10 | --hours 8 [--seed 1] [--version 15] [--verbose]`.
import { parseArgs } from 'node:util';
import { rssOf } from '../../bench/cpu.ts';
import { Random } from '../../src/base/index.ts';
import { deadly, outer, type Patient } from './faults.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string' }, minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, version: { type: 'string', default: '18' },
    verbose: { type: 'boolean', default: false },
  },
});
const minutes = values.hours === undefined ? Number(values.minutes) : Number(values.hours) * 60;
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const random = new Random(seed);
console.log(`seed ${seed}, PostgreSQL ${values.version}, ${minutes} minutes`);

/** Rests come so often. */
const restEveryMs = 60_000;
/** How long both sides may take to become equal at a rest: longer than any pause between two attempts, and than servers take to find a dead session. */
const patienceMs = 180_000;
/** The process lives through the first part of a cycle, so that its memory can be watched; in the second one it dies all the time. */
const cycleMs = Math.min(minutes * 60_000, 30 * 60_000);
const calmShare = 0.6;
/** Memory counts from then on: code is compiled, and the large transactions and faults of a life have been met once. */
const warmMs = 120_000;
/**
 * What a process may need, and by how much that may grow from the first third of its life to the last one. What rows on their way need at the most (a
 * stream that is behind, two epochs, a transaction in pieces) is met by chance, later in one run than in another, and V8 keeps the heap that it took then:
 * up to 70 MB have been seen in ten minutes with 28 MB of objects at the end. A leak that is less than the limit is found by `--hours`.
 */
const limits = { peakMb: 350, growthMb: 100 };

interface Life {
  readonly begunMs: number;
  readonly samples: { readonly atMs: number; readonly mb: number }[];
}

const world = await World.make(new Random(seed + 1), values.version === '15' ? 15 : 18, { between: true });
if (values.verbose) world.onLog = (text) => void process.stdout.write(text);
const struck = new Map<string, number>();
const lives: Life[] = [];
let [lost, duplicated, letters, rests] = [0, 0, 0, 0];
let sampling: NodeJS.Timeout | undefined;
try {
  await world.fresh();
  const patient: Patient = { world, random, process: world.up() };
  const begunMs = performance.now();
  const endMs = begunMs + minutes * 60_000;
  sampling = watchMemory(patient);
  let restedMs = begunMs;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, random.between(500, 5000)));
    const isCalm = (performance.now() - begunMs) % cycleMs < cycleMs * calmShare;
    const faults = isCalm ? outer : { ...outer, ...deadly, ...Object.fromEntries(Object.entries(deadly).map(([name, fault]) => [`${name} again`, fault])) };
    const name = random.pick(Object.keys(faults));
    if (values.verbose) console.log(`${new Date().toISOString()} ${name}`);
    await faults[name]?.(patient);
    const kind = name.replace(/ again$/, '');
    struck.set(kind, (struck.get(kind) ?? 0) + 1);
    mustLive(patient);
    if (performance.now() - restedMs < restEveryMs) continue;
    await rest(patient);
    restedMs = performance.now();
  }
  await rest(patient);
  await verify(patient);
  clearInterval(sampling);
  await deadly['process stopped']?.(patient);
  patient.process.child.kill('SIGTERM');
  await patient.process.exited;
} finally {
  clearInterval(sampling);
  await world.remove();
}
console.log([...struck].map(([name, n]) => `${name} ${n}×`).join(', '));
const memory = lives.map(memoryOf).filter((life) => life !== undefined);
for (const { minutes: lived, first, last, peak, slope } of memory) {
  console.log(`memory over ${lived.toFixed(1)} minutes: ${first.toFixed(0)} MB in the first third, ${last.toFixed(0)} MB in the last one, at most ${peak.toFixed(0)} MB; ${slope.toFixed(1)} MB an hour`);
}
const flat = memory.length > 0 && memory.every(({ first, last, peak }) => peak <= limits.peakMb && last - first <= limits.growthMb);
const good = lost + duplicated + letters + world.torn === 0 && (flat || minutes < 5);
console.log(
  `${good ? 'passed' : 'FAILED'}: ${minutes} minutes, ${world.transactions} transactions, ${world.reads} reads of the target, ${[...struck.values()].reduce((a, b) => a + b, 0)} faults, ${rests} rests: ` +
    `${lost} lost, ${duplicated} duplicated, ${world.torn} torn, ${letters} refused, memory ${flat ? 'flat' : 'not shown to be flat'}`,
);
process.exit(good ? 0 : 1);

/** Only a deadly fault may end the process. */
function mustLive({ process: { child, exited } }: Patient): void {
  if (child.exitCode === null && child.signalCode === null) return;
  void exited.then(({ stderr }) => console.error(stderr));
  throw new Error(`the project ended by itself with ${child.exitCode ?? child.signalCode}`);
}

/** Nobody writes, so both sides become equal. */
async function rest(patient: Patient): Promise<void> {
  await world.quiet();
  const restMs = performance.now();
  const untilMs = restMs + patienceMs;
  for (;;) {
    const difference = await world.compare();
    if (difference.lost + difference.duplicated === 0) break;
    mustLive(patient);
    if (performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      continue;
    }
    lost += difference.lost;
    duplicated += difference.duplicated;
    patient.process.child.kill('SIGKILL');
    throw new Error(`not equal after ${patienceMs / 1000} s: ${JSON.stringify(difference)}\n${(await patient.process.exited).stderr}`);
  }
  if (values.verbose) console.log(`equal after ${Math.round(performance.now() - restMs)} ms`);
  letters += await world.letters();
  rests += 1;
  world.work();
}

/** By the command, beside the running process and its load. */
async function verify(patient: Patient): Promise<void> {
  const { code, stderr } = await world.millrace(['verify']).exited;
  mustLive(patient);
  if (code !== 0) throw new Error(`millrace verify ended with ${code}\n${stderr}`);
}

/** Samples what the process has in memory, once a second. */
function watchMemory(patient: Patient): NodeJS.Timeout {
  let of: number | undefined;
  return setInterval(() => {
    const { pid } = patient.process.child;
    if (pid !== of) lives.push({ begunMs: performance.now(), samples: [] });
    of = pid;
    const life = lives.at(-1);
    const mb = rssOf(pid ?? 0) / (1 << 20);
    if (life && mb > 0 && performance.now() - life.begunMs > warmMs) life.samples.push({ atMs: performance.now(), mb });
  }, 1000);
}

/** Medians of the first and the last third of a life, and the slope of the line through all samples; undefined for short lives. */
function memoryOf({ samples }: Life): { minutes: number; first: number; last: number; peak: number; slope: number } | undefined {
  if (samples.length < 60) return undefined;
  const median = (some: typeof samples): number => some.map(({ mb }) => mb).sort((a, b) => a - b)[some.length >> 1] as number;
  const third = Math.floor(samples.length / 3);
  const mean = (of: (sample: Life['samples'][number]) => number): number => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [atMs, mb] = [mean((sample) => sample.atMs), mean((sample) => sample.mb)];
  const slope = mean((sample) => (sample.atMs - atMs) * (sample.mb - mb)) / mean((sample) => (sample.atMs - atMs) ** 2);
  return { minutes: samples.length / 60, first: median(samples.slice(0, third)), last: median(samples.slice(-third)), peak: Math.max(...samples.map((sample) => sample.mb)), slope: slope * 3_600_000 };
}
