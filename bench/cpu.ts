// CPU time of processes and of everything they started, from /proc (Linux). Microseconds.
import { readdirSync, readFileSync } from 'node:fs';

const tickUs = 10_000;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly us: number;
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        // state ppid … utime(11) stime(12) cutime(13) cstime(14): children that have ended are counted by their parent.
        const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
        return [{ pid: Number(name), parent: Number(fields[1]), us: ticks * tickUs }];
      } catch {
        return []; // it ended meanwhile
      }
    });
}

/** CPU time used so far by the process and all its descendants. */
export function cpuUs(root: number): number {
  const all = processes();
  let sum = 0;
  const seen = new Set<number>();
  const visit = (pid: number): void => {
    if (seen.has(pid)) return;
    seen.add(pid);
    for (const process of all) {
      if (process.pid === pid) sum += process.us;
      if (process.parent === pid) visit(process.pid);
    }
  };
  visit(root);
  return sum;
}

/** CPU time used so far by these processes alone, with all their threads. */
export function cpuOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended meanwhile.
    }
  }
  return ticks * tickUs;
}

/** Resident memory of a process, bytes; 0 when it is gone. */
export const rssOf = (pid: number): number => memoryOf(pid, 'VmRSS');
/** The most that it was so far. */
export const peakRssOf = (pid: number): number => memoryOf(pid, 'VmHWM');

function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
