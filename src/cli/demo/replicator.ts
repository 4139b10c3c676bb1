// The replicating process, `millrace up`, as a child that can be killed with -9, and `millrace verify` beside it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findRunning, type ProjectStatus } from '../../control/index.ts';
import type { Janitor } from './janitor.ts';

const script = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url));

export interface Verdict {
  /** Undefined: it could not compare; then `problem` says why. */
  readonly equal: boolean | undefined;
  readonly rows: number;
  readonly tables: number;
  readonly problem: string;
}

export class Replicator {
  /** Called when the process ends without having been asked to. */
  onDeath: ((how: string) => void) | undefined;
  readonly #folder: string;
  readonly #janitor: Janitor;
  /** Compiled code is kept in the demo's own folder: the process comes back faster, and nothing stays behind. */
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(folder: string, janitor: Janitor) {
    this.#folder = folder;
    this.#janitor = janitor;
    this.#log = join(folder, 'up.log');
    this.#env = { ...process.env, NODE_COMPILE_CACHE: join(folder, 'code') };
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const log = openSync(this.#log, 'a');
    // A process group of its own: Ctrl-C is for the demo, which then stops it in order.
    const child = spawn(process.execPath, [script, '--project', this.#folder, 'up'], { stdio: ['ignore', log, log], detached: true, env: this.#env });
    closeSync(log);
    this.#child = child;
    this.#janitor.watch(child.pid);
    child.once('error', (error) => this.#gone(child, error.message));
    child.once('exit', (code, signal) => this.#gone(child, signal ?? `exit code ${code}`));
  }

  /** What the process says of itself; undefined while it does not answer. */
  async status(): Promise<ProjectStatus | undefined> {
    const running = findRunning(this.#folder);
    if (!running || running.pid !== this.pid) return undefined;
    return running.status().catch(() => undefined);
  }

  /** SIGKILL; returns the pid that was. */
  async kill9(): Promise<number | undefined> {
    const child = this.#child;
    this.#child = undefined;
    await end(child, 'SIGKILL');
    return child?.pid;
  }

  /** SIGTERM, and SIGKILL if it has not ended 5 s later. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    const timer = setTimeout(() => child?.kill('SIGKILL'), 5000);
    await end(child, 'SIGTERM');
    clearTimeout(timer);
  }

  /** The last lines that the process wrote. */
  logTail(lines: number): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Runs `millrace verify --json`. */
  async verify(): Promise<Verdict> {
    const child = spawn(process.execPath, [script, '--project', this.#folder, 'verify', '--json'], { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: this.#env });
    this.#janitor.watch(child.pid);
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.#janitor.forget(child.pid);
    try {
      const report = JSON.parse(out) as { equal: boolean; tables: Record<string, { equal: boolean; rows: number }> };
      const tables = Object.entries(report.tables);
      const different = tables.filter(([, table]) => !table.equal).map(([name]) => name);
      return { equal: report.equal, rows: tables.reduce((sum, [, table]) => sum + table.rows, 0), tables: tables.length, problem: different.join(', ') };
    } catch {
      return { equal: undefined, rows: 0, tables: 0, problem: err.trim() || out.trim() || 'verify said nothing' };
    }
  }

  #gone(child: ChildProcess, how: string): void {
    this.#janitor.forget(child.pid);
    if (this.#child !== child) return;
    this.#child = undefined;
    this.onDeath?.(how);
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}
