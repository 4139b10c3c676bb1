// Leaves nothing behind, whatever happens: a small process that outlives the demo by a moment. When the demo ends without having said that
// it cleaned up (kill -9 included), it kills the processes and removes the folders that the demo had told it of.
import { type ChildProcess, spawn } from 'node:child_process';

/** Reads lines `pid N`, `gone N`, `folder PATH` and `clean` until the pipe closes. Written in plain JavaScript, to run without any file. */
const program = `
import { rmSync } from 'node:fs';
let text = '';
process.stdin.setEncoding('utf8').on('data', (chunk) => (text += chunk));
process.stdin.on('end', async () => {
  const pids = new Set(), folders = [];
  for (const line of text.split('\\n')) {
    const [word, ...rest] = line.split(' ');
    const value = rest.join(' ');
    if (word === 'clean') return;
    if (word === 'pid') pids.add(Number(value));
    if (word === 'gone') pids.delete(Number(value));
    if (word === 'folder') folders.push(value);
  }
  const signal = (name) => { for (const pid of pids) try { process.kill(pid, name); } catch { pids.delete(pid); } };
  signal('SIGQUIT');
  await new Promise((resolve) => setTimeout(resolve, 700));
  signal('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => undefined);
`;

export class Janitor {
  readonly #process: ChildProcess;

  constructor() {
    // Its own session: neither Ctrl-C nor a closed terminal reaches it.
    this.#process = spawn(process.execPath, ['--input-type=module', '-e', program], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.unref();
  }

  /** Ends this process if the demo cannot. */
  watch(pid: number | undefined): void {
    if (pid !== undefined) this.#tell(`pid ${pid}`);
  }

  /** The process has ended; its number may belong to another one soon. */
  forget(pid: number | undefined): void {
    if (pid !== undefined) this.#tell(`gone ${pid}`);
  }

  /** Removes this folder if the demo cannot. */
  watchFolder(folder: string): void {
    this.#tell(`folder ${folder}`);
  }

  /** Everything has been cleaned up. Resolves when the janitor is gone. */
  async dismiss(): Promise<void> {
    const gone = new Promise<void>((resolve) => void this.#process.once('exit', () => resolve()));
    this.#process.ref();
    this.#tell('clean');
    this.#process.stdin?.end();
    if (this.#process.exitCode === null && this.#process.signalCode === null) await gone;
  }

  #tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }
}
