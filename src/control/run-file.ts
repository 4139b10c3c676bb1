// .millrace/run.json: which process runs this project, and where it answers HTTP. It is also the lock: one process a folder.
import { linkSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asMillraceError, MillraceError } from '../base/index.ts';

export interface RunFile {
  readonly pid: number;
  /** http://host:port; empty when it answers nobody: a program that runs the project by `run` of the package. */
  readonly http: string;
}

/** As it is written: with when the process was started, where the system tells. */
interface Claim extends RunFile {
  readonly started?: string;
}

export const runFilePath = (folder: string): string => join(folder, '.millrace', 'run.json');

/** What runs this project; undefined when nothing does, whatever a dead process left behind. */
export function readRunFile(folder: string): RunFile | undefined {
  const found = parse(runFilePath(folder));
  return found && isAlive(found, runFilePath(folder)) ? { pid: found.pid, http: found.http } : undefined;
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
    const started = startOf(process.pid);
    writeFileSync(own, `${JSON.stringify({ pid: process.pid, http, ...(started === undefined ? {} : { started }) } satisfies Claim)}\n`);
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

function parse(path: string): Claim | undefined {
  try {
    const { pid, http, started } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Claim>;
    return typeof pid === 'number' && typeof http === 'string' ? { pid, http, ...(started === undefined ? {} : { started }) } : undefined;
  } catch {
    return undefined; // absent, or not ours
  }
}

/**
 * A process with this pid exists and is the one that wrote the file: in containers every start gets the same few pids. What an older release has
 * written does not say when it was started; then the process must not be younger than the file.
 */
function isAlive(file: Claim, path: string): boolean {
  try {
    process.kill(file.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const start = startOf(file.pid);
  if (start === undefined) return true;
  return file.started === undefined ? startedMs(start) < statSync(path).mtimeMs + 2000 : file.started === start;
}

/**
 * When a process was started, where the system tells it as Linux does: the boot, and ticks of 10 ms since then (proc(5): starttime). Both stay what
 * they are when somebody sets the clock.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${ticks}`;
  } catch {
    return undefined;
  }
}

/** The same by the clock, to about a second. */
const startedMs = (start: string): number => Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]) * 1000 + Number(start.split(' ')[1]) * 10;
