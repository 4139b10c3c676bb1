import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pace } from './pace.ts';

/** Messages of a step: one a millisecond, with `gapMs` of silence in the middle. Returns when the last one was sent. */
function step(pace: Pace, fromUs: number, gapMs: number, ageMs: number, bytes = 1000): number {
  let us = fromUs;
  for (let i = 0; i < 10; i++) {
    us += i === 5 ? gapMs * 1000 : 1000;
    pace.sent(us >>> 0, bytes);
  }
  pace.age(ageMs);
  return us;
}

describe('the pace of a stream', () => {
  it('does not rest while changes come at once', () => {
    const pace = new Pace();
    step(pace, 0, 1, 3);
    assert.equal(pace.restMs(), 0);
  });

  it('rests by a tenth of the age, within bounds', () => {
    for (const [ageMs, restMs] of [[21, 2.1], [200, 20], [90_000, 40]] as const) {
      const pace = new Pace();
      step(pace, 0, 1, ageMs);
      assert.equal(pace.restMs(), restMs);
    }
  });

  it('rests less where the server had to stand still, and more again when it has not', () => {
    const pace = new Pace();
    let us = step(pace, 0, 1, 10_000);
    pace.restMs();
    const rests = [30, 30, 1, 1].map((gapMs) => {
      us = step(pace, us, gapMs, 10_000);
      return pace.restMs();
    });
    assert.deepEqual(rests, [20, 10, 20, 40]);
  });

  it('is not misled by a server that stood still for another reason: then the buffers were not full', () => {
    const pace = new Pace();
    let us = step(pace, 0, 1, 10_000);
    pace.restMs();
    const rests = [500, 500, 500, 500].map((bytes) => {
      us = step(pace, us, 30, 10_000, bytes);
      return pace.restMs();
    });
    // When no read has brought more for a while, that is all they hold.
    assert.deepEqual(rests, [40, 40, 40, 20]);
  });

  it('knows times that pass the end of 32 bits', () => {
    const pace = new Pace();
    step(pace, 2 ** 32 - 5000, 1, 10_000);
    assert.equal(pace.restMs(), 40);
  });
});
