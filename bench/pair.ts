// Two servers and both ways to replicate between them: PostgreSQL's own subscription, and `millrace up` as a child process. Both begin with
// equal tables and an own slot on the same source, and both run with synchronous_commit off at the target, which is a subscription's default.
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, startCluster } from '../src/cli/demo/cluster.ts';
import { readRunFile } from '../src/control/index.ts';
import { parsePgUrl, PgConnection } from '../src/wire/index.ts';
import { cpuOf } from './cpu.ts';
import { build, main, newFolder, timed, writeProject } from './project.ts';


/** What replicates: started and stopped any number of times, it goes on where it was. */
export interface Replicator {
  readonly name: string;
  /** A connection to the target that it fills. */
  readonly target: PgConnection;
  /** Resolves with the milliseconds until its slot is read from. */
  start(): Promise<number>;
  /** CPU microseconds used so far by each part of it. */
  cpu(): Promise<CpuUse>;
  stop(): Promise<void>;
}

/** Millrace is a process of its own. */
export interface MillraceReplicator extends Replicator {
  pid(): number;
}

export type CpuUse = Readonly<Record<string, number>>;

export async function connect(url: string): Promise<PgConnection> {
  return PgConnection.connect(parsePgUrl(`${url}?sslmode=disable`));
}

/** Asks again and again until there is an answer. */
export async function waitFor<T>(what: string, ask: () => Promise<T | undefined> | T | undefined, pauseMs = 2): Promise<T> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

export class Pair {
  readonly #source: Cluster;
  readonly #target: Cluster;
  readonly #folder: string;
  #name = '';
  #count = 0;
  #connections: PgConnection[] = [];
  #child: ChildProcess | undefined;
  #subscription: string | undefined;

  private constructor(source: Cluster, target: Cluster) {
    this.#source = source;
    this.#target = target;
    this.#folder = newFolder();
  }

  static async start(): Promise<Pair> {
    build();
    const settings = { max_wal_size: '8GB', checkpoint_timeout: '30min' };
    const [source, target] = await Promise.all([startCluster({ settings }), startCluster({ settings: { ...settings, synchronous_commit: 'off' } })]);
    return new Pair(source, target);
  }

  /**
   * A new source database that `fill` makes `table` in, and two equal targets. Both replicators have their slot afterwards and stand still:
   * what is written from now on is theirs to catch up with.
   */
  async fresh(table: string, fill: (source: PgConnection) => Promise<void>): Promise<{ source: PgConnection; native: Replicator; millrace: MillraceReplicator }> {
    await this.#clear();
    this.#name = `bench${(this.#count += 1)}`;
    for (const [cluster, names] of [[this.#source, [this.#name]], [this.#target, [`${this.#name}_native`, `${this.#name}_millrace`]]] as const) {
      const admin = await connect(cluster.url());
      for (const name of names) await admin.query(`create database ${name}`);
      await admin.close();
    }
    const source = await this.#connect(this.#source.url(this.#name));
    await fill(source);
    const [nativeTarget, millraceTarget] = [await this.#connect(this.#target.url(`${this.#name}_native`)), await this.#connect(this.#target.url(`${this.#name}_millrace`))];
    const millrace = this.#millrace(source, millraceTarget);
    await millrace.start();
    await waitFor('the snapshot', () => this.#state().then((state) => (state === 'streaming' ? true : undefined)), 20);
    await millrace.stop();
    const native = await this.#native(source, nativeTarget, table);
    return { source, native, millrace };
  }

  async remove(): Promise<void> {
    await this.#clear();
    await Promise.all([this.#source.remove(), this.#target.remove()]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #connect(url: string): Promise<PgConnection> {
    const connection = await connect(url);
    this.#connections.push(connection);
    return connection;
  }

  async #clear(): Promise<void> {
    await this.#stopMillrace();
    if (this.#subscription) {
      const native = await connect(this.#target.url(`${this.#name}_native`));
      await native.query(`alter subscription ${this.#subscription} disable`);
      await native.query(`alter subscription ${this.#subscription} set (slot_name = none)`);
      await native.query(`drop subscription ${this.#subscription}`);
      await native.close();
      this.#subscription = undefined;
    }
    for (const connection of this.#connections) await connection.close();
    this.#connections = [];
    rmSync(join(this.#folder, '.millrace'), { recursive: true, force: true });
    if (this.#name === '') return;
    const admin = await connect(this.#source.url());
    await waitFor('the slots to be dropped', async () => {
      await admin.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where active_pid is null');
      return (await admin.rows('select 1 as x from pg_replication_slots')).length === 0 ? true : undefined;
    }, 20);
    await admin.close();
  }

  /** PostgreSQL's own: binary, large transactions in parallel, everything else as it comes. */
  async #native(source: PgConnection, target: PgConnection, table: string): Promise<Replicator> {
    const [ddl] = await source.rows<{ columns: string }>(
      `select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)) || case when attnotnull then ' not null' else '' end, ', ' order by attnum) as columns
        from pg_attribute where attrelid = $1::regclass and attnum > 0`, [table]);
    await target.query(`create table ${table} (${ddl?.columns ?? ''}, primary key (${(await primaryKey(source, table)).join(', ')}))`);
    const chunks: Buffer[] = [];
    for await (const chunk of source.copyOut(`copy ${table} to stdout (format binary)`)) chunks.push(chunk);
    await target.copyIn(`copy ${table} from stdin (format binary)`, chunks);
    await target.query(`analyze ${table}`);
    const slot = `${this.#name}_native`;
    this.#subscription = slot;
    await source.query(`create publication native for table ${table}`);
    await source.query(`select pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    const { host, port } = parsePgUrl(this.#source.url());
    await target.query(
      `create subscription ${slot} connection 'host=${host} port=${port} user=postgres dbname=${this.#name} sslmode=disable' publication native
        with (binary = true, streaming = parallel, copy_data = false, create_slot = false, slot_name = ${slot}, enabled = false)`,
    );
    return {
      name: 'CREATE SUBSCRIPTION',
      target,
      start: () => timed(async () => {
        await target.query(`alter subscription ${slot} enable`);
        await slotActive(source, slot);
      }),
      cpu: async () => {
        const workers = await target.rows<{ pid: string }>('select pid::text from pg_stat_subscription where subname = $1 and pid is not null', [slot]);
        return { walsender: cpuOf(await activePid(source, slot)), apply: cpuOf(workers.map(({ pid }) => Number(pid))) };
      },
      stop: async () => {
        await target.query(`alter subscription ${slot} disable`);
        await waitFor('the subscription to stop', async () => ((await activePid(source, slot)).length === 0 ? true : undefined), 10);
      },
    };
  }

  #millrace(source: PgConnection, target: PgConnection): MillraceReplicator {
    writeProject(this.#folder, this.#source.url(this.#name), this.#target.url(`${this.#name}_millrace`));
    const args = (process.env['MILLRACE_BENCH_NODE'] ?? '').split(' ').filter(Boolean);
    return {
      name: 'millrace',
      target,
      pid: () => this.#child?.pid ?? 0,
      start: () => timed(async () => {
        const child = spawn(process.execPath, [...args, main, '--project', this.#folder, 'up'], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, MILLRACE_LOG: 'warn' } });
        this.#child = child;
        await Promise.race([slotActive(source, undefined), new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`millrace up ended with ${code}`))))]);
      }),
      cpu: async () => {
        const backends = async (db: PgConnection): Promise<number[]> =>
          (await db.rows<{ pid: string }>(`select pid::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`)).map(({ pid }) => Number(pid));
        const own = new Set(this.#connections.map((connection) => connection.pid));
        const others = async (db: PgConnection): Promise<number[]> => (await backends(db)).filter((pid) => !own.has(pid));
        return { walsender: cpuOf(await activePid(source, undefined)), millrace: cpuOf([this.#child?.pid ?? 0]), backends: cpuOf(await others(target)), 'source backends': cpuOf(await others(source)) };
      },
      stop: async () => {
        await this.#stopMillrace();
        await waitFor('millrace to let go of its slot', async () => ((await activePid(source, undefined)).length === 0 ? true : undefined), 10);
      },
    };
  }

  async #stopMillrace(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  async #state(): Promise<string | undefined> {
    const running = readRunFile(this.#folder);
    if (!running) return undefined;
    const answer = await fetch(`${running.http}/status`).catch(() => undefined);
    const status = (await answer?.json().catch(() => undefined)) as { replicas?: { copy?: { state?: string } } } | undefined;
    return status?.replicas?.copy?.state;
  }
}

async function primaryKey(db: PgConnection, table: string): Promise<string[]> {
  const rows = await db.rows<{ name: string }>(
    `select quote_ident(attname) as name from pg_index i, unnest(i.indkey) with ordinality k(attnum, n), pg_attribute a
      where indrelid = $1::regclass and indisprimary and attrelid = indrelid and a.attnum = k.attnum order by n`, [table]);
  return rows.map(({ name }) => name);
}

/** The walsender that reads the slot; of Millrace's, which names its slot itself, the one that is not the subscription's. */
async function activePid(source: PgConnection, slot: string | undefined): Promise<number[]> {
  const rows = await source.rows<{ pid: string }>(
    `select active_pid::text as pid from pg_replication_slots where active_pid is not null and database = current_database()
      and (slot_name = $1 or ($1 is null and slot_name not like '%\\_native'))`, [slot ?? null]);
  return rows.map(({ pid }) => Number(pid));
}

const slotActive = (source: PgConnection, slot: string | undefined): Promise<true> =>
  waitFor('the slot to be read', async () => ((await activePid(source, slot)).length > 0 ? true : undefined), 1);

/** What was used between two moments, a part. */
export function cpuBetween(from: CpuUse, to: CpuUse): Record<string, number> {
  return Object.fromEntries(Object.entries(to).map(([part, us]) => [part, Math.max(0, us - (from[part] ?? 0))]));
}
