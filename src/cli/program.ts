// Our command descriptions, spelled for commander.
import { Argument, Command as Program, Option } from 'commander';
import { colorsFor, type Command, type CommandContext, type Output } from './command.ts';
import { commands } from './commands.ts';

/** What the user asked for, parsed. */
export interface Invocation {
  readonly project: string;
  readonly args: readonly string[];
  readonly options: CommandContext['options'];
}

export interface ProgramParts {
  readonly version: string;
  readonly stdout: Output;
  readonly stderr: Output;
  /** The command that the command line names, loaded; others appear only in the list. */
  readonly name: string | undefined;
  readonly loaded: Command | undefined;
  readonly onInvoke: (invocation: Invocation) => void;
}

export const projectOption = { flags: '--project <dir>', summary: 'folder with millrace.yaml or millrace.config.ts', default: '.' } as const;

/** The first word of a command line that is neither an option nor the value of --project; also behind `help`. */
export function commandName(argv: readonly string[]): string | undefined {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string;
    if (word === '--project') i += 1;
    else if (!word.startsWith('-') && word !== 'help') return word;
  }
  return undefined;
}

export function buildProgram(parts: ProgramParts): Program {
  const program = new Program('millrace');
  const { stdout, stderr } = parts;
  program
    .description('Change data from PostgreSQL to PostgreSQL, exactly once.')
    .usage('[--project DIR] COMMAND')
    .option(projectOption.flags, projectOption.summary, projectOption.default)
    .version(parts.version, '--version', 'print the version')
    .helpOption('--help', 'print help; `millrace COMMAND --help` for one command')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, styleTitle: (title) => colorsFor(stdout, process.env).bold(title) })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => Math.min(stdout.columns ?? 100, 100),
      outputError: (text, write) => write(usageError(text, parts.name)),
    });
  for (const entry of commands) {
    const sub = program.command(entry.name).summary(entry.summary).helpGroup(`${entry.group}:`).helpOption('--help', 'print this help');
    if (entry.name === parts.name && parts.loaded) describe(sub, entry.summary, parts.loaded, parts.onInvoke);
  }
  program.addHelpText('after', '\nExample:\n  millrace demo          see it work; nothing needs to be installed or configured\n\nDocumentation: docs/ in the package, or the README.');
  return program;
}

function describe(sub: Program, summary: string, command: Command, onInvoke: ProgramParts['onInvoke']): void {
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  sub.description(command.description ? `${sentence}\n\n${command.description}` : sentence);
  for (const each of command.arguments ?? []) {
    const name = `${each.name}${each.many ? '...' : ''}`;
    const argument = new Argument(each.optional ? `[${name}]` : `<${name}>`, each.summary);
    sub.addArgument(each.choices ? argument.choices([...each.choices]) : argument);
  }
  for (const each of command.options ?? []) {
    const option = new Option(each.flags, each.summary);
    if (each.choices) option.choices([...each.choices]);
    if (each.default !== undefined) option.default(each.default);
    sub.addOption(option);
  }
  const width = Math.max(...command.examples.map(([line]) => line.length));
  const examples = command.examples.map(([line, purpose]) => `  ${line.padEnd(width)}   ${purpose}`);
  sub.addHelpText('after', `\n${examples.length > 1 ? 'Examples' : 'Example'}:\n${examples.join('\n')}`);
  sub.action(() => {
    const all = sub.optsWithGlobals<Record<string, string | boolean | string[]>>();
    const { project, ...options } = all;
    onInvoke({ project: String(project), args: sub.args, options });
  });
}

/** Commander's messages in our form. It appends "(Did you mean …?)" on a line of its own. */
function usageError(text: string, command: string | undefined): string {
  const [first, second] = text.trim().split('\n');
  const next = second ? second.replace(/^\(|\)$/g, '').replace('Did you mean', 'did you mean') : `millrace ${command ? `${command} ` : ''}--help`;
  return `error[USAGE]: ${first?.replace(/^error: /, '').replace(/\.$/, '')}\n  next: ${next}\n`;
}
