// Crash test: kills the replicating process with SIGKILL at named points and at random times, and the servers too, while money moves; then
// lets it catch up and compares both sides. `npm run crash -- --rounds 20 --seed 1 [--version 15] [--verbose]`.
import { parseArgs } from 'node:util';
import { crashPoints, Random } from '../../src/base/index.ts';
import { World } from './world.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' }, seed: { type: 'string' }, version: { type: 'string', default: '18' }, verbose: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const random = new Random(seed);
console.log(`seed ${seed}, PostgreSQL ${values.version}`);

const world = await World.make(new Random(seed + 1), values.version === '15' ? 15 : 18);
let [lost, duplicated] = [0, 0];
const struck = new Map<string, number>();
try {
  for (let round = 0; round < rounds; round++) {
    // Every point in turn, so that few rounds still reach many of them; between them kills at random times.
    const point = round % 2 === 0 ? crashPoints[(round / 2) % crashPoints.length] : undefined;
    const early = point !== undefined && /^(slot|snapshot|index)/.test(point);
    const fresh = round === 0 || early || random.chance(0.1);
    if (fresh) await world.fresh();
    const what = await strike(point);
    const servers = random.chance(0.1);
    if (servers) {
      await world.source.kill9();
      await world.target.kill9();
      await world.source.start();
      await world.target.start();
    }
    // The disk is lost only while the source still has everything, which is the normal case.
    const folder = random.chance(0.15);
    if (folder) world.forgetFolder();
    await world.quiet();
    const last = world.up({ until: true });
    const outcome = await last.exited;
    if (outcome.code !== 0) throw new Error(`round ${round}: up --until caught-up ended with ${outcome.code ?? outcome.signal}\n${outcome.stderr}`);
    const difference = await world.compare();
    lost += difference.lost;
    duplicated += difference.duplicated;
    struck.set(what, (struck.get(what) ?? 0) + 1);
    const notes = [fresh && 'fresh', servers && 'servers killed', folder && '.millrace/ lost'].filter(Boolean).join(', ');
    if (values.verbose || difference.lost + difference.duplicated > 0) {
      console.log(`round ${round}: ${what}${notes ? ` (${notes})` : ''}: lost ${difference.lost}, duplicated ${difference.duplicated}, torn so far ${world.torn}`);
    }
    world.work();
  }
} finally {
  await world.remove();
}
const never = crashPoints.filter((point) => !struck.has(point));
console.log(`${world.transactions} transactions, ${world.reads} reads of the target, killed at ${[...struck].map(([name, n]) => `${name} ${n}×`).join(', ')}`);
if (rounds >= crashPoints.length * 2 && never.length > 0) console.log(`never reached: ${never.join(', ')}`);
console.log(`${rounds} rounds: ${lost} lost, ${duplicated} duplicated, ${world.torn} torn`);
process.exit(lost + duplicated + world.torn === 0 && (rounds < crashPoints.length * 2 || never.length === 0) ? 0 : 1);

/** Starts the project and lets it die: at the point, or at a random time. Returns what it died of. */
async function strike(point: string | undefined): Promise<string> {
  const count = point?.startsWith('slot') || point === 'snapshot.before-table' ? 1 : random.between(1, (point !== undefined && /^(snapshot|index)/.test(point)) || point === 'log.after-sync' || point === 'log.before-trim' ? 2 : 6);
  const { child, exited } = world.up(point === undefined ? {} : { crashAt: `${point}:${count}` });
  const patience = point === undefined ? random.between(200, 3000) : 20_000;
  let impatient = false;
  const timer = setTimeout(() => {
    impatient = true;
    child.kill('SIGKILL');
  }, patience);
  const outcome = await exited;
  clearTimeout(timer);
  if (outcome.signal !== 'SIGKILL') throw new Error(`the project ended by itself with ${outcome.code ?? outcome.signal}\n${outcome.stderr}`);
  return impatient ? 'random time' : (point as string);
}
