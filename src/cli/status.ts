// `millrace status`: asks the running process; when none runs, the positions in the targets.
import { MillraceError } from '../base/index.ts';
import { findRunning, loadProject, stoppedStatus, type ProjectStatus } from '../control/index.ts';
import { colorsFor, flag, printJson, printLine, type Command, type CommandContext, type ExitCode } from './command.ts';
import { statusText } from './status-text.ts';

export const command: Command = {
  description:
    'States are starting, snapshot, streaming, retrying, paused, stopped and failed. Exit code 1 when something has failed. ' +
    'When no process runs the project, positions and tables are read from the targets and everything is `stopped`.',
  options: [
    { flags: '--watch', summary: 'show it again every second until Ctrl-C; with --json one document a line' },
    { flags: '--json', summary: 'as JSON' },
  ],
  json: `{
  sources: { [name: string]: {
    state: State, reason?: string, next?: string,
    position: string | null,           // what has been received, e.g. "0/16B3748"
    lagBytes: number, lagMs: number,   // 0 when idle
    tables: { [address: string]: { state: State, snapshotRows: number, changes: number,
      reading?: {                      // while the table is read: how far, of what the server estimates
        rows: number, rowsEstimate: number | null, bytes: number, bytesEstimate: number, etaMs: number | null } } } } },
  replicas: { [name: string]: {
    state: State, reason?: string, next?: string,
    position: string | null, lagBytes: number, lagMs: number, rows: number, deadLetters: number,
    // stopped tables, those whose schema has changed while it ran, and those that lack an index which a rule asks for
    tables: { [address: string]: { state: State, reason?: string, next?: string, events: { at: string, what: string }[],
      indexes: { name: string, state: 'making' | 'pending' | 'failed', reason?: string, next?: string }[] } } } }
}`,
  examples: [
    ['millrace status', 'a short tree with the next step at the end of a bad line'],
    ['millrace status --watch', 'the live view'],
    ['millrace status --json', 'for scripts'],
  ],
  graceful: true,
  async run(context) {
    return flag(context, 'watch') ? watch(context) : show(context, await ask(context));
  },
};

async function ask({ folder, env }: CommandContext): Promise<ProjectStatus> {
  const running = findRunning(folder);
  const stopped = async (): Promise<ProjectStatus> => stoppedStatus((await loadProject(folder, { env })).project);
  if (!running) return stopped();
  return running.status().catch((error: unknown) => {
    // It may just have stopped.
    if (error instanceof MillraceError && error.code === 'NOT_RUNNING' && !findRunning(folder)) return stopped();
    throw error;
  });
}

function show(context: CommandContext, status: ProjectStatus): ExitCode {
  const { stdout, env } = context;
  if (flag(context, 'json')) printJson(stdout, status);
  else printLine(stdout, statusText(status, colorsFor(stdout, env)));
  return hasFailed(status) ? 1 : 0;
}

const hasFailed = ({ sources, replicas }: ProjectStatus): boolean =>
  [...Object.values(sources), ...Object.values(replicas).flatMap((replica) => [replica, ...Object.values(replica.tables)])].some(({ state }) => state === 'failed');

/** In a terminal the tree is drawn over the last one; in a pipe each follows the other. */
async function watch(context: CommandContext): Promise<ExitCode> {
  const { stdout, signal, env } = context;
  const json = flag(context, 'json');
  let drawn = 0;
  let code: ExitCode = 0;
  while (!signal.aborted) {
    const status = await ask(context);
    if (json) printLine(stdout, JSON.stringify(status));
    else {
      const lines = statusText(status, colorsFor(stdout, env)).split('\n');
      if (stdout.isTTY && drawn > 0) stdout.write(`\x1b[${drawn}A\x1b[J`);
      printLine(stdout, lines.join('\n'));
      // Lines longer than the terminal take more than one of its rows.
      // eslint-disable-next-line no-control-regex
      drawn = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.replace(/\x1b\[[0-9;]*m/g, '').length / (stdout.columns ?? 80))), 0);
    }
    code = hasFailed(status) ? 1 : 0;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, 1000);
      signal.addEventListener('abort', done, { once: true });
    });
  }
  return code;
}
