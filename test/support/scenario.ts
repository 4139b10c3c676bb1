// A scenario: two real servers and a project folder, run in this process or as `millrace` child processes.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, createLogger, MillraceError } from '../../src/base/index.ts';
import { type Cluster, type ClusterOptions, startCluster } from '../../src/cli/demo/cluster.ts';
import { loadProject, type ProjectStatus, run, type Running, verify, type VerifyReport } from '../../src/control/index.ts';
import { parsePgUrl, PgConnection } from '../../src/wire/index.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

/** Everything of the source to the target; with `memory` under that limit. */
export const configuration = (memory?: string): string =>
  `millrace: 1\n${memory === undefined ? '' : `limits: { memory: ${memory} }\n`}sources:\n  shop:\n    postgres: \${SHOP_URL}\n    tables: [public.*]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: \${WAREHOUSE_URL}\n`;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Scenario {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly folder: string;
  db!: PgConnection;
  copy!: PgConnection;
  #running: Running | undefined;
  #count = 0;

  private constructor(source: Cluster, target: Cluster) {
    this.source = source;
    this.target = target;
    this.folder = mkdtempSync(join(tmpdir(), 'millrace-scenario-'));
  }

  static async start(options: { source?: ClusterOptions; target?: ClusterOptions } = {}): Promise<Scenario> {
    const [source, target] = await Promise.all([startCluster(options.source), startCluster(options.target)]);
    return new Scenario(source, target);
  }

  get #database(): string {
    return `test${this.#count}`;
  }

  get sourceUrl(): string {
    return this.source.url(this.#database);
  }

  get targetUrl(): string {
    return this.target.url(this.#database);
  }

  /** New databases on both servers, an empty .millrace/, and this configuration (default: everything of the source to the target). */
  async fresh(yaml?: string): Promise<void> {
    await this.stop();
    await this.dropSlots();
    await this.db?.close();
    await this.copy?.close();
    this.#count += 1;
    for (const cluster of [this.source, this.target]) {
      const admin = await connect(cluster.url());
      await admin.query(`create database ${this.#database}`);
      await admin.close();
    }
    this.db = await connect(this.sourceUrl);
    this.copy = await connect(this.targetUrl);
    rmSync(join(this.folder, '.millrace'), { recursive: true, force: true });
    this.configure(yaml);
  }

  configure(yaml?: string, options: { sourceUser?: string; targetUser?: string } = {}): void {
    const text = yaml ?? configuration();
    writeFileSync(join(this.folder, 'millrace.yaml'), text);
    const as = (url: string, user = 'postgres'): string => url.replace('postgres@', `${user}@`);
    writeFileSync(join(this.folder, '.env'), `SHOP_URL=${as(this.sourceUrl, options.sourceUser)}\nWAREHOUSE_URL=${as(this.targetUrl, options.targetUser)}\n`);
  }

  /** Runs the project in this process. */
  async up(options: { ddl?: boolean; only?: readonly string[] } = {}): Promise<Running> {
    const { project } = await loadProject(this.folder, { env: {} });
    this.#running = await run(project, { ...options, logger: createLogger(process.env['MILLRACE_LOG'] ?? 'silent') });
    return this.#running;
  }

  /** Starts it if it does not run, and waits until everything that has committed is at the target. */
  async caughtUp(): Promise<void> {
    const running = this.#running ?? (await this.up());
    await running.caughtUp();
  }

  /** The project that runs in this process. */
  get running(): Running {
    assert(this.#running, 'nothing runs');
    return this.#running;
  }

  status(): ProjectStatus {
    return this.running.status();
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  async verify(): Promise<VerifyReport> {
    await this.stop();
    const { project } = await loadProject(this.folder, { env: {} });
    return verify(project, [], new AbortController().signal);
  }

  /** New connections of the test's own, after a server was gone. */
  async reconnect(): Promise<void> {
    if (this.db.closed) this.db = await connect(this.sourceUrl);
    if (this.copy.closed) this.copy = await connect(this.targetUrl);
  }

  /** `millrace …` as a child process. */
  millrace(args: readonly string[], env: Readonly<Record<string, string>> = {}): { child: ChildProcess; outcome: Promise<Outcome> } {
    const child = spawn(process.execPath, [main, '--project', this.folder, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, MILLRACE_LOG: 'info', NO_COLOR: '1', ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return { child, outcome: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))) };
  }

  /** Rows of both sides as text, sorted. */
  async both(table: string, targetTable = table, columns = '*'): Promise<{ source: string[]; target: string[] }> {
    const read = async (db: PgConnection, name: string): Promise<string[]> =>
      (await db.rows<{ r: string }>(`select t::text as r from (select ${columns} from ${name}) t order by 1`)).map((row) => row.r);
    return { source: await read(this.db, table), target: await read(this.copy, targetTable) };
  }

  async dropSlots(): Promise<void> {
    const admin = await connect(this.source.url());
    await until(async () => {
      await admin.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where active_pid is null');
      return (await admin.rows('select 1 as x from pg_replication_slots')).length === 0;
    });
    await admin.close();
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.db?.close();
    await this.copy?.close();
    await this.source.remove();
    await this.target.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const connect = (url: string): Promise<PgConnection> => PgConnection.connect(parsePgUrl(`${url}?sslmode=disable`));

/** Waits for a condition; fails after `ms`. */
export async function until(condition: () => Promise<boolean> | boolean, ms = 15_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new MillraceError('INTERNAL', `nothing happened within ${ms} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
