import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createLogger } from '../base/index.ts';
import { findRunning } from './client.ts';
import { loadProject } from './project/load.ts';
import { claimRunFile, readRunFile, runFilePath } from './run-file.ts';
import { run } from './supervise/run.ts';

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-run-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A process that claims the folder, says "claimed" or the error's code, and stays until it is told "exit". */
async function claimant(): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    import { claimRunFile } from ${JSON.stringify(new URL('./run-file.ts', import.meta.url).href)};
    try { claimRunFile(${JSON.stringify(folder)}, 'http://127.0.0.1:1'); console.log('claimed'); process.stdin.on('data', () => process.exit(0)); }
    catch (error) { console.log(error.code, error.message); process.exit(2); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const said = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())));
  return { child, said };
}

const exited = (child: ChildProcess): Promise<void> => new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve()));

test('of processes that start together one wins, and the others name it', async () => {
  const all = await Promise.all([claimant(), claimant(), claimant(), claimant()]);
  const winners = all.filter(({ said }) => said === 'claimed');
  assert.equal(winners.length, 1);
  const pid = winners[0]?.child.pid;
  for (const { said } of all) if (said !== 'claimed') assert.equal(said, `ALREADY_RUNNING process ${pid} runs this project`);
  assert.deepEqual(readRunFile(folder), { pid, http: 'http://127.0.0.1:1' });
  assert.deepEqual(readdirSync(join(folder, '.millrace')), ['run.json']);
});

test('the file goes when the process exits, and stays, stale, when it is killed', async () => {
  const first = await claimant();
  first.child.stdin?.write('exit');
  await exited(first.child);
  assert.equal(existsSync(runFilePath(folder)), false);

  const second = await claimant();
  second.child.kill('SIGKILL');
  await exited(second.child);
  assert.equal(existsSync(runFilePath(folder)), true);
  assert.equal(readRunFile(folder), undefined);
  const rivals = await Promise.all([claimant(), claimant(), claimant()]);
  assert.equal(rivals.filter(({ said }) => said === 'claimed').length, 1);
});

test('a file older than the process that has its pid now is stale: in a container every start gets the same pid', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
  mkdirSync(join(folder, '.millrace'));
  writeFileSync(runFilePath(folder), JSON.stringify({ pid: process.ppid, http: 'http://127.0.0.1:1' }));
  assert.equal(readRunFile(folder)?.pid, process.ppid);
  utimesSync(runFilePath(folder), 1, 1);
  assert.equal(readRunFile(folder), undefined);
  const release = claimRunFile(folder, 'http://127.0.0.1:2');
  assert.match(readFileSync(runFilePath(folder), 'utf8'), new RegExp(`^{"pid":${process.pid},"http":"http://127.0.0.1:2","started":"[-0-9a-f]+ \\d+"}\n$`));
  release();
  assert.equal(existsSync(runFilePath(folder)), false);
});

test('a process is still the one that wrote the file after somebody has set the clock', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
  const { child } = await claimant();
  utimesSync(runFilePath(folder), 1, 1);
  assert.equal(readRunFile(folder)?.pid, child.pid);
  assert.match((await claimant()).said, /^ALREADY_RUNNING/);
  child.kill('SIGKILL');
  await exited(child);
  assert.equal(readRunFile(folder), undefined);
});

test('a file that cannot be read as one of ours is replaced', () => {
  mkdirSync(join(folder, '.millrace'));
  writeFileSync(runFilePath(folder), 'half a fi');
  claimRunFile(folder, 'http://127.0.0.1:3')();
});

test('a project that runs inside a program holds its folder: against this program, and against others, which cannot ask it', async () => {
  const nowhere = 'postgres://nobody@127.0.0.1:1/nothing';
  writeFileSync(join(folder, 'millrace.yaml'), `millrace: 1\nsources:\n  shop: { postgres: "${nowhere}" }\nreplicas:\n  warehouse: { from: shop, postgres: "${nowhere}" }\n`);
  const { project } = await loadProject(folder, { env: {} });
  const start = (only?: string[]): ReturnType<typeof run> => run(project, { logger: createLogger('silent'), ...(only ? { only } : {}) });
  await assert.rejects(start(['nobody']), { code: 'NAME_UNKNOWN' });
  const running = await start();
  try {
    await assert.rejects(start(), { code: 'ALREADY_RUNNING', message: 'this process runs this project already' });
    assert.equal((await claimant()).said, `ALREADY_RUNNING process ${process.pid} runs this project`);
    assert.deepEqual(Object.keys((await findRunning(folder)?.status())?.replicas ?? {}), ['warehouse']);
    writeFileSync(runFilePath(folder), JSON.stringify({ pid: process.ppid, http: '' }));
    assert.throws(() => findRunning(folder), { code: 'ALREADY_RUNNING', message: /inside another program/ });
    writeFileSync(runFilePath(folder), JSON.stringify({ pid: process.pid, http: '' }));
  } finally {
    await running.stop();
  }
  assert.equal(findRunning(folder), undefined);
  await (await start()).stop();
  assert.equal(existsSync(runFilePath(folder)), false);
});
