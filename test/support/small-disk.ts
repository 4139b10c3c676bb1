// A disk of a few megabytes, in memory.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SmallDisk {
  readonly folder: string;
  #fillers = 0;

  /** @param of A path whose owner gets it. */
  constructor(megabytes: number, of: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'millrace-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.folder]);
    const { uid, gid } = statSync(of);
    chownSync(this.folder, uid, gid);
  }

  /** Takes the room that is left, except for some kilobytes. */
  fill(leaveKilobytes = 0): void {
    const { bavail, bsize } = statfsSync(this.folder);
    writeFileSync(join(this.folder, `filler${this.#fillers++}`), Buffer.alloc(Math.max(0, bavail * bsize - leaveKilobytes * 1024)));
  }

  /** Gives the room back that was taken. */
  free(): void {
    for (; this.#fillers > 0; this.#fillers--) rmSync(join(this.folder, `filler${this.#fillers - 1}`));
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}
