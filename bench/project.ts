// A project folder between two servers, and the commands that run in it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuOf, peakRssOf } from './cpu.ts';

const root = join(import.meta.dirname, '..');
/** What the package ships, not the sources, whose types cost memory while they are taken off. */
export const main = join(root, 'dist/cli/main.js');
export const build = (): Buffer => execFileSync(process.execPath, ['scripts/build.js'], { cwd: root, stdio: 'inherit' });

export const newFolder = (): string => mkdtempSync(join(tmpdir(), 'millrace-bench-'));

/** All tables of `source` to `target`, both URLs of databases, without TLS. */
export function writeProject(folder: string, source: string, target: string): void {
  writeFileSync(
    join(folder, 'millrace.yaml'),
    `millrace: 1\nsources:\n  shop:\n    postgres: ${source}?sslmode=disable\n    tables: [public.*]\nreplicas:\n  copy:\n    from: shop\n    postgres: ${target}?sslmode=disable\n`,
  );
}

export interface Running {
  /** The most memory so far, in MB. */
  peakMb(): number;
  /** CPU microseconds so far. */
  cpuUs(): number;
}

/** Runs `millrace up` beside the work. */
export async function withMillrace(folder: string, work: (running: Running) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [main, '--project', folder, 'up'], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, MILLRACE_LOG: 'warn' } });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const pid = child.pid ?? 0;
  try {
    const failed = ended.then((code) => Promise.reject(new Error(`millrace up ended with ${code}`)));
    failed.catch(() => undefined);
    await Promise.race([work({ peakMb: () => peakRssOf(pid) / 1e6, cpuUs: () => cpuOf([pid]) }), failed]);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

/** Runs a command to its end. Throws unless it ends well. */
export async function millrace(folder: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [main, '--project', folder, ...args], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, MILLRACE_LOG: 'warn' } });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${String(code)}`);
}

/** Milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
