// Where a function was called, so that a rule made by code has a place in messages.
import { fileURLToPath } from 'node:url';

export interface CallSite {
  /** Absolute path. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** The place from which `called` was called; undefined when the engine does not tell. */
export function callSite(called: (...args: never[]) => unknown): CallSite | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, called);
  return siteIn(holder.stack?.split('\n')[1] ?? '');
}

/** The place in a line of a stack: `at f (file:///dir/x.ts:1:2)`, `at /dir/x.ts:1:2`, `file:///dir/x.ts:1` (then column 1). */
export function siteIn(line: string): CallSite | undefined {
  const [, path, row, column] = /((?:file:\/\/)?\/[^\s()]+?):(\d+)(?::(\d+))?\)?$/.exec(line.trim()) ?? [];
  if (path === undefined) return undefined;
  const file = path.startsWith('file:') ? fileURLToPath(path.replace(/\?.*$/, '')) : path.replace(/\?.*$/, '');
  return { file, line: Number(row), column: Number(column ?? 1) };
}
