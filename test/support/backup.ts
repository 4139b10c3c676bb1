// Copies of a server's folder: what a backup of its disk, or a snapshot of its machine, would be.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../src/cli/demo/cluster.ts';
import { freeze, thaw } from './freeze.ts';

export interface Backup {
  /** Puts the copy in the place of the server's folder, with the server down meanwhile; `prepare` may change it before the server starts. */
  restore(prepare?: () => void): Promise<void>;
  remove(): void;
}

/** Copies the folder of a running server at one moment, with its connections left open. */
export function backUp(cluster: Cluster): Backup {
  const copy = `${cluster.folder}.backup`;
  freeze(cluster);
  copyFolder(cluster.folder, copy);
  thaw(cluster);
  rmSync(join(copy, 'data', 'postmaster.pid'));
  return {
    async restore(prepare) {
      await cluster.stop();
      rmSync(cluster.folder, { recursive: true });
      copyFolder(copy, cluster.folder);
      prepare?.();
      await cluster.start();
    },
    remove: () => rmSync(copy, { recursive: true }),
  };
}

/** With owners and modes, which the server insists on. */
const copyFolder = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);
