// init: what it writes loads, and nothing that is there is lost.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { loadProject } from '../control/index.ts';
import { urlOf } from '../control/project/testing.ts';
import type { CommandContext } from './command.ts';
import { command } from './init.ts';

const urls = { source: "postgres://me:p'%23x@localhost/shop", target: 'postgres://me:secret@localhost/Ware-House' };

async function withFolder(use: (folder: string, run: (options: CommandContext['options']) => Promise<number>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-init-'));
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  try {
    await use(folder, (options) => command.run({ folder, args: [], options, stdout, stderr, env: {}, signal: new AbortController().signal }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('what it writes can be loaded; the URLs stand in .env only', async () => {
  await withFolder(async (folder, run) => {
    writeFileSync(join(folder, '.gitignore'), 'node_modules/\n.env');
    assert.equal(await run({ ...urls, tables: ['public.*', '!public.audit'], yes: true }), 0);
    const { project, warnings } = await loadProject(folder, { env: {} });
    assert.deepEqual(warnings, []);
    assert.deepEqual([project.sources[0]?.name, urlOf(project.sources[0]?.url)], ['shop', urls.source]);
    assert.deepEqual([project.replicas[0]?.name, urlOf(project.replicas[0]?.url)], ['ware_house', urls.target]);
    assert.deepEqual(project.sources[0]?.tables.map((each) => each.text), ['public.*', '!public.audit']);
    const yaml = readFileSync(join(folder, 'millrace.yaml'), 'utf8');
    assert.ok(yaml.startsWith('# yaml-language-server: $schema=https://'));
    assert.ok(!yaml.includes('secret'));
    assert.equal(statSync(join(folder, '.env')).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), 'node_modules/\n.env\n.millrace/\n');
  });
});

test('it refuses to overwrite, and keeps values of .env', async () => {
  await withFolder(async (folder, run) => {
    writeFileSync(join(folder, '.env'), 'SHOP_URL=mine\n', { mode: 0o644 });
    await run({ ...urls, yes: true });
    assert.match(readFileSync(join(folder, '.env'), 'utf8'), /^SHOP_URL=mine\nWARE_HOUSE_URL=/);
    const before = readFileSync(join(folder, 'millrace.yaml'), 'utf8');
    await assert.rejects(run({ ...urls, yes: true }), { code: 'CONFIG_INVALID', message: 'millrace.yaml is here already' });
    assert.equal(readFileSync(join(folder, 'millrace.yaml'), 'utf8'), before);
  });
});

test('missing and wrong answers are errors before anything is written', async () => {
  await withFolder(async (folder, run) => {
    await assert.rejects(run({ yes: true }), { code: 'USAGE', message: '--source is missing' });
    await assert.rejects(run({ source: urls.source, yes: true }), { code: 'USAGE', message: '--target is missing' });
    await assert.rejects(run({ ...urls, target: 'mysql://x/y', yes: true }), { code: 'CONNECT_FAILED' });
    await assert.rejects(run({ ...urls, tables: ['orders'], yes: true }), { code: 'USAGE' });
    assert.throws(() => statSync(join(folder, '.env')));
  });
});
