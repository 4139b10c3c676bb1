// A process that is killed while it appends: everything it reported durable is there, and nothing wrong is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { plainRun, RandomRuns } from '../../test/support/random-run.ts';
import { Random } from '../base/index.ts';
import type { Run } from '../data/index.ts';
import { EmbeddedStream } from './embedded.ts';
import { readAll } from './stream.contract.ts';

const child = fileURLToPath(new URL('../../test/support/log-writer-child.ts', import.meta.url));

/** Runs the child until it is killed, by us after `ms` or by itself at a crash point; the last durable end it reported. */
async function lastReport(folder: string, seed: number, ms: number, crashAt: string | undefined): Promise<bigint> {
  const process_ = spawn(process.execPath, [child, folder, String(seed), ...(crashAt?.startsWith('log.before-trim') ? ['trim'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...(crashAt ? { MILLRACE_CRASH_AT: crashAt } : {}) },
  });
  let text = '';
  process_.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const killed = once(process_, 'close');
  const timer = crashAt ? undefined : once(process_.stdout, 'data').then(() => setTimeout(() => process_.kill('SIGKILL'), ms));
  assert.deepEqual(await killed, [null, 'SIGKILL']);
  clearTimeout(await timer);
  return BigInt(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1) ?? '0');
}

for (const crashAt of [undefined, undefined, 'log.before-append:40', 'log.after-append:40', 'log.after-sync:40', 'log.before-trim:3']) {
  test(`killed ${crashAt ? `at ${crashAt}` : 'at any moment'}: what was durable is there`, async (t) => {
    const seed = (Date.now() ^ process.hrtime()[1]) >>> 0;
    t.diagnostic(`seed ${seed}`);
    const folder = await mkdtemp(join(tmpdir(), 'millrace-log-'));
    try {
      const durable = await lastReport(folder, seed, 20 + (seed % 150), crashAt);
      const stream = await EmbeddedStream.open(folder, 'shop');
      const end = stream.end!;
      assert.ok(end >= durable, `seed ${seed}: the log ends at ${end}, ${durable} was reported durable`);
      const found = (await readAll(stream.read(stream.start!))).map(plainRun);
      assert.ok(found.length > 0);
      // The same chance makes the same runs.
      const random = new Random(seed);
      const runs = new RandomRuns(random, { start: 0n });
      const next = (): Run => {
        const run = runs.next({ open: random.chance(0.2) });
        random.chance(0.3);
        return run;
      };
      // What was trimmed ends with the whole run that stands at the start.
      for (let run: Run | undefined; stream.start! > 0n && !(run?.open === false && run.position === stream.start); ) run = next();
      const expected = found.map(() => plainRun(next()));
      assert.deepEqual(found, expected, `seed ${seed}`);
      await stream.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
