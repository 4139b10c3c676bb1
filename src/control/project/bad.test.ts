// The files in bad/, each with exactly what is said about it beside it: NAME.yaml and NAME.txt. UPDATE=1 writes the texts anew, for review.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ProjectError } from './diagnostic.ts';
import { loadProject } from './load.ts';
import { testEnv, withProject } from './testing.ts';

const folder = new URL('./bad/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -'.yaml'.length));

for (const name of names) {
  test(`what is said about ${name}.yaml`, async () => {
    const said = await withProject({ 'millrace.yaml': readFileSync(new URL(`${name}.yaml`, folder), 'utf8') }, async (project) => {
      const error: unknown = await loadProject(project, { env: testEnv }).then(() => undefined, (thrown: unknown) => thrown);
      assert.ok(error instanceof ProjectError, String(error));
      return `${error.code}: ${error.message}\n${error.detail}\n`;
    });
    const expected = new URL(`${name}.txt`, folder);
    if (process.env['UPDATE']) writeFileSync(expected, said);
    assert.equal(said, readFileSync(expected, 'utf8'));
  });
}

test('no password of a file is shown', () => {
  for (const name of names) assert.ok(!readFileSync(new URL(`${name}.txt`, folder), 'utf8').includes('secret'));
});
