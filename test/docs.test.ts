// The pages a stranger reads: links lead somewhere, commands and options exist, YAML loads, TypeScript compiles, SQL parses.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadModule, parseSync } from 'libpg-query';
import { parse } from 'yaml';
import { metricSpecs } from '../src/base/index.ts';
import { commands } from '../src/cli/commands.ts';
import { buildProgram, commandName } from '../src/cli/program.ts';
import { loadProject } from '../src/control/index.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Block {
  readonly language: string;
  readonly text: string;
  /** path:line of its first line. */
  readonly place: string;
}

interface Page {
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

const isGenerated = (page: Page): boolean => page.path.startsWith('docs/reference/');

function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8');
  const blocks = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '', text: match[2] ?? '', place: `${path}:${text.slice(0, match.index).split('\n').length + 1}`,
  }));
  return { path, text, blocks };
}

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: root }).sort().map(readPage);
const blocks = (...languages: string[]): Block[] => pages.flatMap((page) => (isGenerated(page) ? [] : page.blocks)).filter((block) => languages.includes(block.language));
const scratch = mkdtempSync(join(tmpdir(), 'millrace-docs-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

test('alert rules and dashboard name metrics and labels that exist, and the rules load', () => {
  const specs = new Map<string, readonly string[]>(Object.values(metricSpecs).map(({ name, labels }) => [name, labels]));
  const rules = parse(readFileSync(join(root, 'docs/monitoring/alerts.yaml'), 'utf8')) as { groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[] };
  const panels = (JSON.parse(readFileSync(join(root, 'docs/monitoring/grafana.json'), 'utf8')) as { panels: { targets: { expr: string; legendFormat: string }[] }[] }).panels;
  const uses = [
    ...rules.groups.flatMap((group) => group.rules.map(({ expr, annotations }) => ({ expr, labels: [...Object.values(annotations).join().matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label) }))),
    ...panels.flatMap(({ targets }) => targets.map(({ expr, legendFormat }) => ({ expr, labels: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label) }))),
  ];
  assert.ok(uses.length > 20);
  const named = new Set<string>();
  for (const { expr, labels } of uses) {
    const metrics = expr.match(/millrace_\w+/g) ?? [];
    for (const metric of metrics) {
      named.add(metric);
      assert.ok(specs.has(metric), `${metric} in ${expr}`);
      for (const label of labels) assert.ok(specs.get(metric)?.includes(label as string), `label ${label} in ${expr}`);
    }
    assert.ok(metrics.length === 1 || expr.startsWith('up{'), expr);
  }
  assert.deepEqual([...specs.keys()].filter((name) => !named.has(name)), [], 'metrics that nobody sees');
});

test('there are pages and blocks of each kind to look at', () => {
  assert.ok(pages.length > 15, `${pages.length} pages`);
  for (const language of ['sh', 'yaml', 'ts', 'sql']) assert.ok(blocks(language).length > 3, language);
  const known = ['sh', 'yaml', 'ts', 'sql', 'text'];
  assert.deepEqual(pages.filter((page) => !isGenerated(page)).flatMap((page) => page.blocks).filter((block) => !known.includes(block.language)), []);
});

describe('links', () => {
  /** As GitHub makes anchors of headings. */
  const anchor = (heading: string): string => heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
  const anchors = (path: string): string[] => [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map((match) => anchor(match[1] ?? ''));

  for (const page of pages) {
    test(page.path, () => {
      const prose = page.text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`]*`/g, '');
      for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [file = '', fragment] = target.split('#');
        const path = file === '' ? join(root, page.path) : resolve(root, dirname(page.path), file);
        assert.ok(existsSync(path), `${target} leads nowhere`);
        assert.ok(!relative(root, path).startsWith('..'), `${target} leads out of the repository`);
        if (fragment !== undefined) assert.ok(anchors(path).includes(fragment), `${target} has no such heading`);
      }
    });
  }
});

test('source files that are named exist', () => {
  for (const page of pages) {
    for (const [, name = ''] of page.text.matchAll(/`([\w-]+\/[\w./-]*\.(?:ts|js))`/g)) {
      assert.ok(['', 'src', 'src/connect/postgres'].some((room) => existsSync(join(root, room, name))), `${page.path}: ${name} is not there`);
    }
  }
});

/** The words of a shell command; quotes are taken off. */
const words = (line: string): string[] => [...line.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/["']/g, ''));

/** Lets the real parser read a command line, without running it. */
async function parseMillrace(argv: readonly string[]): Promise<void> {
  const name = commandName(argv);
  const entry = commands.find((each) => each.name === name);
  assert.ok(entry, `there is no command "${name}"`);
  const silent = new PassThrough();
  silent.resume();
  let invoked = false;
  const loaded = (await entry.load()).command;
  const program = buildProgram({ version: '0', stdout: silent, stderr: silent, name, loaded, onInvoke: () => (invoked = true) });
  await program.parseAsync([...argv], { from: 'user' });
  assert.ok(invoked);
}

async function checkCommand(line: string): Promise<void> {
  const all = words(line.replace(/\s#.*$/, '')).filter((word, i, list) => !/^[A-Z_]+=/.test(word) || list.slice(0, i).some((before) => !/^[A-Z_]+=/.test(before)));
  const redirect = all.indexOf('>');
  const [program = '', ...args] = redirect < 0 ? all : all.slice(0, redirect);
  const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;
  if (program === 'millrace') return parseMillrace(args);
  if (program === 'npx') return checkCommand(args.join(' '));
  if (program === 'npm') {
    assert.ok(args[0] === 'ci' || args[0] === 'test' || (args[0] === 'run' && scripts[args[1] ?? '']), `no npm script ${args[1]}`);
    return;
  }
  if (program === 'export') return;
  assert.ok(['psql', 'node', 'kcat'].includes(program), `"${program}" is no command that this test knows`);
  for (const file of args.filter((arg) => arg.includes('/') && !arg.includes(':'))) assert.ok(existsSync(join(root, file)), `${file} is not there`);
}

test('command lines name commands, options and files that exist', async () => {
  for (const block of blocks('sh')) {
    for (const line of block.text.split('\n').filter((each) => each.trim() !== '' && !each.startsWith('#'))) {
      for (const part of line.replace(/\s#.*$/, '').split('&&')) {
        await assert.doesNotReject(checkCommand(part.trim()), `${block.place}: ${line}`);
      }
    }
  }
});

test('commands in the middle of a sentence exist', async () => {
  for (const page of pages) {
    for (const [, line = ''] of page.text.matchAll(/`(?:npx )?millrace ([a-z][^`\n>]*)/g)) {
      const isForm = /[A-Z]|…/.test(line); // `millrace resync REPLICA`
      const check = isForm ? knows(words(line)) : parseInSentence(words(line));
      await assert.doesNotReject(check, `${page.path}: millrace ${line}`);
    }
  }
});

async function knows(argv: readonly string[]): Promise<void> {
  assert.ok(commands.some((each) => each.name === commandName(argv)));
}

/** In a sentence a command may stand without its arguments, but not with wrong options. */
const parseInSentence = (argv: readonly string[]): Promise<void> =>
  parseMillrace(argv).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'commander.missingArgument') throw error;
  });

test('YAML blocks load', async () => {
  const url = 'postgres://me@localhost/db';
  const env = { SHOP_URL: url, WAREHOUSE_URL: url };
  for (const [i, block] of blocks('yaml').entries()) {
    const folder = join(scratch, `yaml${i}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'millrace.yaml'), block.text);
    const transform = /transform: (\S+)/.exec(block.text)?.[1];
    const page = pages.find(({ path }) => block.place.startsWith(`${path}:`));
    if (transform) writeFileSync(join(folder, transform), page?.blocks.find(({ language, text }) => language === 'ts' && text.includes('export default ['))?.text ?? '');
    const { warnings } = await loadProject(folder, { env }).catch((error: unknown) => assert.fail(`${block.place}: ${String(error)}`));
    assert.deepEqual(warnings, [], block.place);
  }
});

test('TypeScript blocks compile', () => {
  const folder = join(scratch, 'ts');
  mkdirSync(folder);
  const names = new Map<string, string>();
  for (const [i, block] of blocks('ts').entries()) {
    names.set(`block${i}.ts`, block.place);
    writeFileSync(join(folder, `block${i}.ts`), block.text);
  }
  writeFileSync(join(folder, 'millrace.d.ts'), readFileSync(join(root, 'examples/transform/millrace.d.ts')));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const compilerOptions = { paths: { millrace: [join(root, 'src/index.ts')] }, typeRoots: [join(root, 'node_modules/@types')] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }));
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8', cwd: folder });
  // Only what concerns the blocks: the sources have their own check.
  const found = `${tsc.stdout}${tsc.stderr}`.split('\n').filter((line) => line.startsWith('block')).map((line) => line.replace(/^block\d+\.ts/, (name) => names.get(name) ?? name));
  assert.deepEqual(found, []);
  assert.equal(tsc.error, undefined);
});

test('SQL blocks parse', async () => {
  await loadModule();
  for (const block of blocks('sql')) assert.doesNotThrow(() => parseSync(block.text), block.place);
});

test('no page is half done', () => {
  for (const page of pages) assert.doesNotMatch(page.text, /\bTODO\b|\bFIXME\b|\bTBD\b/, page.path);
});
