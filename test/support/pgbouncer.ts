// PgBouncer (Debian's package) before a server, in transaction mode: each transaction may get another session of the server.
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, serverUser } from '../../src/cli/demo/cluster.ts';
import { until } from './scenario.ts';

export interface Bouncer {
  /** The way through it to a database, given the URL that leads straight there. */
  through(url: string): string;
  stop(): Promise<void>;
}

/** @param sessions How many sessions of the server there are for each database. */
export async function startBouncer(serverPort: number, sessions: number): Promise<Bouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bouncer-'));
  const user = serverUser();
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  const users = join(folder, 'users.txt');
  writeFileSync(users, '"postgres" ""\n');
  writeFileSync(file, `[databases]
* = host=127.0.0.1 port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${sessions}
max_client_conn = 200
server_round_robin = 1
`);
  if (user) for (const path of [folder, file, users]) chownSync(path, user.uid, user.gid);
  const child: ChildProcess = spawn('pgbouncer', ['-q', file], { ...user, stdio: 'ignore', env: { PATH: `${process.env['PATH']}:/usr/sbin` } });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const listens = (): Promise<boolean> => new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
  await until(listens).catch(async (error: unknown) => (await stop(), Promise.reject(error)));
  return { through: (url) => `postgres://postgres@127.0.0.1:${port}${new URL(url).pathname}`, stop };
}
