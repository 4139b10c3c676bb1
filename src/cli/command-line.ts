// One command line: finds the command, lets commander parse, runs it, and turns what it throws into text and an exit code.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CommanderError } from 'commander';
import type { Command, CommandContext, ExitCode, Output } from './command.ts';
import { commands } from './commands.ts';
import { buildProgram, commandName, type Invocation } from './program.ts';

export interface Surroundings {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: CommandContext['env'];
  readonly cwd: string;
  /** Is asked right before the command runs, since commands differ in how they meet signals. */
  signalFor(command: Command): AbortSignal;
}

/** Runs one command line (without `node` and the script). Never throws. */
export async function runCommandLine(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { stdout, stderr, env } = surroundings;
  try {
    const name = commandName(argv);
    const entry = commands.find((each) => each.name === name);
    if (name !== undefined && !entry) await unknownCommand(name);
    const loaded = entry && (await entry.load()).command;
    let invocation: Invocation | undefined;
    const program = buildProgram({ version: version(), stdout, stderr, name, loaded, onInvoke: (it) => (invocation = it) });
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
    if (!invocation || !loaded) return 0;
    const { project, args, options } = invocation;
    return await loaded.run({ folder: resolve(surroundings.cwd, project), args, options, stdout, stderr, env, signal: surroundings.signalFor(loaded) });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    stderr.write(`${await errorText(error, env)}\n`);
    return 2;
  }
}

async function unknownCommand(name: string): Promise<never> {
  const [{ MillraceError }, { nearestName }] = await Promise.all([import('../base/index.ts'), import('../data/index.ts')]);
  const near = nearestName(name, commands.map((each) => each.name));
  throw new MillraceError('USAGE', `unknown command "${name}"`, near === undefined ? {} : { hint: `did you mean \`millrace ${near}\`?` });
}

/** What a person reads of an error. The stack of an unforeseen one only with MILLRACE_DEBUG. */
async function errorText(thrown: unknown, env: CommandContext['env']): Promise<string> {
  const { asMillraceError, formatError, MillraceError } = await import('../base/index.ts');
  const error = asMillraceError(thrown);
  if (env['MILLRACE_DEBUG']) return `${formatError(error)}\n${thrown instanceof Error ? (thrown.stack ?? '') : ''}`;
  if (error.code !== 'INTERNAL') return formatError(error);
  return formatError(new MillraceError('INTERNAL', error.message, { hint: 'run it again with MILLRACE_DEBUG=1 and report what it prints' }));
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}
