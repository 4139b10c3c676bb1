// `millrace remove`: drops the slots and publications that this project made.
import { createInterface } from 'node:readline/promises';
import { MillraceError } from '../base/index.ts';
import { loadProject, planRemoval, type Removal } from '../control/index.ts';
import { type Command, type CommandContext, flag, printLine } from './command.ts';

export const command: Command = {
  description: 'Lists what it would drop and asks. Publications that the project only uses stay, and so do slots and publications of other projects, the replicated tables and the folder .millrace/. '
    + 'Refused while a process runs the project.',
  options: [
    { flags: '--target', summary: 'also the rows that Millrace keeps for the replicas in the schema millrace of the targets' },
    { flags: '--yes', summary: 'do not ask' },
  ],
  examples: [['millrace remove', 'when a project is over: a slot that nobody reads keeps WAL for ever'], ['millrace remove --target --yes', 'to start again from nothing']],
  async run(context) {
    const { project } = await loadProject(context.folder, { env: context.env });
    const removals = await planRemoval(project, flag(context, 'target'));
    if (removals.length === 0) {
      printLine(context.stdout, 'nothing is there to remove');
      return 0;
    }
    for (const { what, where, run } of removals) printLine(context.stdout, `  ${what}   ${where}${run ? '' : '   stays: it belongs to another project'}`);
    const mine = removals.filter(({ run }) => run);
    if (mine.length === 0) return 0;
    if (!(await agreed(context, mine))) {
      printLine(context.stdout, 'nothing was removed');
      return 1;
    }
    for (const { what, run } of mine) {
      await run?.();
      printLine(context.stdout, `removed ${what}`);
    }
    return 0;
  },
};

async function agreed(context: CommandContext, removals: readonly Removal[]): Promise<boolean> {
  if (flag(context, 'yes')) return true;
  if (!process.stdin.isTTY) throw new MillraceError('USAGE', 'nobody is here to be asked', { hint: 'add --yes to remove what is listed' });
  const terminal = createInterface({ input: process.stdin, output: context.stdout });
  try {
    const answer = await terminal.question(`Remove ${removals.length === 1 ? 'it' : 'them'}? [y/N] `, { signal: context.signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
