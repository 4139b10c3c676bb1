// docs/start.md, taken at its word: its commands run in its order against two real servers.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { parse } from 'yaml';
import { startCluster } from '../src/cli/demo/cluster.ts';
import { until } from './support/scenario.ts';

const file = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const page = readFileSync(file('docs/start.md'), 'utf8');
const commands = [...page.matchAll(/^npx millrace (.*)$/gm)].map(([, words = '']) => words.split(' '));
const shown = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';

test('the commands of the start page lead from nothing to a verified replica', async () => {
  assert.deepEqual(commands.map(([name]) => name), ['init', 'doctor', 'plan', 'plan', 'up', 'status', 'verify']);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-start-'));
  const [source, target] = await Promise.all([startCluster(), startCluster()]);
  const ends: (() => Promise<unknown>)[] = [];
  const begin = (words: readonly string[]): { child: ChildProcess; outcome: Promise<{ code: number | null; text: string }> } => {
    const args = words.map((word) => (word.includes('db.example') ? source.url('shop') : word.includes('wh.example') ? target.url('warehouse') : word === 'my-replica' ? '.' : word));
    const child = spawn(process.execPath, [file('bin/millrace.js'), ...args], { cwd: folder, env: { ...process.env, MILLRACE_LOG: 'warn' } });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const outcome = new Promise<{ code: number | null; text: string }>((resolve) => child.once('close', (code) => resolve({ code, text })));
    ends.push(() => (child.kill(), outcome));
    return { child, outcome };
  };
  try {
    for (const [cluster, database] of [[source, 'shop'], [target, 'warehouse']] as const) {
      const admin = new pg.Client(cluster.url());
      await admin.connect();
      await admin.query(`create database ${database}`);
      await admin.end();
    }
    const shop = new pg.Client(source.url('shop'));
    await shop.connect();
    ends.push(() => shop.end());
    await shop.query(readFileSync(file('examples/shop.sql'), 'utf8'));
    for (const words of commands) {
      const { child, outcome } = begin(words);
      if (words.includes('--watch')) {
        let tree = '';
        child.stdout?.on('data', (chunk: Buffer) => (tree += chunk.toString()));
        await until(() => /warehouse\s+● streaming/.test(tree), 20_000);
        child.kill();
      } else if (words[0] !== 'up') {
        const { code, text } = await outcome;
        assert.equal(code, 0, `millrace ${words.join(' ')}\n${text}`);
        if (words.includes('init')) assert.deepEqual(parse(readFileSync(join(folder, 'millrace.yaml'), 'utf8')), parse(shown), 'the page shows another file than init writes');
        if (words.includes('verify')) assert.match(text, /equal: 10 rows/);
      }
    }
  } finally {
    for (const end of ends.reverse()) await end();
    await Promise.all([source.remove(), target.remove()]);
    rmSync(folder, { recursive: true, force: true });
  }
});
