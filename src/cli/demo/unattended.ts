// The demo without a terminal: a line a second; with a duration also one kill in the middle, and a verify that decides the exit code.
import type { ExitCode } from '../command.ts';
import { clockText, grouped } from './ansi.ts';
import type { Stage } from './stage.ts';

export async function unattended(stage: Stage, rate: number, forMs: number | undefined, signal: AbortSignal, say: (line: string) => void): Promise<ExitCode> {
  stage.onEvent = (event) => say(`${clockText(event.atS)}  ${{ plain: '·', good: '✓', warn: '!', bad: '✗' }[event.tone]} ${event.text}`);
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  /** Ends early at a signal and at a failure. */
  const wait = async (ms: number): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end && !signal.aborted && stage.failure === undefined; ) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const failed = (): ExitCode => {
    say(`the replicating process ended by itself (${stage.failure}); its last lines:\n${stage.logTail()}`);
    return 2;
  };

  await Promise.race([aborted, stage.start(rate)]);
  const lines = setInterval(() => say(`${clockText(stage.elapsedS)}  ${line(stage)}`), 1000);
  try {
    if (forMs === undefined) {
      await wait(Infinity);
      return stage.failure === undefined ? 0 : failed();
    }
    const end = performance.now() + forMs;
    await wait(forMs / 2);
    if (!signal.aborted && stage.failure === undefined) await Promise.race([aborted, stage.kill()]);
    await wait(Math.max(0, end - performance.now()));
  } finally {
    clearInterval(lines);
  }
  if (signal.aborted) return 2;
  if (stage.failure !== undefined) return failed();
  if (!(await stage.settle())) {
    say('the warehouse did not catch up within a minute; the process says:\n' + stage.logTail());
    return 2;
  }
  say(`${clockText(stage.elapsedS)}  ${line(stage)}`);
  const verdict = await stage.verify();
  if (verdict?.equal === undefined) {
    say(verdict?.problem ?? '');
    return 2;
  }
  if (stage.torn > 0) say(`${stage.torn} looks at the target saw a sum that never was at the source`);
  return verdict.equal && stage.torn === 0 ? 0 : 1;
}

function line(stage: Stage): string {
  const { source, target, state, lagMs, tables, balance } = stage.frame();
  const lag = lagMs === undefined ? 'down' : `${grouped(lagMs)} ms behind`;
  const rows = (side: 'source' | 'target'): string => grouped(tables.reduce((sum, table) => sum + (table[side] ?? 0), 0));
  const sum = balance.target === undefined ? '' : `   Σ balances ${balance.target === balance.source ? 'equal' : 'DIFFERENT'}`;
  return `${state.padEnd(9)}  shop ${grouped(source.rate).padStart(6)} rows/s   warehouse ${grouped(target.rate).padStart(6)} rows/s   ${lag.padStart(14)}   rows ${rows('source')} / ${rows('target')}${sum}`;
}
