// .millrace/run.json: which process runs this project, and where it answers HTTP. It is also the lock: one process a folder.
import { linkSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asMillraceError, MillraceError } from '../base/index.ts';

export interface RunFile {
  readonly pid: number;
  /** http://host:port; empty when it answers nobody: a program that runs the project by `run` of the package. */
  readonly http: string;
}

export const runFilePath = (folder: string): string => join(folder, '.millrace', 'run.json');

/** What runs this project; undefined when nothing does, whatever a dead process left behind. */
export function readRunFile(folder: string): RunFile | undefined {
  const found = parse(runFilePath(folder));
  return found && isAlive(found, runFilePath(folder)) ? found : undefined;
}

/** The folders that this process runs, by their real paths: two of its parts must not run the same one either. */
const runsHere = new Set<string>();

/** Throws ALREADY_RUNNING when a live process, or this one already, runs this project. */
export function assertNotRunning(folder: string): void {
  const running = readRunFile(folder);
  if (!running || (running.pid === process.pid && !runsHere.has(realpathSync(folder)))) return;
  const here = running.pid === process.pid;
  throw new MillraceError('ALREADY_RUNNING', here ? 'this process runs this project already' : `process ${running.pid} runs this project`, {
    where: runFilePath(folder),
    ...(running.http === '' ? {} : { detail: `it answers at ${running.http}` }),
    hint: here ? 'stop what `run` returned before' : `stop it first: kill ${running.pid}`,
  });
}

/**
 * Writes run.json for this process (`http` as in RunFile), or throws ALREADY_RUNNING. The file appears whole or not at all (a hard link of a finished file), and of
 * two processes that start together one wins. Returns what removes it again; it is also removed when the process exits by itself.
 */
export function claimRunFile(folder: string, http: string): () => void {
  const path = runFilePath(folder);
  mkdirSync(join(folder, '.millrace'), { recursive: true });
  const own = `${path}.${process.pid}`;
  try {
    writeFileSync(own, `${JSON.stringify({ pid: process.pid, http } satisfies RunFile)}\n`);
    for (;;) {
      assertNotRunning(folder);
      if (link(own, path)) break;
      setAside(path, `${own}.stale`);
    }
  } catch (error) {
    throw error instanceof MillraceError ? error : asMillraceError(Object.assign(error as Error, { path: own }));
  } finally {
    rmSync(own, { force: true });
  }
  const real = realpathSync(folder);
  runsHere.add(real);
  const release = (): void => {
    process.off('exit', release);
    runsHere.delete(real);
    if (parse(path)?.pid === process.pid) rmSync(path, { force: true });
  };
  process.on('exit', release);
  return release;
}

/** Takes a dead process's file away. If another process put its own there meanwhile, that one goes back. */
function setAside(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const taken = parse(aside);
  if (taken && isAlive(taken, aside) && taken.pid !== process.pid) link(aside, path);
  rmSync(aside, { force: true });
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function parse(path: string): RunFile | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<RunFile>;
    return typeof value.pid === 'number' && typeof value.http === 'string' ? { pid: value.pid, http: value.http } : undefined;
  } catch {
    return undefined; // absent, or not ours
  }
}

/** A process with this pid exists and is not younger than the file: in containers every start gets the same few pids. */
function isAlive(file: RunFile, path: string): boolean {
  try {
    process.kill(file.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const started = startedMs(file.pid);
  return started === undefined || started < statSync(path).mtimeMs + 2000;
}

/** When a process started, to about a second, where the system tells it as Linux does (proc(5): starttime in ticks of 10 ms since boot). */
function startedMs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    return Number.isFinite(ticks + boot) ? boot * 1000 + ticks * 10 : undefined;
  } catch {
    return undefined;
  }
}
