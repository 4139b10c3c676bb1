// The demo in a terminal: full screen, redrawn eight times a second, driven by keys.
import type { ExitCode } from '../command.ts';
import { grouped } from './ansi.ts';
import { paint } from './frame.ts';
import { Screen } from './screen.ts';
import type { Stage } from './stage.ts';

export async function live(stage: Stage, rate: number, signal: AbortSignal): Promise<ExitCode> {
  let quit: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (quit = resolve));
  signal.addEventListener('abort', quit, { once: true });
  // Keys only start things; what they come to is told by the stage's events, and a failure ends the demo.
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const keys: Record<string, () => void> = { k: () => void stage.kill().catch(fail), v: () => void stage.verify().catch(fail), q: quit, '\x03': quit };

  const screen = new Screen(process.stdout, process.stdin, (key) => keys[key.toLowerCase()]?.());
  const draw = (): void => screen.show(paint(stage.frame(), screen.columns, screen.rows));
  draw();
  const timer = setInterval(draw, 125);
  try {
    stage.start(rate).catch(fail);
    await Promise.race([asked, failed]);
    stage.event('plain', 'ending: stopping processes, removing folders');
    draw();
  } finally {
    clearInterval(timer);
    screen.close();
  }
  process.stdout.write(summary(stage));
  return stage.failure === undefined ? 0 : 2;
}

/** What stays in the terminal: a line of the past minutes, and how the process ended if it failed. */
function summary(stage: Stage): string {
  const parts = [`${grouped(stage.elapsedS)} s`, `${grouped(stage.rows)} rows changed`, `${stage.kills} × kill -9`];
  const { lastVerdict: verdict } = stage;
  if (verdict) parts.push(verdict.equal ? `last verify: equal, ${grouped(verdict.rows)} rows` : 'last verify: not equal');
  const line = `millrace demo: ${parts.join(', ')}. No process and no folder is left.\n`;
  return stage.failure === undefined ? line : `${line}The replicating process ended by itself (${stage.failure}); its last lines:\n${stage.logTail()}\n`;
}
