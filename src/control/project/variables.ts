// ${NAME}, ${NAME:-default} and ${file:/path}: values that stand outside the project's file.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export type Env = Readonly<Record<string, string | undefined>>;

/** A variable that has no value, or is written wrongly. Offsets are within the text that was given. */
export interface VariableProblem {
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly hint?: string;
}

const form = /^(?:file:(.+)|([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?)$/s;

/**
 * Replaces the variables of `text`. `$${` stands for `${` itself; an empty value counts as absent when there is a default, as in a shell.
 * Files are read relative to `folder`, one newline at their end is cut off.
 */
export function interpolate(text: string, env: Env, folder: string): { text: string; problems: VariableProblem[] } {
  const problems: VariableProblem[] = [];
  let out = '';
  let at = 0;
  for (;;) {
    const start = text.indexOf('${', at);
    if (start < 0) return { text: out + text.slice(at), problems };
    if (text[start - 1] === '$' && start > at) {
      out += `${text.slice(at, start - 1)}\${`;
      at = start + 2;
      continue;
    }
    out += text.slice(at, start);
    const end = text.indexOf('}', start);
    const problem = (message: string, hint?: string): void =>
      void problems.push({ start, end: end < 0 ? text.length : end + 1, message, ...(hint === undefined ? {} : { hint }) });
    if (end < 0) {
      problem('"${" has no "}"', 'write ${NAME}, or $${ for the characters themselves');
      return { text: out, problems };
    }
    const [matched, file, name, fallback] = form.exec(text.slice(start + 2, end)) ?? [];
    if (matched === undefined) {
      problem(`"${text.slice(start, end + 1)}" is not a variable`, 'write ${NAME}, ${NAME:-default} or ${file:/path}, or $${ for the characters themselves');
    } else if (file !== undefined) {
      try {
        out += readFileSync(resolve(folder, file), 'utf8').replace(/\r?\n$/, '');
      } catch (error) {
        problem(`the file ${file} of \${file:…} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      }
    } else {
      const value = env[name as string];
      if (value !== undefined && !(value === '' && fallback !== undefined)) out += value;
      else if (fallback !== undefined) out += fallback;
      else problem(`the variable ${name} is not set`, `set it in the environment or in .env, or give a default: \${${name}:-value}`);
    }
    at = end + 1;
  }
}

/**
 * The NAME=value lines of a `.env` file: `export ` in front, `#` comments, values bare, in single quotes (as they stand) or in double quotes
 * (with \n, \t, \\ and \").
 */
export function parseDotEnv(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const line = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?:'([^']*)'|"((?:[^"\\]|\\[\s\S])*)"|([^\r\n]*?))[ \t]*(?:[ \t]#[^\r\n]*)?\r?$/gm;
  for (const [, name = '', single, double, bare = ''] of text.matchAll(line)) {
    values[name] = single ?? (double === undefined ? (bare.startsWith('#') ? '' : bare) : double.replace(/\\([\s\S])/g, (_, c: string) => escapes[c] ?? c));
  }
  return values;
}

const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t' };

/** The environment over the folder's `.env`: what is set outside wins. */
export function projectEnv(folder: string, env: Env): Env {
  let text: string;
  try {
    text = readFileSync(resolve(folder, '.env'), 'utf8');
  } catch {
    return env;
  }
  return { ...parseDotEnv(text), ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)) };
}
