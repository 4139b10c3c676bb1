// .millrace/failures.json: what had failed when the project ended by itself, so that `status` can say why nothing runs.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeDurably } from './durable-file.ts';
import type { ProjectStatus } from './status.ts';

interface Failure {
  readonly reason?: string;
  readonly next?: string;
}

export interface Failures {
  readonly sources: Readonly<Record<string, Failure>>;
  readonly replicas: Readonly<Record<string, Failure>>;
}

const path = (folder: string): string => join(folder, '.millrace', 'failures.json');

/** Remembers what is `failed` in a status; forgets what was remembered when nothing is. */
export function rememberFailures(folder: string, status: ProjectStatus): void {
  const failed = (items: ProjectStatus['sources'] | ProjectStatus['replicas']): Record<string, Failure> =>
    Object.fromEntries(
      Object.entries(items).flatMap(([name, { state, reason, next }]) => (state === 'failed' ? [[name, { ...(reason ? { reason } : {}), ...(next ? { next } : {}) }]] : [])),
    );
  const failures: Failures = { sources: failed(status.sources), replicas: failed(status.replicas) };
  if (Object.keys({ ...failures.sources, ...failures.replicas }).length === 0) return forgetFailures(folder);
  makeFolder(join(folder, '.millrace'));
  writeDurably(path(folder), { format: 1, ...failures });
}

export function forgetFailures(folder: string): void {
  rmSync(path(folder), { force: true });
}

export function readFailures(folder: string): Failures {
  try {
    const value = JSON.parse(readFileSync(path(folder), 'utf8')) as Partial<Failures> & { format?: number };
    if (value.format === 1) return { sources: value.sources ?? {}, replicas: value.replicas ?? {} };
  } catch {
    // Nothing failed, or the file is not ours.
  }
  return { sources: {}, replicas: {} };
}
