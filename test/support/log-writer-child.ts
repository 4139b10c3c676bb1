// A child process that appends to a log until it is killed: `node log-writer-child.ts FOLDER SEED [trim]`. One line a sync: the durable end.
import { EmbeddedStream } from '../../src/bus/index.ts';
import { Random } from '../../src/base/index.ts';
import { RandomRuns } from './random-run.ts';

const [folder, seed, trims] = process.argv.slice(2) as [string, string, string?];
const random = new Random(Number(seed));
const runs = new RandomRuns(random, { start: 0n });
const stream = await EmbeddedStream.open(folder, 'shop', { segmentBytesMax: 20_000 });
await stream.reset(runs.position);
for (;;) {
  await stream.ready();
  stream.append(runs.next({ open: random.chance(0.2) }));
  if (random.chance(0.3)) {
    await stream.sync();
    process.stdout.write(`${stream.durableEnd}\n`);
    if (trims) await stream.trim(stream.durableEnd!);
  }
}
