// The program `millrace`: hands the command line to command-line.ts and turns signals and streams of this process into what it needs.
import type { Command } from './command.ts';
import { runCommandLine } from './command-line.ts';
import { keepMemorySteady } from './steady-memory.ts';

if (process.argv.includes('up')) keepMemorySteady();

/** The first signal asks a graceful command to end; the second, or the first for any other command, ends the process at once. */
function processSignal(command: Command): AbortSignal {
  const abort = new AbortController();
  for (const [name, number] of [['SIGHUP', 1], ['SIGINT', 2], ['SIGTERM', 15]] as const) {
    process.on(name, () => {
      if (!command.graceful || abort.signal.aborted) process.exit(128 + number);
      abort.abort();
    });
  }
  return abort.signal;
}

// `millrace tail | head` closes our stdout: that ends the command, it is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2));

const code = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd(), signalFor: processSignal,
});
await new Promise<void>((done) => void process.stdout.write('', () => done()));
process.exit(code);
