// The type tests in test/types: what must not compile stands there after @ts-expect-error, so one tsc run proves both directions.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('wrong tables, columns, enum values, computations on Unchanged and foreign keys do not compile', () => {
  const tsc = spawnSync(resolve(root, 'node_modules/.bin/tsc'), ['-p', resolve(root, 'test/types/tsconfig.json')], { encoding: 'utf8', cwd: root });
  // What is wrong elsewhere in src/ is for `npm run typecheck` to say.
  assert.equal(tsc.stdout.split('\n').filter((line) => /(^|\/)(test\/types\/|millrace\.d\.ts|api\.ts)/.test(line)).join('\n'), '');
  assert.ok(tsc.status === 0 || tsc.stdout.includes('error TS'), tsc.stderr);
});

test('the type tests still have their wrong lines', () => {
  const text = readFileSync(resolve(root, 'test/types/api.ts'), 'utf8');
  assert.ok((text.match(/@ts-expect-error/g) ?? []).length >= 21);
});
