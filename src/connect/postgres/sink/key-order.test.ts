import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../base/index.ts';
import type { Fold } from './fold.ts';
import { nearKeyOrder } from './key-order.ts';

/** As much of a fold as has keys. */
function keysOf(fields: readonly Buffer[]): Fold {
  const out = new ByteWriter(16);
  const ends = [0];
  for (const field of fields) ends.push(out.i16(1).i32(field.length).bytes(field).length);
  return { keyBytes: out.view(), keyStart: (entry: number) => ends[entry], keyEnd: (entry: number) => ends[entry + 1] } as unknown as Fold;
}

const int8 = (value: bigint): Buffer => new ByteWriter(8).i64(value).take();

test('what comes out are the entries that went in, whatever the keys are', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 12 })), (keys) => {
      const entries = keys.map((_, i) => i);
      assert.deepEqual([...nearKeyOrder(keysOf(keys.map((key) => Buffer.from(key))), entries)].sort((a, b) => a - b), entries);
    }),
  );
});

test('integers that lie evenly come out in order, and what is in order is handed back', () => {
  const values = Array.from({ length: 1000 }, (_, i) => BigInt((i * 7919) % 1000) * 50n - 20_000n);
  const fold = keysOf(values.map(int8));
  const ordered = nearKeyOrder(fold, values.map((_, i) => i));
  assert.deepEqual(ordered.map((entry) => values[entry]), [...values].sort((a, b) => Number(a - b)));
  assert.equal(nearKeyOrder(fold, ordered), ordered);
});

test('most texts come out in order', () => {
  const values = Array.from({ length: 1000 }, (_, i) => String((i * 7919) % 1000).padStart(3, '0'));
  const ordered = nearKeyOrder(keysOf(values.map((value) => Buffer.from(value))), values.map((_, i) => i)).map((entry) => values[entry] as string);
  const late = ordered.filter((value, i) => i > 0 && value < (ordered[i - 1] as string)).length;
  assert.ok(late < 500, `${late} of 1000 stand behind a greater one`);
});

test('one key, equal keys', () => {
  const fold = keysOf([int8(5n), int8(5n), int8(5n)]);
  assert.deepEqual(nearKeyOrder(fold, [2]), [2]);
  assert.deepEqual(nearKeyOrder(fold, [2, 0, 1]), [2, 0, 1]);
});
