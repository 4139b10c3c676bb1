// Freezes a server as a stopped virtual machine is frozen: its processes neither answer nor close anything.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../src/cli/demo/cluster.ts';

export function freeze(cluster: Cluster): void {
  signal(cluster, 'SIGSTOP');
}

export function thaw(cluster: Cluster): void {
  signal(cluster, 'SIGCONT');
}

/** The first process comes first, so that none is started meanwhile. */
function signal(cluster: Cluster, name: NodeJS.Signals): void {
  const first = Number(readFileSync(join(cluster.folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(first, name);
  const others = spawnSync('pgrep', ['-P', String(first)], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean).map(Number);
  for (const pid of others) process.kill(pid, name);
}
