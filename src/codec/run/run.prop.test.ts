import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainRun, RandomRuns } from '../../../test/support/random-run.ts';
import { MillraceError, Random } from '../../base/index.ts';
import { type Run, runAfter } from '../../data/index.ts';
import { decodeRun, RelationCache } from './decode.ts';
import { encodeRun } from './encode.ts';

const seeds = fc.nat(0xffff_ffff);
const frameOf = (run: Run): Buffer => Buffer.concat(encodeRun(run));

test('a run comes back as it was, also cut in the middle', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new Random(seed);
      const runs = new RandomRuns(random);
      const cache = new RelationCache();
      for (let i = 0; i < 10; i++) {
        const run = random.chance(0.1) ? runs.progress() : runs.next({ open: random.chance(0.2) });
        assert.deepEqual(plainRun(decodeRun(frameOf(run), cache)), plainRun(run));
        const cut = run.transactions.length > 1 ? runAfter(run, random.pick(run.transactions.slice(0, -1)).end) : undefined;
        if (cut) assert.deepEqual(plainRun(decodeRun(frameOf(cut), cache)), plainRun(cut));
      }
    }),
    { numRuns: 100 },
  );
});

test('row bytes are copied neither way, and equal versions are one relation', () => {
  const runs = new RandomRuns(new Random(1));
  let run = runs.next();
  while (run.batches.length === 0) run = runs.next();
  const block = run.batches[0]!.after.bytes;
  assert.ok(encodeRun(run).some((chunk) => chunk.buffer === block.buffer));
  const frame = frameOf(run);
  const cache = new RelationCache();
  const [one, two] = [decodeRun(frame, cache), decodeRun(frame, cache)];
  assert.equal(one.batches[0]!.after.bytes.buffer, frame.buffer);
  assert.equal(one.batches[0]!.relation, two.batches[0]!.relation);
});

test('damaged bytes give LOG_CORRUPT or another run, never anything else', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new Random(seed);
      const runs = new RandomRuns(random);
      const frame = frameOf(runs.next());
      for (let i = 0; i < 30; i++) {
        const damaged = Buffer.from(random.chance(0.3) ? frame.subarray(0, random.below(frame.length)) : frame);
        for (let flips = random.between(1, 3); flips > 0 && damaged.length > 0; flips--) {
          const at = random.below(damaged.length);
          damaged[at] = random.chance(0.5) ? 0xff : (damaged[at] as number) ^ (1 << random.below(8));
        }
        try {
          decodeRun(damaged, new RelationCache());
        } catch (thrown) {
          assert.ok(thrown instanceof MillraceError && (thrown.code === 'LOG_CORRUPT' || thrown.code === 'LOG_VERSION'), String(thrown));
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('every shortened frame is refused', () => {
  const frame = frameOf(new RandomRuns(new Random(9)).next());
  for (let length = 0; length < frame.length; length++) {
    assert.throws(() => decodeRun(frame.subarray(0, length), new RelationCache()), { code: 'LOG_CORRUPT' });
  }
});
