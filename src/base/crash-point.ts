// Named places where a crash test may kill the process. In production the check is one comparison with undefined.

const wanted = process.env['MILLRACE_CRASH_AT']; // "name" or "name:3" (the third time it is passed)
const [wantedName, wantedCount] = (wanted ?? '').split(':');
let left = Number(wantedCount ?? '1') || 1;

/** All crash points of the code, so that the crash test can walk through them; a tidy test compares it with the calls. */
export const crashPoints = [
  'slot.before-create',
  'slot.after-create',
  'snapshot.before-table',
  'snapshot.mid-copy',
  'snapshot.before-commit',
  'snapshot.after-commit',
  'index.before-create',
  'index.after-create',
  'spill.after-write',
  'spill.mid-replay',
  'log.before-append',
  'log.after-append',
  'log.after-sync',
  'log.before-trim',
  'apply.after-begin',
  'apply.mid-copy',
  'apply.between-pieces',
  'apply.before-commit',
  'apply.after-commit-sent',
  'apply.after-commit',
  'ack.before-send',
] as const;

export type CrashPoint = (typeof crashPoints)[number];

/** Kills the process with SIGKILL when MILLRACE_CRASH_AT names this point (and its count is reached). */
export function crashPoint(name: CrashPoint): void {
  if (wanted === undefined || name !== wantedName) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}
