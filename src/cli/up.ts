// `millrace up`: runs the project in this process until a signal, or until everything is caught up.
import { flushCompileCache } from 'node:module';
import { createLogger } from '../base/index.ts';
import { assertNotRunning, formatDiagnostics, loadProject, run, type Project, type Running } from '../control/index.ts';
import { displayTarget, parsePgUrl } from '../wire/index.ts';
import { serveHttp } from '../serve/index.ts';
import { colorsFor, flag, list, printLine, text, type Command, type CommandContext, type ExitCode } from './command.ts';

export const command: Command = {
  description:
    'Takes a snapshot of tables that are not at the target yet, then follows every commit. It goes on from where it stopped, however it stopped. ' +
    'SIGTERM and Ctrl-C let open work finish, within 10 s; a second one ends it at once. Logs are JSON lines on stderr (MILLRACE_LOG sets the level). ' +
    'While it runs it serves GET /health, /ready, /metrics and /status at serve.http (default: a free port of 127.0.0.1), and .millrace/run.json holds ' +
    '{"pid","http"}.',
  options: [
    { flags: '--only <name...>', summary: 'run only these replicas' },
    { flags: '--until <when>', summary: 'apply everything that had committed when it started, then exit', choices: ['caught-up'] },
    { flags: '--no-ddl', summary: 'never change the target\'s schema: wait when a change is needed' },
  ],
  examples: [
    ['millrace up', 'replicate until stopped'],
    ['millrace up --until caught-up', 'one batch, for a cron job or a test'],
    ['millrace up --only warehouse --no-ddl', 'one replica, whose schema is changed by hand'],
  ],
  graceful: true,
  run: up,
};

async function up(context: CommandContext): Promise<ExitCode> {
  const { folder, env, signal, stderr } = context;
  assertNotRunning(folder);
  const { project, warnings } = await loadProject(folder, { env });
  if (warnings.length > 0) printLine(stderr, formatDiagnostics(warnings));
  const http = await serveHttp(project.serve.http);
  let running: Running | undefined;
  try {
    const only = list(context, 'only');
    running = await run(project, { http: http.url, ddl: flag(context, 'ddl'), ...(only ? { only } : {}), logger: createLogger(env['MILLRACE_LOG'] ?? (stderr.isTTY ? 'warn' : 'info')) });
    http.attach(running);
    flushCompileCache(); // otherwise only an orderly end writes it, and a killed process should be back soon
    if (stderr.isTTY) greet(context, project, http.url, only);
    return await untilDone(context, running, signal);
  } finally {
    await running?.stop();
    await http.close();
  }
}

/** Ends at a signal, when the project ends by itself, or when it is caught up if that was asked for. */
async function untilDone(context: CommandContext, running: Running, signal: AbortSignal): Promise<ExitCode> {
  const aborted = new Promise<'signal'>((resolve) => {
    if (signal.aborted) resolve('signal');
    signal.addEventListener('abort', () => resolve('signal'), { once: true });
  });
  const ended = running.ended.then(() => 'ended' as const);
  const caughtUp = text(context, 'until') === 'caught-up' ? [running.caughtUp().then(() => 'caught-up' as const)] : [];
  const why = await Promise.race([aborted, ended, ...caughtUp]);
  ended.catch(() => undefined);
  if (context.stderr.isTTY && why !== 'ended') printLine(context.stderr, why === 'signal' ? '\nstopping: open transactions finish first (again to stop at once)' : 'caught up');
  // Stopped before it was caught up: what was asked for is not there.
  return why === 'signal' && caughtUp.length > 0 ? 2 : 0;
}

/** What runs, where it answers, what to do next. */
function greet({ stderr, env }: CommandContext, project: Project, url: string, only: readonly string[] | undefined): void {
  const c = colorsFor(stderr, env);
  const replicas = project.replicas.filter((each) => !only || only.includes(each.name));
  const used = new Set(replicas.flatMap((each) => each.from.map(({ source }) => source)));
  const names = [...project.sources.filter((each) => used.has(each.name)), ...replicas].map((each) => each.name.length);
  const line = (colour: (text: string) => string, name: string, rest: string): void => printLine(stderr, `  ${colour(name.padEnd(Math.max(...names, 4)))}  ${rest}`);
  printLine(stderr);
  for (const each of project.sources) if (used.has(each.name)) line(c.cyan, each.name, c.dim(displayTarget(parsePgUrl(each.url))));
  for (const each of replicas) line(c.green, each.name, `${c.dim(displayTarget(parsePgUrl(each.url)))} ${c.dim('from')} ${[...new Set(each.from.map(({ source }) => source))].join(', ')}`);
  line(c.dim, 'http', c.dim(`${url}  /status /metrics /ready /health`));
  printLine(stderr, `\n  ${c.dim('elsewhere:')} millrace status --watch ${c.dim('·')} millrace verify ${c.dim('·')} Ctrl-C stops\n`);
}
