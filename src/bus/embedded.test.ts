import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { plainRun, RandomRuns } from '../../test/support/random-run.ts';
import { type Clock, Random, systemClock } from '../base/index.ts';
import { type Position, runBytes } from '../data/index.ts';
import { EmbeddedStream, type EmbeddedOptions } from './embedded.ts';
import type { Quarantined } from './log/scan.ts';
import { readAll, streamContract } from './stream.contract.ts';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-log-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

streamContract('EmbeddedStream', async () => {
  const place = await mkdtemp(join(tmpdir(), 'millrace-log-'));
  return { open: (limits) => EmbeddedStream.open(place, 'shop', limits), remove: () => rm(place, { recursive: true, force: true }) };
});

const small: EmbeddedOptions = { segmentBytesMax: 3000 };

/** A log of 100 runs in several segments; what was appended, as plain data. */
async function fill(): Promise<{ runs: RandomRuns; plain: unknown[] }> {
  const runs = new RandomRuns(new Random(3), { start: 0n });
  const stream = await EmbeddedStream.open(folder, 'shop', small);
  await stream.reset(runs.position);
  const plain: unknown[] = [];
  for (let i = 0; i < 100; i++) {
    const run = runs.next();
    stream.append(run);
    plain.push(plainRun(run));
  }
  await stream.close();
  return { runs, plain };
}

const segments = async (): Promise<string[]> => (await readdir(folder)).filter((file) => file.endsWith('.log')).sort();

test('hands the run objects themselves to readers near the end', async () => {
  const runs = new RandomRuns(new Random(1), { start: 0n });
  const stream = await EmbeddedStream.open(folder, 'shop');
  await stream.reset(runs.position);
  const run = runs.next();
  stream.append(run);
  const reader = stream.read(stream.start!);
  assert.equal(await reader.next(false), run);
  await stream.close();
});

test('a damaged record in the middle ends the log there; the rest is set aside, and appending goes on', async () => {
  const { plain, runs } = await fill();
  const files = await segments();
  assert.ok(files.length > 4);
  const victim = join(folder, files[2] as string);
  const bytes = await readFile(victim);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 0x10;
  await writeFile(victim, bytes);
  const told: Quarantined[] = [];
  const stream = await EmbeddedStream.open(folder, 'shop', { ...small, onQuarantine: (one) => told.push(one) });
  const found = (await readAll(stream.read(stream.start!))).map(plainRun);
  assert.ok(found.length > 0 && found.length < 100);
  assert.deepEqual(found, plain.slice(0, found.length));
  assert.equal(told.length, files.length - 2);
  assert.equal((await readdir(folder)).filter((file) => file.endsWith('.quarantine')).length, told.length);
  runs.restart(stream.end!);
  stream.append(runs.next());
  await stream.close();
  const again = await EmbeddedStream.open(folder, 'shop', { ...small, onQuarantine: () => assert.fail('the log is whole') });
  assert.equal((await readAll(again.read(again.start!))).length, found.length + 1);
  await again.close();
});

test('a missing segment is never bridged', async () => {
  const { plain } = await fill();
  await rm(join(folder, (await segments())[3] as string));
  const stream = await EmbeddedStream.open(folder, 'shop', small);
  const found = (await readAll(stream.read(stream.start!))).map(plainRun);
  assert.ok(found.length < 100);
  assert.deepEqual(found, plain.slice(0, found.length));
  await stream.close();
});

test('a newer format is refused and left alone', async () => {
  await fill();
  const file = join(folder, (await segments())[0] as string);
  const bytes = await readFile(file);
  bytes[9] = 2;
  await writeFile(file, bytes);
  await assert.rejects(EmbeddedStream.open(folder, 'shop'), { code: 'LOG_VERSION' });
  assert.deepEqual(await readFile(file), bytes);
});

test('the log of another source is not read', async () => {
  await fill();
  const stream = await EmbeddedStream.open(folder, 'warehouse');
  assert.equal(stream.start, undefined);
  await stream.close();
});

test('progress is on disk after close', async () => {
  const { runs } = await fill();
  const stream = await EmbeddedStream.open(folder, 'shop');
  stream.append(runs.progress());
  assert.ok(stream.durableEnd! < stream.end!);
  await stream.close();
  const again = await EmbeddedStream.open(folder, 'shop');
  assert.equal(again.end, runs.position);
  await again.close();
});

test('a record damaged while the log is in use is refused, and set aside by the next start', async () => {
  const { plain } = await fill();
  const stream = await EmbeddedStream.open(folder, 'shop', small);
  const victim = join(folder, (await segments())[1] as string);
  const bytes = await readFile(victim);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  await writeFile(victim, bytes);
  const reader = stream.read(stream.start!);
  let count = 0;
  const readOn = async (): Promise<void> => {
    for (;;) assert.deepEqual(plainRun((await reader.next(false))!), plain[count++]);
  };
  await assert.rejects(readOn(), { code: 'LOG_CORRUPT' });
  await stream.close();
  const again = await EmbeddedStream.open(folder, 'shop', small);
  assert.equal((await readAll(again.read(again.start!))).length, count);
  await again.close();
});

test('close gives up when the disk refuses, and what was durable stays', async () => {
  const runs = new RandomRuns(new Random(6), { start: 0n });
  const stream = await EmbeddedStream.open(folder, 'shop', { segmentBytesMax: 1 });
  await stream.reset(runs.position);
  stream.append(runs.next());
  await stream.sync();
  const durable = stream.durableEnd;
  await rename(folder, `${folder}-away`);
  stream.append(runs.next());
  await assert.rejects(stream.close(), { code: 'LOG_DISK' });
  await rename(`${folder}-away`, folder);
  const again = await EmbeddedStream.open(folder, 'shop');
  assert.equal(again.end, durable);
  await again.close();
});

test('durableEnd follows by itself, without a sync that was asked for', async () => {
  const runs = new RandomRuns(new Random(8), { start: 0n, rowBytesMax: 20_000 });
  const stream = await EmbeddedStream.open(folder, 'shop');
  await stream.reset(runs.position);
  for (let bytes = 0; bytes < 40 << 20; ) {
    const run = runs.next();
    bytes += runBytes(run);
    stream.append(run);
    await stream.ready();
  }
  while (stream.durableEnd === 0n) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(stream.durableEnd! <= stream.end!);
  await stream.close();
});

test('a disk that refuses holds the writer back and loses nothing', async () => {
  const runs = new RandomRuns(new Random(5), { start: 0n });
  const stream = await EmbeddedStream.open(folder, 'shop', { segmentBytesMax: 1, queueBytesMax: 1 });
  await stream.reset(runs.position);
  const appended = [runs.next(), runs.next()];
  stream.append(appended[0]!);
  await stream.sync();
  // The next segment cannot be made while the folder is away.
  await rm(folder, { recursive: true });
  stream.append(appended[1]!);
  stream.append(runs.next());
  let ready = false;
  const held = stream.ready().then(() => (ready = true));
  while (!stream.failure) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(stream.failure.code, 'LOG_DISK');
  assert.equal(ready, false);
  await mkdir(folder);
  await held;
  await stream.sync();
  assert.equal(stream.failure, undefined);
  assert.equal(stream.durableEnd, runs.position);
  await stream.close();
});

test('a writer far ahead of all readers is held until the foremost one follows, but not for ever', async () => {
  let holds = 0;
  let expire = (): void => undefined;
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, signal) => {
      if (ms !== 100) return systemClock.sleep(ms, signal);
      holds += 1;
      return new Promise((resolve) => {
        expire = resolve;
        signal?.addEventListener('abort', () => resolve());
      });
    },
  };
  const runs = new RandomRuns(new Random(7), { start: 0n });
  const stream = await EmbeddedStream.open(folder, 'shop', { aheadBytesMax: 1, clock });
  await stream.reset(runs.position);
  stream.append(runs.next());
  await stream.ready();
  assert.equal(holds, 0, 'nobody reads');
  const reader = stream.read(stream.end as Position);
  const standing = stream.read(stream.end as Position);
  stream.append(runs.next());
  stream.append(runs.next());
  const first = stream.ready();
  while (holds < 1) await new Promise(setImmediate);
  expire();
  await first;
  const second = stream.ready();
  while (holds < 2) await new Promise(setImmediate);
  await reader.next(false);
  await reader.next(false);
  await second;
  await stream.ready();
  assert.equal(holds, 2, 'one stands still, but the foremost has followed');
  standing.close();
  await stream.close();
});
