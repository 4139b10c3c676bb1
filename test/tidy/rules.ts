// The rules of the house, over files that are given: real ones, or planted ones that each rule must catch.
import { circles, importsOf, namesImported, type SourceFile } from './imports.ts';

export interface Violation {
  readonly rule: 'floor' | 'neighbour' | 'door' | 'target' | 'circle' | 'dead' | 'unused' | 'size' | 'error-code' | 'metric' | 'crash-point' | 'place';
  readonly path: string;
  readonly message: string;
}

/** Rooms from the ground up; rooms of one floor never import each other. */
export const floors: readonly (readonly string[])[] = [
  ['base'], ['data'], ['codec', 'expr'], ['wire'], ['bus'], ['flow'], ['sql', 'remap', 'connect'], ['capture', 'replica', 'hook', 'router'],
  ['control'], ['serve'], ['cli'],
];

export const linesMax = 500;
const linesP95Max = 250;

/** Files that run or are read by name, not by import. */
const entrances = [/^src\/index\.ts$/, /^src\/[^/]+\/index\.ts$/, /^src\/cli\/main\.ts$/];
const isTest = (path: string): boolean => /\.(test|contract)\.ts$/.test(path);
const isSource = (path: string): boolean => /^src\/.*\.ts$/.test(path) && !isTest(path);

const roomOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1];
const floorOf = (room: string): number => floors.findIndex((floor) => floor.includes(room));

/** Who may import whom. */
export function layering(files: readonly SourceFile[]): Violation[] {
  const known = new Set(files.map((file) => file.path));
  const found: Violation[] = [];
  for (const file of files.filter(({ path }) => isSource(path))) {
    const own = roomOf(file.path);
    if (own !== undefined && floorOf(own) < 0) found.push({ rule: 'floor', path: file.path, message: `the room ${own} has no floor` });
    for (const target of importsOf(file)) {
      const say = (rule: Violation['rule'], message: string): void => void found.push({ rule, path: file.path, message: `${target}: ${message}` });
      if (!target.startsWith('src/')) say('target', 'lies outside src, so it is not published');
      else if (!known.has(target)) say('target', 'is no file');
      const room = roomOf(target);
      if (room === own) {
        if (own !== undefined && target === `src/${own}/index.ts`) say('door', 'a file of the room goes out and in again; import the file itself');
        continue;
      }
      if (room === undefined) {
        if (target.startsWith('src/')) say('floor', 'the roof is imported from below');
        continue;
      }
      if (target !== `src/${room}/index.ts`) say('door', `is behind the door of ${room}`);
      if (own === undefined) continue;
      if (floorOf(room) === floorOf(own)) say('neighbour', `${own} and ${room} are neighbours`);
      else if (floorOf(room) > floorOf(own)) say('floor', `${room} is upstairs of ${own}`);
    }
  }
  return found;
}

export function importCircles(files: readonly SourceFile[]): Violation[] {
  const graph = new Map(files.filter(({ path }) => isSource(path)).map((file) => [file.path, importsOf(file)]));
  return circles(graph).map((group) => ({ rule: 'circle', path: group[0] as string, message: `imports in a circle: ${group.join(', ')}` }));
}

/** Files of src that nothing imports. Importers may be tests, scripts and examples too. */
export function deadFiles(files: readonly SourceFile[]): Violation[] {
  const imported = new Set(files.flatMap((file) => importsOf(file).filter((target) => target !== file.path)));
  return files
    .filter(({ path }) => isSource(path) && !imported.has(path) && !entrances.some((entrance) => entrance.test(path)))
    .map(({ path }) => ({ rule: 'dead', path, message: 'nothing imports it' }));
}

/** What a file exports and nobody takes: values of any file, types too at a door. The roof's door is for others. */
export function unusedExports(files: readonly SourceFile[]): Violation[] {
  const taken = new Map<string, Set<string>>();
  for (const file of files.filter(({ path }) => path.endsWith('.ts'))) {
    for (const [target, names] of namesImported(file)) taken.set(target, new Set([...(taken.get(target) ?? []), ...names]));
  }
  return files.filter(({ path }) => isSource(path) && path !== 'src/index.ts').flatMap(({ path, text }) => {
    const values = [...text.matchAll(/^export (?:async )?(?:const|let|class|function\*?) (\w+)/gm)].map(([, name]) => name as string);
    const passedOn = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)]
      .flatMap(([, names]) => (names as string).split(','))
      .flatMap((name) => /(\w+)\s*$/.exec(name)?.[1] ?? []);
    const used = taken.get(path);
    return [...values, ...passedOn]
      .filter((name) => !used?.has(name) && !used?.has('*'))
      .map((name) => ({ rule: 'unused' as const, path, message: `exports ${name}, which nobody takes` }));
  });
}

/** Long files begin with the reason ("Long because …"), and 19 of 20 are well below the limit. */
export function sizes(files: readonly SourceFile[]): Violation[] {
  const code = files.filter(({ path }) => /^(src|test|bench|scripts)\/.*\.ts$/.test(path));
  const linesOf = (file: SourceFile): number => file.text.split('\n').length - 1;
  const found: Violation[] = code
    .filter((file) => linesOf(file) > linesMax && !/^(\/\/.*\n)*\/\/.*\blong because\b/i.test(file.text))
    .map((file) => ({ rule: 'size', path: file.path, message: `${linesOf(file)} lines; split it, or begin it with "Long because …"` }));
  const sorted = code.map(linesOf).sort((a, b) => a - b);
  const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
  if (p95 > linesP95Max) found.push({ rule: 'size', path: 'src', message: `1 of 20 files has more than ${p95} lines; ${linesP95Max} are allowed` });
  return found;
}

/** Every code of the catalogue is used somewhere in src, or reserved with a reason; nothing else is used. */
export function errorCodes(files: readonly SourceFile[], declared: readonly string[], reserved: Readonly<Record<string, string>>): Violation[] {
  const code = files.filter(({ path }) => isSource(path) && path !== 'src/base/catalogue.ts');
  const all = code.map(({ text }) => text).join('\n');
  const found: Violation[] = [];
  for (const name of declared) {
    const used = new RegExp(`['"]${name}['"]`).test(all);
    if (!used && !(name in reserved)) found.push({ rule: 'error-code', path: 'src/base/catalogue.ts', message: `${name} is never thrown` });
    if (used && name in reserved) found.push({ rule: 'error-code', path: 'src/base/catalogue.ts', message: `${name} is thrown, so it is no longer reserved` });
  }
  for (const file of code) {
    for (const [, name] of file.text.matchAll(/new MillraceError\(\s*['"](\w+)['"]/g)) {
      if (!declared.includes(name as string)) found.push({ rule: 'error-code', path: file.path, message: `${name} is not in the catalogue` });
    }
  }
  return found;
}

/** Metrics that are declared are reported. */
export function metricsReported(files: readonly SourceFile[], declared: readonly string[]): Violation[] {
  const reported = new Set(files.filter(({ path }) => isSource(path)).flatMap(({ text }) => [...text.matchAll(/\b[mM]etrics\.(?:add|set)\(\s*'(\w+)'/g)].map(([, name]) => name)));
  return declared.filter((name) => !reported.has(name)).map((name) => ({ rule: 'metric', path: 'src/base/metrics.ts', message: `${name} is never reported` }));
}

/** Crash points that are declared are called, and the other way round. */
export function crashPointCalls(files: readonly SourceFile[], declared: readonly string[]): Violation[] {
  const found: Violation[] = [];
  const called = new Set<string>();
  for (const file of files.filter(({ path }) => isSource(path))) {
    for (const [, name] of file.text.matchAll(/\bcrashPoint\(\s*['"]([^'"]+)['"]/g)) {
      called.add(name as string);
      if (!declared.includes(name as string)) found.push({ rule: 'crash-point', path: file.path, message: `${name} is not declared` });
    }
  }
  for (const name of declared) {
    if (!called.has(name)) found.push({ rule: 'crash-point', path: 'src/base/crash-point.ts', message: `${name} is never passed` });
  }
  return found;
}

/** Nothing committed names a folder of the machine it was made on. */
export function places(files: readonly SourceFile[], folders: readonly string[]): Violation[] {
  return files.flatMap(({ path, text }) =>
    folders
      .filter((folder) => new RegExp(`(?<![\\w.])${RegExp.escape(folder)}(?![\\w-])`).test(text))
      .map((folder) => ({ rule: 'place' as const, path, message: `names ${folder}` })),
  );
}
