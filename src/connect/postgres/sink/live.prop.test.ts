// Random changes of a few keys: what is left of them does to any table what all of them would.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fate, fatesOf, type KeyChange } from './live.ts';

type Step = KeyChange & { readonly value: string | undefined };

/** A row as its history: `+v` over what was there, or `v` alone. */
function run(table: ReadonlyMap<string, string>, steps: readonly Step[]): Map<string, string> {
  const rows = new Map(table);
  for (const { key, old, reads, value } of steps) {
    const base = rows.get((old ?? key) as string);
    if (old !== undefined) rows.delete(old);
    if (value === undefined) rows.delete(key as string);
    else rows.set(key as string, reads ? `${base}+${value}` : value);
  }
  return rows;
}

const left = (steps: readonly Step[], fates: readonly Fate[]): Step[] =>
  steps.flatMap((step, i) => {
    const fate = fates[i] as Fate;
    if (fate === 'dead') return [];
    if (fate === 'removal') return [{ key: step.old, old: undefined, reads: false, value: undefined }];
    return [fate === 'freed' ? { ...step, old: undefined } : step];
  });

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.record({ key, old: fc.option(key, { nil: undefined }), reads: fc.boolean(), deletes: fc.boolean() });
const steps = fc.array(step, { maxLength: 12 }).map((list) => list.map(({ deletes, ...each }, i): Step =>
  deletes ? { key: each.key, old: undefined, reads: false, value: undefined } : { ...each, value: String(i) }));
const table = fc.uniqueArray(key).map((keys) => new Map(keys.map((each) => [each, `was ${each}`])));

test('what is left of changes does what all of them do', () => {
  fc.assert(fc.property(table, steps, (before, all) => {
    assert.deepEqual(run(before, left(all, fatesOf(all))), run(before, all));
  }), { numRuns: 3000 });
});

test('of whole rows only the last one of a key is left; a part keeps what it reads', () => {
  const change = (at: string, old?: string, reads = false): KeyChange => ({ key: at, old, reads });
  assert.deepEqual(fatesOf([change('a'), change('a')]), ['dead', 'kept']);
  assert.deepEqual(fatesOf([change('a'), change('a', undefined, true)]), ['kept', 'kept']);
  assert.deepEqual(fatesOf([change('b', 'a'), change('a')]), ['freed', 'kept']);
  assert.deepEqual(fatesOf([change('b', 'a', true), change('a')]), ['kept', 'kept']);
  assert.deepEqual(fatesOf([change('b', 'a'), change('b')]), ['removal', 'kept']);
  assert.deepEqual(fatesOf([{ ...change('a'), key: undefined }, change('a')]), ['kept', 'kept']);
});
