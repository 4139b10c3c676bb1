// What the HTTP server answers: one entry a path.
import { MillraceError } from '../../base/index.ts';
import type { ProjectStatus, Running } from '../../control/index.ts';

/** A string body is Prometheus text, anything else becomes JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Asked {
  readonly running: Running;
  /** The replica, in paths that have one. */
  readonly name: string;
  readonly query: URLSearchParams;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  /** `*` stands for a name. */
  readonly path: readonly string[];
  /** Answers also while the project is starting; `running` is not to be used then. */
  readonly always?: boolean;
  answer(asked: Asked): Answer | Promise<Answer>;
}

const ok = (body: unknown): Answer => ({ status: 200, body });

const get = (path: string, answer: Route['answer'], always = false): Route => ({ method: 'GET', path: [path], always, answer });

/** Something that is done to one replica, which must exist. */
const control = (verb: string, act: (asked: Asked) => unknown): Route => ({
  method: 'POST',
  path: ['replicas', '*', verb],
  async answer(asked) {
    const names = Object.keys(asked.running.status().replicas);
    if (!names.includes(asked.name)) {
      throw new MillraceError('NAME_UNKNOWN', `there is no running replica "${asked.name}"`, { hint: `running replicas: ${names.join(', ') || 'none'}` });
    }
    return ok((await act(asked)) ?? { ok: true });
  },
});

export const routes: readonly Route[] = [
  get('health', () => ok({ ok: true, pid: process.pid }), true),
  get('ready', ({ running }) => {
    const waiting = notReady(running.status());
    return { status: waiting.length === 0 ? 200 : 503, body: { ready: waiting.length === 0, waiting } };
  }),
  get('metrics', ({ running }) => ok(running.metrics())),
  get('status', ({ running }) => ok(running.status())),
  control('pause', ({ running, name }) => running.pause(name)),
  control('resume', ({ running, name }) => running.resume(name)),
  control('resync', ({ running, name, query }) => running.resync(name, query.getAll('table'))),
  control('rows', ({ running, name, query }) => {
    const where = query.get('where');
    return running.resyncRows(name, query.getAll('table'), where === null ? 'repair' : { where });
  }),
  control('hold', ({ running, name, query }) => running.hold(name, required(query, 'position'), milliseconds(query, 'ms'), query.get('source') ?? undefined)),
  control('release', ({ running, name }) => running.release(name)),
];

/** What keeps the project from being ready: everything that neither streams nor was paused by request. */
function notReady(status: ProjectStatus): string[] {
  const of = (kind: string, all: Readonly<Record<string, { state: string }>>): string[] =>
    Object.entries(all).filter(([, { state }]) => state !== 'streaming' && state !== 'paused').map(([name, { state }]) => `${kind} ${name}: ${state}`);
  return [...of('source', status.sources), ...of('replica', status.replicas)];
}

function required(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (!value) throw new MillraceError('USAGE', `the parameter ${name} is missing`, { hint: `add ?${name}=…` });
  return value;
}

/** 1 ms to an hour. */
function milliseconds(query: URLSearchParams, name: string): number {
  const value = Number(required(query, name));
  if (!Number.isInteger(value) || value < 1 || value > 3_600_000) {
    throw new MillraceError('USAGE', `the parameter ${name} is not a whole number of milliseconds from 1 to 3600000`, { hint: `${name}=30000` });
  }
  return value;
}
