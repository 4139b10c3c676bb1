// The house is tidy: floors, doors, circles, dead files, sizes, error codes, crash points, no names of places. And the rules themselves work.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { catalogue, crashPoints, metricSpecs } from '../src/base/index.ts';
import { importsOf, type SourceFile } from './tidy/imports.ts';
import { crashPointCalls, deadFiles, errorCodes, importCircles, layering, linesMax, metricsReported, places, sizes, unusedExports, type Violation } from './tidy/rules.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Codes that are promised in the catalogue and not thrown yet, with the reason. */
const reserved: Record<string, string> = {};

/** What git knows; without git (an unpacked archive) what lies in the folders. */
function committed(): SourceFile[] {
  const names = existsSync(join(root, '.git'))
    ? execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')
    : ['src', 'test', 'bench', 'scripts', 'examples', 'docs'].flatMap((folder) =>
        existsSync(join(root, folder)) ? (readdirSync(join(root, folder), { recursive: true }) as string[]).map((name) => `${folder}/${name}`) : [],
      );
  return names
    .filter((path) => /\.(ts|js|json|md|ya?ml|sh|sql)$/.test(path) && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** This checkout and what lies beside it. */
function workplace(): string[] {
  const parent = dirname(root);
  return parent === dirname(parent) ? [root] : [root, ...readdirSync(parent).map((name) => join(parent, name))];
}

const say = (found: readonly Violation[]): string => found.map(({ rule, path, message }) => `${rule}: ${path}: ${message}`).join('\n');

describe('the house', () => {
  const files = committed();
  const rules: Record<string, () => Violation[]> = {
    'imports go downstairs and through doors': () => layering(files),
    'no imports in a circle': () => importCircles(files),
    'no dead files': () => deadFiles(files),
    'what is exported is used': () => unusedExports(files),
    'files are short': () => sizes(files),
    'the catalogue has the errors that are thrown': () => errorCodes(files, Object.keys(catalogue), reserved),
    'metrics are reported': () => metricsReported(files, Object.keys(metricSpecs)),
    'crash points are passed': () => crashPointCalls(files, crashPoints),
    'nothing names the place it was made at': () => places(files, workplace()),
  };
  test('is there', () => assert.ok(files.filter(({ path }) => path.startsWith('src/')).length > 50));
  for (const [name, rule] of Object.entries(rules)) test(name, () => assert.equal(say(rule()), ''));
});

describe('a planted violation is caught', () => {
  const file = (path: string, text = ''): SourceFile => ({ path, text });
  const clean = [
    file('src/base/index.ts', "export { assert } from './assert.ts';\n"),
    file('src/base/assert.ts', "/** import { x } from '../cli/index.ts' */\n// import '../bus/index.ts';\nexport const assert = 1;\n"),
    file('src/bus/index.ts', "export {\n  type A,\n  b,\n} from './b.ts';\n"),
    file('src/bus/b.ts', "import { assert } from '../base/index.ts';\nexport type A = import('./a.ts').A;\nexport const b = assert;\n"),
    file('src/bus/a.ts', 'export type A = 1;\n'),
    file('src/bus/b.test.ts', "import { assert } from '../base/assert.ts';\n"),
  ];
  const plant = (path: string, text: string): SourceFile[] => [...clean.filter((one) => one.path !== path), file(path, text)];
  const only = (found: readonly Violation[], rule: Violation['rule']): void => assert.deepEqual([...new Set(found.map((one) => one.rule))], [rule], say(found));

  test('and a clean house is not', () => assert.equal(say([...layering(clean), ...importCircles(clean), ...deadFiles(clean), ...sizes(clean)]), ''));
  test('every form of import is seen', () => {
    const text = [
      "import a from './a.ts';", "import type { B } from './b.ts';", "import {\n  c,\n  type D,\n} from './c.ts';", "import * as e from './e.ts';",
      "import './f.ts';", "export * from './g.ts';", "export type { H } from '../h/index.ts';", "const i = await import('./i.ts');",
      "type J = import('./j.ts').J;", "import { z } from 'zod';",
    ].join('\n');
    const found = importsOf(file('src/x/y.ts', text)).sort();
    assert.deepEqual(found, ['src/h/index.ts', ...['a', 'b', 'c', 'e', 'f', 'g', 'i', 'j'].map((name) => `src/x/${name}.ts`)]);
  });
  test('upstairs', () => only(layering(plant('src/base/assert.ts', "import type { A } from '../bus/index.ts';\n")), 'floor'));
  test('upstairs, dynamically', () => only(layering(plant('src/base/assert.ts', "const x = await import('../bus/index.ts');\n")), 'floor'));
  test('a room without a floor', () => only(layering(plant('src/attic/index.ts', '')), 'floor'));
  test('the roof from below', () => only(layering([...plant('src/bus/a.ts', "import '../index.ts';\n"), file('src/index.ts')]), 'floor'));
  test('a neighbour', () => only(layering([...plant('src/codec/index.ts', "import '../expr/index.ts';\n"), file('src/expr/index.ts')]), 'neighbour'));
  test('through the wall', () => only(layering(plant('src/bus/b.ts', "import { assert } from '../base/assert.ts';\n")), 'door'));
  test('out of the own door and in again', () => only(layering(plant('src/bus/a.ts', "import { b } from './index.ts';\n")), 'door'));
  test('into the tests', () => only(layering([...plant('src/bus/a.ts', "import '../../test/x.ts';\n"), file('test/x.ts')]), 'target'));
  test('a file that is not there', () => only(layering(plant('src/bus/a.ts', "import './gone.ts';\n")), 'target'));
  test('a circle of types', () => only(importCircles(plant('src/bus/a.ts', "import type { b } from './b.ts';\n")), 'circle'));
  test('a circle of three, and one of one', () => {
    const three = [file('src/bus/x.ts', "import './y.ts';\n"), file('src/bus/y.ts', "import './z.ts';\n"), file('src/bus/z.ts', "import './x.ts';\n")];
    assert.equal(importCircles([...three, file('src/bus/self.ts', "import './self.ts';\n")]).length, 2);
  });
  test('a dead file', () => only(deadFiles(plant('src/bus/unused.ts', "import './unused.ts';\n")), 'dead'));
  test('an export that nobody takes', () => {
    const house = (taker: string): SourceFile[] => [file('src/base/index.ts', "export { a, type B } from './a.ts';\n"), file('src/base/a.ts', 'export const a = 1;\nexport type B = 1;\n'), file('src/bus/x.ts', taker)];
    assert.equal(say(unusedExports(house("import { a } from '../base/index.ts';\nexport type { B } from '../base/index.ts';\n")).filter(({ path }) => path !== 'src/bus/x.ts')), '');
    assert.equal(say(unusedExports(house("const { a } = await import('../base/index.ts');\ntype C = import('../base/index.ts').B;\n"))), '');
    assert.equal(say(unusedExports(house("import * as base from '../base/index.ts';\n"))), '');
    only(unusedExports(house("import { a } from '../base/index.ts';\n")), 'unused');
    only(unusedExports(house("import { type B } from '../base/index.ts';\n")), 'unused');
    only(unusedExports([file('src/base/a.ts', 'export function lost(): void {}\n')]), 'unused');
  });
  test('a long file', () => {
    const long = 'x;\n'.repeat(linesMax + 1);
    only(sizes(plant('src/bus/a.ts', long)).filter(({ path }) => path !== 'src'), 'size');
    assert.equal(say(sizes(plant('src/bus/a.ts', `// A table.\n// Long because it is one table.\n${long}`)).filter(({ path }) => path !== 'src')), '');
  });
  test('many files near the limit', () => only(sizes(Array.from({ length: 20 }, (_, i) => file(`src/bus/f${i}.ts`, 'x;\n'.repeat(450)))), 'size'));
  test('an error that is not declared, one never thrown, one reserved and thrown', () => {
    const thrower = plant('src/bus/a.ts', "throw new MillraceError('KNOWN', `x`);\n");
    assert.equal(say(errorCodes(thrower, ['KNOWN', 'LATER'], { LATER: 'with Kafka' })), '');
    only(errorCodes(thrower, [], {}), 'error-code');
    only(errorCodes(thrower, ['KNOWN', 'NEVER'], {}), 'error-code');
    only(errorCodes(thrower, ['KNOWN'], { KNOWN: 'with Kafka' }), 'error-code');
  });
  test('a metric that is never reported', () => {
    const reporter = plant('src/bus/a.ts', "metrics.add('rows', { source });\n");
    assert.equal(say(metricsReported(reporter, ['rows'])), '');
    only(metricsReported(reporter, ['rows', 'bytes']), 'metric');
  });
  test('a crash point that is not declared, one never passed', () => {
    const passer = plant('src/bus/a.ts', "crashPoint('log.x');\n");
    assert.equal(say(crashPointCalls(passer, ['log.x'])), '');
    only(crashPointCalls(passer, []), 'crash-point');
    only(crashPointCalls(passer, ['log.x', 'log.y']), 'crash-point');
  });
  test('a place', () => {
    only(places(plant('docs/x.md', 'see /home/me/millrace/src\n'), ['/home/me/millrace']), 'place');
    assert.equal(say(places(plant('docs/x.md', 'see ../home/me/millrace2 and a/home/me/millrace\n'), ['/home/me/millrace'])), '');
  });
});
