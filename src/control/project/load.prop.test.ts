// Whatever is done to a valid file, the loader gives a project or an error with diagnostics: it never fails in another way.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDiagnostic, ProjectError } from './diagnostic.ts';
import { loadProject } from './load.ts';
import { fullYaml, testEnv, withProject } from './testing.ts';

const lines = fullYaml.split('\n');
const fragments = fc.oneof(
  fc.constantFrom('${', '}', '${X}', '&a', '*a', '!!binary ', '<<: *a', '? ', '- ', '"', "'", '{', '[', ']', '|', '>', '#', '\t', '\n', ':', ': ', '__proto__: ', 'null', '\u0000', '\ufeff', '%YAML'),
  fc.constantFrom(...lines, ...fullYaml.split(/\s+/)),
  fc.string({ maxLength: 5, unit: 'binary' }),
);

/** Replaces a piece of the text, or moves a line. */
const mutation = fc.oneof(
  fc.record({ at: fc.nat(fullYaml.length), cut: fc.nat(12), put: fragments }).map(({ at, cut, put }) => (text: string) => text.slice(0, at) + put + text.slice(at + cut)),
  fc.record({ from: fc.nat(lines.length - 1), to: fc.nat(lines.length - 1), indent: fc.constantFrom('', '  ', '      ') }).map(({ from, to, indent }) => (text: string) => {
    const list = text.split('\n');
    const [line = ''] = list.splice(from % list.length, 1);
    list.splice(to % (list.length + 1), 0, indent + line);
    return list.join('\n');
  }),
);

test('a mutated file gives a project or diagnostics', async () => {
  await withProject({}, async (folder) => {
    let failures = 0;
    await fc.assert(fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 4 }), async (mutations) => {
      const text = mutations.reduce((before, change) => change(before), fullYaml);
      writeFileSync(join(folder, 'millrace.yaml'), text);
      try {
        await loadProject(folder, { env: testEnv });
      } catch (error) {
        failures += 1;
        assert.ok(error instanceof ProjectError, `${String(error)}\n${text}`);
        assert.ok(error.diagnostics.some((each) => each.severity === 'error'));
        for (const diagnostic of error.diagnostics) {
          assert.ok(formatDiagnostic(diagnostic).includes(': '));
          assert.equal(diagnostic.file, 'millrace.yaml');
          assert.ok(diagnostic.line !== undefined && diagnostic.line <= text.split('\n').length && (diagnostic.column ?? 0) >= 1, JSON.stringify(diagnostic));
        }
      }
    }), { numRuns: 300 });
    // A test whose mutations all pass, or all fail, would show nothing.
    assert.ok(failures > 60 && failures < 300, `${failures} failures`);
  });
});
