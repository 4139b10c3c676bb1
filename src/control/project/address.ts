// Where a database is, and where its password comes from: the URL, a variable, a file, a program. All of them are asked again when connections
// are made, so that a password which was changed is found without a restart.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MillraceError } from '../../base/index.ts';
import { parsePgUrl, type PgAddress, type Secret } from '../../wire/index.ts';
import { subject } from './problems.ts';
import type { Path, Report } from './report.ts';
import type { DatabaseConfig } from './schema.ts';
import { type Env, interpolate } from './variables.ts';

/** What a project's values are filled in from. */
export interface Around {
  readonly folder: string;
  /** The environment over `.env` as it is now. */
  env(): Env;
}

const commandMsMax = 30_000;

/** Problems of the URL go to the report. */
export function resolveAddress(database: DatabaseConfig, path: Path, report: Report, around: Around): PgAddress {
  const plain = typeof database === 'string';
  const url = plain ? database : database.url;
  const urlPath = plain ? path : [...path, 'url'];
  checkUrl(url, urlPath, report);
  const password = plain ? undefined : database.password;
  const secret = password === undefined ? fromUrl(report.templateOf(urlPath), around) : fromElsewhere(password, [...path, 'password'], report, around);
  return secret === undefined ? url : { url, password: secret };
}

function checkUrl(url: string, path: Path, report: Report): void {
  if (report.isUnknown(path)) return;
  try {
    parsePgUrl(url);
  } catch (error) {
    // Bad escapes in a URL are URIErrors.
    const known = error instanceof MillraceError;
    report.error(path, `${subject(path)}: ${known ? error.message : 'not a connection URL'}`, { hint: known ? error.hint : 'write % in user names and passwords as %25' });
  }
}

/** A URL that has variables: its password as they say now. */
function fromUrl(template: string | undefined, around: Around): Secret | undefined {
  if (template === undefined) return undefined;
  return { read: async () => parsePgUrl(fill(template, around)).password as string | undefined };
}

function fromElsewhere(password: NonNullable<Exclude<DatabaseConfig, string>['password']>, path: Path, report: Report, around: Around): Secret {
  if (typeof password === 'string') {
    const template = report.templateOf(path);
    if (template === undefined) report.warning(path, 'a password stands in the file', { hint: 'put it into .env or the environment and write ${NAME} here' });
    return { read: async () => (template === undefined ? password : fill(template, around)) };
  }
  const { file, command } = password;
  if (command) return fromCommand(command, around.folder);
  return { read: async () => readPassword(resolve(around.folder, file ?? '')) };
}

const unreadable = (message: string, detail?: string): MillraceError =>
  new MillraceError('AUTH_FAILED', `the password cannot be read: ${message}`, { ...(detail ? { detail } : {}), hint: 'mend what gives it; Millrace tries again' });

function fill(template: string, { env, folder }: Around): string {
  const { text, problems } = interpolate(template, env(), folder);
  if (problems[0]) throw unreadable(problems[0].message);
  return text;
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw unreadable(`${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}

/** What the program prints is kept until the server refuses it: programs that make tokens take their time. */
function fromCommand([program = '', ...args]: readonly string[], folder: string): Secret {
  let kept: Promise<string> | undefined;
  const ask = (): Promise<string> => new Promise((done, fail) => {
    execFile(program, args, { cwd: folder, timeout: commandMsMax, maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (!error) return done(stdout.replace(/\r?\n$/, ''));
      // Not the message: it repeats the command line.
      fail(unreadable(`${program} ${error.killed ? `did not end within ${commandMsMax / 1000} s` : `failed (${String(error.code)})`}`, stderr.trim().slice(-500)));
    });
  });
  return {
    async read(refused) {
      const last = kept;
      if (last && (refused === undefined || (await last) !== refused)) return last;
      // Of several that were refused, the first one asks.
      if (kept === last) kept = ask();
      const asked = kept as Promise<string>;
      asked.catch(() => {
        if (kept === asked) kept = undefined;
      });
      return asked;
    },
  };
}
