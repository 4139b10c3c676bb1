// `millrace dead`: the rows that a target refused.
import { MillraceError } from '../base/index.ts';
import { loadProject } from '../control/index.ts';
import { colorsFor, flag, printJson, printLine, text, type Command, type CommandContext } from './command.ts';
import { chooseReplicas, type DeadLetter, dropLetter, findLetter, listLetters } from './dead-letters.ts';

export const command: Command = {
  description:
    'A row that a target refuses does not stop its replica (unless onBadRow is stop): it is kept there with its cause, and so are later changes of the same row that need ' +
    'it. `drop` gives a letter up; `millrace resync` of its table makes the row equal again.',
  arguments: [
    { name: 'ACTION', summary: 'what to do', choices: ['list', 'show', 'drop'] },
    { name: 'ID', summary: 'number of the letter, for all but list', optional: true },
  ],
  options: [
    { flags: '--replica <name>', summary: 'only this replica' },
    { flags: '--json', summary: 'as JSON' },
  ],
  json: `// list: an array of them; show: one
{
  id: string, replica: string, state: "open" | "joined" | "superseded" | "replayed" | "dropped",
  sourceTable: string, targetTable: string, op: string, key: object, row: object | null,
  code: string,                 // SQLSTATE, or a code of errors.md
  message: string, column: string | null, position: string, at: string
}`,
  examples: [
    ['millrace dead list', 'open letters, one a line'],
    ['millrace dead show 12', 'the row, and why it was refused'],
    ['millrace dead drop 12', 'give it up'],
  ],
  async run(context) {
    const { folder, args, env, stdout } = context;
    const [action, id] = args;
    const { project } = await loadProject(folder, { env });
    const replicas = chooseReplicas(project, text(context, 'replica'));
    if (action === 'list') {
      list(context, await listLetters(replicas));
      return 0;
    }
    if (id === undefined) throw new MillraceError('USAGE', `dead ${action} needs the number of a letter`, { hint: `millrace dead list, then millrace dead ${action} ID` });
    const { letter, replica } = await findLetter(replicas, id);
    if (action === 'show') show(context, letter);
    else {
      await dropLetter(replica, id);
      printLine(stdout, `letter ${id} is dropped; next: millrace resync ${replica.name}.${letter.sourceTable}, if the row shall be equal again`);
    }
    return 0;
  },
};

const keyText = (key: unknown): string => (typeof key === 'object' && key !== null ? Object.entries(key).map(([name, value]) => `${name} ${String(value)}`).join(' ') : String(key));

function list(context: CommandContext, letters: readonly DeadLetter[]): void {
  const { stdout, env } = context;
  if (flag(context, 'json')) return printJson(stdout, letters);
  if (letters.length === 0) return printLine(stdout, 'no dead letters');
  const c = colorsFor(stdout, env);
  const width = Math.max(...letters.map(({ id }) => id.length));
  for (const { id, replica, targetTable, op, key, code, message, state } of letters) {
    const waits = state === 'joined' ? c.dim(' (waits behind an earlier one)') : '';
    printLine(stdout, `${c.bold(id.padStart(width))}  ${replica}  ${op} ${targetTable} ${keyText(key)}  ${c.red(code)} ${message}${waits}`);
  }
  printLine(stdout, c.dim('next: millrace dead show ID'));
}

function show(context: CommandContext, letter: DeadLetter): void {
  const { stdout, env } = context;
  if (flag(context, 'json')) return printJson(stdout, letter);
  const c = colorsFor(stdout, env);
  const line = (name: string, value: string): void => printLine(stdout, `${c.dim(name.padEnd(9))} ${value}`);
  line('letter', `${c.bold(letter.id)} of ${letter.replica}, ${letter.state}`);
  line('refused', `${c.red(letter.code)} ${letter.message}${letter.column ? ` (column ${letter.column})` : ''}`);
  line('change', `${letter.op} ${letter.sourceTable} → ${letter.targetTable}, ${keyText(letter.key)}`);
  line('at', `${letter.position}, ${letter.at}`);
  if (letter.row !== null) line('row', JSON.stringify(letter.row, null, 2).replaceAll('\n', `\n${' '.repeat(10)}`));
}
