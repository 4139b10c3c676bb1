// The world of a crash test: two servers, a bank that moves money, a project folder, and the comparison of both sides.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../src/base/index.ts';
import { type Cluster, type PgVersion, startCluster } from '../../src/cli/demo/cluster.ts';
import { parsePgUrl, PgConnection } from '../../src/wire/index.ts';
import { Proxy } from '../support/proxy.ts';

const accounts = 200;
const total = accounts * 1000;

const schema = `
  create table accounts (id int primary key, balance bigint not null, note text);
  alter table accounts alter note set storage external;
  create table ledger (id bigint primary key, src int not null, dst int not null, amount int not null, at timestamptz default now());
  create table events (kind text, n int);
  create table moving (id int primary key, tag text unique, big text);
  alter table moving alter big set storage external;
  insert into accounts select i, 1000, repeat('n', 3000) from generate_series(1, ${accounts}) i;
  insert into moving select i, 'tag' || i, repeat('b', 3000) from generate_series(1, 50) i;
  insert into events select 'before', i from generate_series(1, 500) i;
  create table bulk (id int primary key, filler text);
  alter table bulk alter filler set storage external;
  insert into bulk select i, repeat('f', 3000) from generate_series(1, 4000) i;
  insert into ledger select i, 1, 2, 0 from generate_series(-20000, -1) i`;

export interface Child {
  readonly child: ChildProcess;
  /** The code, or the signal, with the last of what it said. */
  readonly exited: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

export interface Difference {
  lost: number;
  duplicated: number;
}

export class World {
  readonly source: Cluster;
  readonly target: Cluster;
  readonly folder: string;
  /** What Millrace goes through to the servers, if anything. */
  readonly between: Readonly<Record<'source' | 'target', Proxy>> | undefined;
  readonly #random: Random;
  #database = 0;
  #writer: { stop: () => Promise<void> } | undefined;
  #watcher: { stop: () => Promise<void> } | undefined;
  /** Sums of balances at the target that were not the constant. */
  torn = 0;
  /** Hears what the processes say. */
  onLog: ((text: string) => void) | undefined;
  reads = 0;
  transactions = 0;

  private constructor(source: Cluster, target: Cluster, random: Random, between: World['between']) {
    this.source = source;
    this.target = target;
    this.between = between;
    this.#random = random;
    this.folder = mkdtempSync(join(tmpdir(), 'millrace-crash-'));
  }

  /** `between`: with a proxy before each server. */
  static async make(random: Random, version: PgVersion = 18, options: { between?: boolean } = {}): Promise<World> {
    // Little memory for decoding: the source sends large transactions while they are in progress.
    const settings = { max_connections: '40', shared_buffers: '64MB', logical_decoding_work_mem: '64kB' };
    const [source, target] = [await startCluster({ version, settings }), await startCluster({ version, settings })];
    const between = options.between ? { source: await Proxy.start(source.port), target: await Proxy.start(target.port) } : undefined;
    return new World(source, target, random, between);
  }

  get #name(): string {
    return `bank${this.#database}`;
  }

  /** A new pair of databases, so that slot and snapshot are made again. */
  async fresh(): Promise<void> {
    await this.quiet();
    const source = await connect(this.source.url());
    const target = await connect(this.target.url());
    if (this.#database > 0) {
      await source.query(`select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null`);
      await waitFor(async () => {
        await source.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots where active_pid is null');
        return (await source.rows('select 1 as x from pg_replication_slots')).length === 0;
      });
      await source.query(`drop database ${this.#name} with (force)`);
      await target.query(`drop database ${this.#name} with (force)`);
    }
    this.#database += 1;
    await source.query(`create database ${this.#name}`);
    await target.query(`create database ${this.#name}`);
    await source.close();
    await target.close();
    const bank = await connect(this.source.url(this.#name));
    await bank.query(schema);
    await bank.close();
    this.forgetFolder();
    const way = (side: 'source' | 'target'): string => this.between?.[side].through(this[side].url(this.#name)) ?? this[side].url(this.#name);
    writeFileSync(
      join(this.folder, 'millrace.yaml'),
      `millrace: 1\nsources:\n  bank:\n    postgres: ${way('source')}\n    tables: [public.*]\n    appendOnly: [public.events]\n` +
        `replicas:\n  copy:\n    from: bank\n    postgres: ${way('target')}\n    tables:\n      bank.public.ledger: { indexes: [at, 'src, dst'] }\n      bank.public.accounts: { indexes: [balance] }\n` +
        // Little memory makes small segments of the log, so that they are synced and trimmed while the test looks on.
        'limits: { memory: 4MB }\n',
    );
    this.work();
  }

  /** Removes .millrace/, as a lost disk would. */
  forgetFolder(): void {
    rmSync(join(this.folder, '.millrace'), { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
  }

  /** Starts `millrace up`. Its exit is in `exited`: the code, or the signal. */
  up(options: { crashAt?: string; until?: boolean } = {}): Child {
    return this.millrace(['up', ...(options.until ? ['--until', 'caught-up'] : [])], options.crashAt ? { MILLRACE_CRASH_AT: options.crashAt } : {});
  }

  millrace(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/cli/main.ts'), '--project', this.folder, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, MILLRACE_LOG: 'info', ...env },
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-20_000);
      this.onLog?.(chunk.toString());
    });
    return { child, exited: new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal, stderr }))) };
  }

  /** Moves money, keys and big values in the background until `quiet`. A writer that loses its server goes on when that is back. */
  work(): void {
    let running = true;
    const loop = async (): Promise<void> => {
      while (running) {
        let bank: PgConnection | undefined;
        try {
          bank = await connect(this.source.url(this.#name));
          while (running) {
            await this.#transaction(bank);
            await new Promise((resolve) => setTimeout(resolve, this.#random.below(4)));
          }
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50));
        } finally {
          await bank?.close().catch(() => undefined);
        }
      }
    };
    const done = loop();
    this.#writer = { stop: async () => ((running = false), await done) };
    this.#watcher = this.#watch();
  }

  async quiet(): Promise<void> {
    await this.#writer?.stop();
    await this.#watcher?.stop();
    this.#writer = this.#watcher = undefined;
  }

  async #transaction(bank: PgConnection): Promise<void> {
    const random = this.#random;
    const account = (): number => random.between(1, accounts);
    const statements = ['begin'];
    for (let i = random.between(1, 6); i > 0; i--) {
      const [from, to, amount] = [account(), account(), random.between(1, 20)];
      statements.push(
        `update accounts set balance = balance - ${amount} where id = ${from}`,
        `update accounts set balance = balance + ${amount}${random.chance(0.1) ? `, note = repeat('${random.below(10)}', 3000)` : ''} where id = ${to}`,
        `insert into ledger select coalesce(max(id), 0) + 1, ${from}, ${to}, ${amount} from ledger`,
      );
    }
    if (random.chance(0.3)) statements.push(`insert into events values ('e${random.below(5)}', ${random.below(100)})`);
    const [low, high] = [random.between(1, 49), 1000 + random.below(100_000)];
    if (random.chance(0.2)) statements.push(`update moving set id = ${high} where id = (select min(id) from moving) and not exists (select from moving where id = ${high})`);
    if (random.chance(0.2)) statements.push(`update moving set tag = case tag when 'tag${low}' then 'swap' else tag end`, `update moving set tag = 'tag${low}' where tag = 'swap'`);
    if (random.chance(0.1)) statements.push('delete from moving where id = (select max(id) from moving)', `insert into moving select coalesce(max(id), 0) + 1, 'n' || coalesce(max(id), 0) + 1 || clock_timestamp(), repeat('i', 3000) from moving`);
    if (random.chance(0.02)) statements.push(`delete from ledger where id > 0 and id < (select max(id) from ledger) - 500`);
    // So large that it is applied in pieces, with a debit before it and its credit behind it.
    if (random.chance(0.01)) statements.splice(2, 0, `update bulk set filler = repeat('${random.below(10)}', 3000) where id <= 2500`);
    statements.push(random.chance(0.05) ? 'rollback' : 'commit');
    await bank.query(statements.join('; '));
    this.transactions += 1;
  }

  /** Reads the sum of balances at the target all the time: it may never show half a transfer. */
  #watch(): { stop: () => Promise<void> } {
    let running = true;
    const loop = async (): Promise<void> => {
      while (running) {
        let copy: PgConnection | undefined;
        try {
          copy = await connect(this.target.url(this.#name));
          while (running) {
            const [row] = await copy.rows<{ sum: string | null; n: string; done: string | null }>(
              `select sum(balance)::text as sum, count(*)::text as n from public.accounts`,
            );
            this.reads += 1;
            // An empty table is one that is not loaded yet.
            if (Number(row?.n) !== 0 && (Number(row?.sum) !== total || Number(row?.n) !== accounts)) this.torn += 1;
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50));
        } finally {
          await copy?.close().catch(() => undefined);
        }
      }
    };
    const done = loop();
    return { stop: async () => ((running = false), await done) };
  }

  /** Rows that only the source has, and rows that the target has too often, over all tables. Both sides must be at rest. */
  async compare(): Promise<Difference> {
    const [source, target] = [await connect(this.source.url(this.#name)), await connect(this.target.url(this.#name))];
    const difference: Difference = { lost: 0, duplicated: 0 };
    for (const table of ['accounts', 'ledger', 'events', 'moving', 'bulk']) {
      const sql = `select t::text as row, count(*)::text as n from public.${table} t group by 1`;
      const counts = new Map((await source.rows<{ row: string; n: string }>(sql)).map((row) => [row.row, Number(row.n)]));
      for (const row of await target.rows<{ row: string; n: string }>(sql)) counts.set(row.row, (counts.get(row.row) ?? 0) - Number(row.n));
      for (const n of counts.values()) {
        if (n > 0) difference.lost += n;
        else difference.duplicated -= n;
      }
    }
    await source.close();
    await target.close();
    return difference;
  }

  /** Rows that the target has refused. */
  async letters(): Promise<number> {
    const target = await connect(this.target.url(this.#name));
    const [row] = await target.rows<{ n: string }>('select count(*)::text as n from millrace.dead_letters');
    await target.close();
    return Number(row?.n);
  }

  /** Ends sessions of the project at a server, as an administrator would. */
  async terminate(side: 'source' | 'target', share: number): Promise<void> {
    const admin = await connect(this[side].url());
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${this.#name}' and random() < ${share}`);
    await admin.close();
  }

  async remove(): Promise<void> {
    await this.quiet();
    await this.between?.source.close();
    await this.between?.target.close();
    await this.source.remove();
    await this.target.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const connect = (url: string): Promise<PgConnection> => PgConnection.connect(parsePgUrl(`${url}?sslmode=disable`));

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('waited in vain');
}
