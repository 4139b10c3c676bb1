// The embedded stream against a plain array: random lives of a log, and every way a file can be cut or damaged.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { plainRun, RandomRuns } from '../../test/support/random-run.ts';
import { Random } from '../base/index.ts';
import type { Position, Run } from '../data/index.ts';
import { EmbeddedStream } from './embedded.ts';
import { readAll } from './stream.contract.ts';
import { AbandonedTransaction, type StreamReader } from './stream.ts';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-log-'))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const seeds = fc.nat(0xffff_ffff);

/** Only what a consumer may keep: whole transactions, by xid. Parts are joined, progress is nothing. */
class Consumer {
  readonly xids: number[] = [];
  #kept = 0;
  readonly reader: StreamReader;

  constructor(reader: StreamReader) {
    this.reader = reader;
  }

  /** Takes one run; false when none is there. */
  async step(): Promise<boolean> {
    let run: Run | undefined;
    try {
      run = await this.reader.next(false);
    } catch (thrown) {
      if (!(thrown instanceof AbandonedTransaction)) throw thrown;
      this.xids.length = this.#kept;
      return true;
    }
    if (!run) return false;
    for (const { xid } of run.transactions) if (this.xids.at(-1) !== xid) this.xids.push(xid);
    if (!run.open) this.#kept = this.xids.length;
    return true;
  }

  whole(): number[] {
    return this.xids.slice(0, this.#kept);
  }
}

test('random lives: every reader sees what a plain array holds', async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = new Random(seed);
      const runs = new RandomRuns(random);
      const place = join(folder, String(seed));
      const options = { segmentBytesMax: random.between(500, 4000), memoryBytesMax: random.between(0, 6000) };
      let stream = await EmbeddedStream.open(place, 'shop', options);
      const start = runs.position;
      await stream.reset(start);
      const truth: { xid: number; end: Position }[] = [];
      let open: Run[] = [];
      let consumers: { consumer: Consumer; from: Position }[] = [];
      const expected = (from: Position): number[] => truth.filter(({ end }) => end > from).map(({ xid }) => xid);
      const commit = (run: Run): void => {
        const ends = new Map<number, Position>();
        for (const part of [...open, run]) for (const { xid, end } of part.transactions) ends.set(xid, end);
        for (const [xid, end] of ends) truth.push({ xid, end });
        open = [];
      };
      for (let step = 0; step < 120; step++) {
        const what = random.next();
        if (what < 0.45) {
          const run = runs.next({ open: random.chance(0.25) });
          stream.append(run);
          if (run.open) open.push(run);
          else commit(run);
        } else if (what < 0.5 && open.length === 0) stream.append(runs.progress());
        else if (what < 0.55) {
          stream.abandonOpen();
          open = [];
          runs.restart(stream.end!);
        } else if (what < 0.6) await stream.sync();
        else if (what < 0.68) {
          const places = [start, stream.end!, ...truth.map(({ end }) => end)];
          const from = random.pick(places);
          consumers.push({ consumer: new Consumer(stream.read(from)), from });
        } else if (what < 0.7) {
          await stream.close();
          stream = await EmbeddedStream.open(place, 'shop', options);
          consumers = [];
          open = [];
          runs.restart(stream.end!);
        } else if (consumers.length > 0) await random.pick(consumers).consumer.step();
      }
      for (const { consumer, from } of [...consumers, { consumer: new Consumer(stream.read(start)), from: start }]) {
        while (await consumer.step());
        assert.deepEqual(consumer.whole(), expected(from));
      }
      await stream.close();
    }),
    { numRuns: 15 },
  );
});

/** Fills one segment; what a reader must find, as plain data. */
async function fill(random: Random, count: number, place: string): Promise<unknown[]> {
  const runs = new RandomRuns(random, { start: 0n, rowBytesMax: 10 });
  const stream = await EmbeddedStream.open(place, 'shop');
  await stream.reset(runs.position);
  const plain: unknown[] = [];
  for (let i = 0; i < count; i++) {
    const run = runs.next({ transactions: 1 });
    stream.append(run);
    plain.push(plainRun(run));
  }
  await stream.close();
  return plain;
}

/** Opens what is there and checks that it is a prefix. Returns its length. */
async function countOf(plain: unknown[], place: string): Promise<number> {
  const stream = await EmbeddedStream.open(place, 'shop');
  const found = stream.start === undefined ? [] : (await readAll(stream.read(stream.start))).map(plainRun);
  await stream.close();
  assert.deepEqual(found, plain.slice(0, found.length));
  return found.length;
}

/** Opens what is there, checks that it is a prefix, and that appending to it and opening it again works. Returns its length. */
async function prefixOf(plain: unknown[], place: string, seed: number): Promise<number> {
  const stream = await EmbeddedStream.open(place, 'shop');
  if (stream.start === undefined) {
    await stream.close();
    return 0;
  }
  const found = (await readAll(stream.read(stream.start))).map(plainRun);
  assert.deepEqual(found, plain.slice(0, found.length));
  const more = new RandomRuns(new Random(seed), { start: stream.end! });
  const run = more.next();
  stream.append(run);
  await stream.close();
  const again = await EmbeddedStream.open(place, 'shop');
  assert.deepEqual((await readAll(again.read(again.start!))).map(plainRun), [...found, plainRun(run)]);
  await again.close();
  return found.length;
}

test('the newest file cut at every byte: a prefix, and it grows with the bytes', async () => {
  const place = join(folder, 'whole');
  const plain = await fill(new Random(13), 3, place);
  const [file] = (await readdir(place)) as [string];
  const { length } = await readFile(join(place, file));
  const cutAt = async (size: number): Promise<number> => {
    const copy = join(folder, `cut-${size}`);
    await cp(place, copy, { recursive: true });
    await truncate(join(copy, file), size);
    // Appending afterwards costs several syncs of the disk, so not at every byte.
    const found = size % 40 === 0 ? await prefixOf(plain, copy, size) : await countOf(plain, copy);
    assert.deepEqual((await readdir(copy)).filter((name) => name.endsWith('.quarantine')), [], 'a cut is not damage');
    await rm(copy, { recursive: true });
    return found;
  };
  let before = 0;
  for (let size = 0; size <= length; size += 16) {
    const sizes = Array.from({ length: Math.min(16, length + 1 - size) }, (_, i) => size + i);
    for (const found of await Promise.all(sizes.map(cutAt))) {
      assert.ok(found >= before, `cut near ${size}: ${found} runs, ${before} with a byte less`);
      before = found;
    }
  }
  assert.equal(before, plain.length);
});

test('flipped bits: a prefix, never a wrong run', async () => {
  const place = join(folder, 'whole');
  const plain = await fill(new Random(12), 30, place);
  const [file] = (await readdir(place)) as [string];
  const bytes = await readFile(join(place, file));
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const random = new Random(seed);
      const damaged = Buffer.from(bytes);
      for (let flips = random.between(1, 3); flips > 0; flips--) {
        const at = random.below(damaged.length);
        damaged[at] = (damaged[at] as number) ^ (1 << random.below(8));
      }
      const copy = join(folder, String(seed));
      await cp(place, copy, { recursive: true });
      await writeFile(join(copy, file), damaged);
      try {
        assert.ok((await prefixOf(plain, copy, seed)) < plain.length || damaged.equals(bytes));
      } catch (thrown) {
        // A flip in the version reads as a newer release, which must not be touched.
        if ((thrown as { code?: string }).code !== 'LOG_VERSION') throw thrown;
      }
      await rm(copy, { recursive: true });
    }),
    { numRuns: 150 },
  );
});
