// The other end of serve/http: how a command talks to the process that runs the project.
import { realpathSync } from 'node:fs';
import { request } from 'node:http';
import { catalogue, type ErrorCode, MillraceError, systemClock } from '../base/index.ts';
import { readRunFile, runFilePath } from './run-file.ts';
import type { ProjectStatus, RowsReport, Running, WhichRows } from './status.ts';

export interface RunningClient {
  readonly pid: number;
  status(): Promise<ProjectStatus>;
  pause(replica: string): Promise<void>;
  resume(replica: string): Promise<void>;
  /** Tables by the source's name ("public.orders"); all of the replica when empty. */
  resync(replica: string, tables: readonly string[]): Promise<void>;
  /** The same of single rows; see Running.resyncRows. */
  resyncRows(replica: string, tables: readonly string[], which: WhichRows): Promise<RowsReport>;
  /** Resolves when the replica stands at `position`; see Running.hold. */
  hold(replica: string, position: string, ms: number, source?: string): Promise<void>;
  release(replica: string): Promise<void>;
}

/** What this process runs itself, by the folder's real path. */
const here = new Map<string, RunningClient>();

/** Lets `findRunning` find what this process runs itself, until the returned function is called. */
export function answerHere(folder: string, running: Running): () => void {
  const real = realpathSync(folder);
  here.set(real, {
    pid: process.pid,
    status: () => Promise.resolve(running.status()),
    pause: (replica) => running.pause(replica),
    resume: (replica) => running.resume(replica),
    resync: (replica, tables) => running.resync(replica, tables),
    resyncRows: (replica, tables, which) => running.resyncRows(replica, tables, which),
    hold: (replica, position, ms, source) => running.hold(replica, position, ms, source),
    release: (replica) => Promise.resolve(running.release(replica)),
  });
  return () => here.delete(real);
}

/** The process that runs this project, or undefined. Throws ALREADY_RUNNING when it runs inside another program, which cannot be asked. */
export function findRunning(folder: string): RunningClient | undefined {
  const found = readRunFile(folder);
  if (!found) return undefined;
  if (found.http !== '') return clientOf(found.pid, found.http);
  const own = found.pid === process.pid ? here.get(realpathSync(folder)) : undefined;
  if (own) return own;
  throw new MillraceError('ALREADY_RUNNING', `process ${found.pid} runs this project inside another program, which answers no commands`, {
    where: runFilePath(folder), hint: 'ask that program: what `run` returned has status(), pause(), resume() and resync(); or stop it first',
  });
}

/** The process that runs this project. Throws NOT_RUNNING. */
export function requireRunning(folder: string): RunningClient {
  const client = findRunning(folder);
  if (!client) throw new MillraceError('NOT_RUNNING', 'no process runs this project', { where: runFilePath(folder) });
  return client;
}

const startingTriesMax = 100;

function clientOf(pid: number, url: string): RunningClient {
  const call = async (method: 'GET' | 'POST', path: string): Promise<unknown> => {
    for (let triesLeft = startingTriesMax; ; triesLeft--) {
      const { status, body } = await send(method, `${url}${path}`).catch((error: unknown) => {
        const detail = error instanceof Error ? error.message : String(error);
        throw new MillraceError('NOT_RUNNING', `process ${pid} does not answer`, { where: url, detail, hint: 'it may just have stopped; look at `millrace status`', cause: error });
      });
      if (status === 200) return body;
      const error = remoteError(body);
      // It has just been started and answers in a moment.
      if (error.code !== 'NOT_RUNNING' || triesLeft === 0) throw error;
      await systemClock.sleep(100);
    }
  };
  const post = async (replica: string, verb: string, query = new URLSearchParams()): Promise<unknown> => {
    const search = query.size > 0 ? `?${query.toString()}` : '';
    return call('POST', `/replicas/${encodeURIComponent(replica)}/${verb}${search}`);
  };
  return {
    pid,
    status: async () => (await call('GET', '/status')) as ProjectStatus,
    pause: async (replica) => void (await post(replica, 'pause')),
    resume: async (replica) => void (await post(replica, 'resume')),
    resync: async (replica, tables) => void (await post(replica, 'resync', listed(tables))),
    resyncRows: async (replica, tables, which) =>
      (await post(replica, 'rows', listed(tables, which === 'repair' ? [] : [['where', which.where]]))) as RowsReport,
    hold: async (replica, position, ms, source) =>
      void (await post(replica, 'hold', new URLSearchParams({ position, ms: String(ms), ...(source === undefined ? {} : { source }) }))),
    release: async (replica) => void (await post(replica, 'release')),
  };
}

const listed = (tables: readonly string[], more: [string, string][] = []): URLSearchParams =>
  new URLSearchParams([...tables.map((table): [string, string] => ['table', table]), ...more]);

/** Not fetch: a resync may take longer than its limit of five minutes, and it refuses some ports. */
function send(method: string, url: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject).on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) });
        } catch {
          reject(new Error(`the answer is not JSON: ${text.slice(0, 200)}`));
        }
      });
    });
    outgoing.on('error', reject).end();
  });
}

/** An error that the other process answered, as if it had happened here. */
function remoteError(body: unknown): MillraceError {
  const { code, message, hint, where, detail } = (body ?? {}) as Record<string, unknown>;
  const known = typeof code === 'string' && code in catalogue ? (code as ErrorCode) : 'INTERNAL';
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const parts = Object.entries({ hint: text(hint), where: text(where), detail: text(detail) }).filter(([, value]) => value !== undefined);
  return new MillraceError(known, text(message) ?? 'the running process answered with an error', Object.fromEntries(parts));
}
