// The type tests in test/types: what must not compile stands there after @ts-expect-error, so one tsc run proves both directions.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('wrong tables, columns, enum values, computations on Unchanged and foreign keys do not compile', () => {
  const tsc = spawnSync(resolve(root, 'node_modules/.bin/tsc'), ['-p', resolve(root, 'test/types/tsconfig.json')], { encoding: 'utf8' });
  assert.equal(tsc.stdout + tsc.stderr, '');
  assert.equal(tsc.status, 0);
});

test('the type tests still have their wrong lines', () => {
  const text = readFileSync(resolve(root, 'test/types/api.ts'), 'utf8');
  assert.ok((text.match(/@ts-expect-error/g) ?? []).length >= 21);
});
