// What is left of the line of keys, against a count of every number in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyFromText, keyToText, type KeyRange, rangesLeft } from './key-range.ts';

const holds = ({ from, to }: KeyRange, key: bigint): boolean => (from === undefined || key >= from) && (to === undefined || key < to);

test('every key is in one range: one that is done, or one that is left', () => {
  const numbers = fc.uniqueArray(fc.bigInt(0n, 30n), { maxLength: 8 }).map((all) => all.sort((a, b) => (a < b ? -1 : 1)));
  fc.assert(fc.property(numbers, numbers, fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), (cuts, bounds, done) => {
    const whole = [undefined, ...cuts].map((from, i): KeyRange => ({ from, to: cuts[i] }));
    const ranges = whole.filter((_, i) => done[i]);
    const left = rangesLeft(ranges.toReversed(), bounds);
    for (let key = -1n; key <= 31n; key++) assert.equal([...ranges, ...left].filter((range) => holds(range, key)).length, 1, String(key));
    for (const { from, to } of left) assert.ok(!bounds.some((bound) => (from === undefined || bound > from) && (to === undefined || bound < to)));
  }));
});

test('keys are what the server writes', () => {
  assert.equal(keyToText(keyFromText('00112233-4455-6677-8899-aabbccddeeff', 'uuid'), 'uuid'), '00112233-4455-6677-8899-aabbccddeeff');
  assert.equal(keyToText(keyFromText('-42', 'int8'), 'int8'), '-42');
});
