// The bucket on a clock of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from './token-bucket.ts';

test('what several take together keeps to the rate, and idle time is not saved up', async () => {
  let nowMs = 1000;
  const waits: number[] = [];
  const bucket = new TokenBucket(100, {
    now: () => nowMs, monotonic: () => nowMs,
    sleep: (ms) => (waits.push(ms), Promise.resolve()),
  });
  await bucket.take(50);
  await bucket.take(50);
  nowMs += 5000;
  await bucket.take(10);
  assert.deepEqual(waits, [500, 1000, 100]);
});
