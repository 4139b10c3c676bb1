// What a command is: a description from which the parser, `--help` and docs/reference/cli.md are made, and a function that does it.
// A command's name and summary stand in commands.ts, so that `millrace --help` loads no command.
import { createColors } from 'picocolors';

type Colors = ReturnType<typeof createColors>;

export interface CommandArgument {
  /** In capitals, as help shows it: NAME. */
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** Takes all remaining arguments. */
  readonly many?: boolean;
  readonly choices?: readonly string[];
}

export interface CommandOption {
  /** In commander's spelling: `--json`, `--from <position>`, `--only <name...>`, `--no-ddl` (then the option `ddl` is true unless given). */
  readonly flags: string;
  readonly summary: string;
  readonly choices?: readonly string[];
  readonly default?: string;
}

/** A stream that may be a terminal. Tests hand in a PassThrough. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };

export interface CommandContext {
  /** The project's folder, absolute. */
  readonly folder: string;
  /** Positional arguments in order; variadic ones flattened. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at SIGINT, SIGTERM and SIGHUP; see `graceful`. */
  readonly signal: AbortSignal;
}

/** 0: done, or the answer is yes. 1: the answer is no (different, invalid, findings). 2: it could not be done; thrown errors end here too. */
export type ExitCode = 0 | 1 | 2;

/** Each file in this folder that is named like a command exports one of these as `command`. */
export interface Command {
  /** More than the summary says, for `millrace NAME --help` and the reference: a few sentences. */
  readonly description?: string;
  readonly arguments?: readonly CommandArgument[];
  readonly options?: readonly CommandOption[];
  /** At least one: a command line that works as it stands, and what it is for. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Shape of the output of --json, in TypeScript's notation, for the reference. */
  readonly json?: string;
  /** It ends by itself soon after `signal` aborts. Others end at once at a signal; so does this one at the second. */
  readonly graceful?: boolean;
  run(context: CommandContext): Promise<ExitCode>;
}

/** The value of a boolean option. */
export const flag = (context: CommandContext, name: string): boolean => context.options[name] === true;

/** The value of an option that takes one. */
export const text = (context: CommandContext, name: string): string | undefined => {
  const value = context.options[name];
  return typeof value === 'string' ? value : undefined;
};

/** The values of an option that takes several, or undefined when it is absent. */
export const list = (context: CommandContext, name: string): readonly string[] | undefined => {
  const value = context.options[name];
  return typeof value === 'object' ? value : undefined;
};

export const printLine = (to: Output, line = ''): void => void to.write(`${line}\n`);

/** One JSON document, indented in a terminal, on one line in a pipe. */
export const printJson = (to: Output, value: unknown): void => printLine(to, JSON.stringify(value, null, to.isTTY ? 2 : undefined));

/** Colours for a stream: only in a terminal, and never when NO_COLOR is set (https://no-color.org); FORCE_COLOR wins over the first. */
export function colorsFor(to: Output, env: CommandContext['env']): Colors {
  return createColors(!env['NO_COLOR'] && (Boolean(env['FORCE_COLOR']) || (to.isTTY === true && env['TERM'] !== 'dumb')));
}
