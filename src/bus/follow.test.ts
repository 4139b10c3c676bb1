import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, truncateSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { plainRun, RandomRuns } from '../../test/support/random-run.ts';
import { Random } from '../base/index.ts';
import { asPosition, type Run } from '../data/index.ts';
import { EmbeddedStream } from './embedded.ts';
import { followLog, type FollowOptions } from './follow.ts';

let folder: string;
let runs: RandomRuns;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-follow-'));
  runs = new RandomRuns(new Random(11));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (): Promise<EmbeddedStream> => EmbeddedStream.open(folder, 'shop', { segmentBytesMax: 2000, memoryBytesMax: 2000 });
const changes = (all: readonly Run[]): unknown[] => all.filter((run) => run.transactions.length > 0).map(plainRun);

async function collect(options: Partial<FollowOptions> = {}): Promise<Run[]> {
  const found: Run[] = [];
  for await (const run of followLog(folder, { from: 'start', follow: false, signal: new AbortController().signal, ...options })) found.push(run);
  return found;
}

test('sees everything that was written, over many segments, and from a position only what lies behind it', async () => {
  const stream = await open();
  await stream.reset(runs.position);
  const written: Run[] = [];
  for (let i = 0; i < 60; i++) {
    const run = runs.next();
    stream.append(run);
    written.push(run);
  }
  await stream.close();
  assert.ok(readdirSync(folder).length > 2, 'the test wants several segments');
  assert.deepEqual(changes(await collect()), changes(written));
  const middle = written.findIndex((run, i) => i > 25 && !run.open);
  const behind = (written[middle] as Run).position;
  assert.deepEqual(changes(await collect({ from: behind })), changes(written.slice(middle + 1)));
  await assert.rejects(collect({ from: asPosition(0n) }), { code: 'POSITION_GAP' });
});

test('follows a writer that is at work, a restart with a torn end included', async () => {
  const stream = await open();
  await stream.reset(runs.position);
  const written: Run[] = [];
  const write = (to: EmbeddedStream, count: number): void => {
    for (let i = 0; i < count; i++) {
      const run = runs.next();
      to.append(run);
      written.push(run);
    }
  };
  const stop = new AbortController();
  const found: Run[] = [];
  const following = (async () => {
    for await (const run of followLog(folder, { from: 'start', follow: true, signal: stop.signal })) found.push(run);
  })();
  write(stream, 20);
  await stream.sync();
  await new Promise((resolve) => setTimeout(resolve, 150));
  await stream.close();
  const newest = join(folder, readdirSync(folder).filter((file) => file.endsWith('.log')).sort().at(-1) as string);
  const { size } = statSync(newest);
  appendFileSync(newest, Buffer.from([0, 0, 0, 90, 1, 2, 3, 4, 5]));
  await new Promise((resolve) => setTimeout(resolve, 150));
  truncateSync(newest, size);
  const again = await open();
  write(again, 20);
  await again.close();
  for (let i = 0; i < 600 && changes(found).length < changes(written).length; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  stop.abort();
  await following;
  assert.deepEqual(changes(found), changes(written));
});

test('from now on: nothing old, everything new', async () => {
  const stream = await open();
  await stream.reset(runs.position);
  for (let i = 0; i < 10; i++) stream.append(runs.next());
  await stream.sync();
  const stop = new AbortController();
  const found: Run[] = [];
  const following = (async () => {
    for await (const run of followLog(folder, { from: 'now', follow: true, signal: stop.signal })) found.push(run);
  })();
  // Now is when the reader has opened the log: the first of these may lie before it.
  const fresh: Run[] = [];
  const write = async (): Promise<void> => {
    stream.append((fresh[fresh.length] = runs.next()));
    await stream.sync();
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  for (let i = 0; i < 600 && found.length === 0; i++) await write();
  for (let i = 0; i < 5; i++) await write();
  await stream.close();
  for (let i = 0; i < 600 && found.at(-1)?.position !== fresh.at(-1)?.position; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  stop.abort();
  await following;
  assert.ok(found.length > 0);
  assert.deepEqual(changes(found), changes(fresh).slice(-changes(found).length));
});
