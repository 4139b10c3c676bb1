// `millrace dead`: the rows that a target refused. They lie in the target, so this works whether or not the project runs.
import { MillraceError } from '../base/index.ts';
import { type DeadLetter, dropLetter, listLetters, replayLetter, showLetter } from '../connect/index.ts';
import { loadProject, unknownName, type Project } from '../control/index.ts';
import { formatLsn } from '../data/index.ts';
import type { ReplicaSpec } from '../replica/index.ts';
import { parsePgUrl } from '../wire/index.ts';
import { colorsFor, flag, printJson, printLine, text, type Command, type CommandContext } from './command.ts';

export const command: Command = {
  description:
    'A row that a target refuses does not stop its replica (unless onBadRow is stop): it is kept there with its cause, and so are later changes that need it. `replay` applies ' +
    'a row again, and those that waited behind it, once the cause is mended; a row that has been superseded by a newer change is never replayed, and one that a rule or transform rejected comes with a resync of its table. `drop` gives it up.',
  arguments: [
    { name: 'ACTION', summary: 'what to do', choices: ['list', 'show', 'replay', 'drop'] },
    { name: 'ID', summary: 'number of the letter, for all but list', optional: true },
  ],
  options: [
    { flags: '--replica <name>', summary: 'only this replica' },
    { flags: '--all', summary: 'list: closed ones too' },
    { flags: '--json', summary: 'as JSON (list and show)' },
  ],
  json: `// list: an array of them; show: one
{
  id: string, replica: string, state: "open" | "joined" | "superseded" | "replayed" | "dropped",
  source: string, target: string,           // addresses of tables
  op: string, key: (string | null)[],
  row: { [column: string]: string | null } | null,
  code: string,                              // SQLSTATE, ROW_MISSING, or a code of Millrace
  rejectedBy: "target" | "rule",             // of a rule: cannot be replayed, resync the table when the rule is mended
  message: string, column: string | null, position: string, createdAt: string
}`,
  examples: [
    ['millrace dead list', 'open letters, one a line'],
    ['millrace dead show 12', 'the row, and why it was refused'],
    ['millrace dead replay 12', 'apply it again after the cause is mended'],
  ],
  async run(context) {
    const { folder, args, env, stdout } = context;
    const [action, id] = args;
    const { project } = await loadProject(folder, { env });
    const replicas = chooseReplicas(project, text(context, 'replica'));
    if (action === 'list') {
      const found = await Promise.all(replicas.map((replica) => listLetters(parsePgUrl(replica.url), replica.name, { all: flag(context, 'all') })));
      showList(context, found.flat());
      return 0;
    }
    if (id === undefined) throw new MillraceError('USAGE', `dead ${action} needs the number of a letter`, { hint: `millrace dead list, then millrace dead ${action} ID` });
    const { letter, replica } = await find(replicas, id);
    if (action === 'show') showOne(context, letter);
    else {
      await (action === 'replay' ? replayLetter : dropLetter)(parsePgUrl(replica.url), replica.name, id);
      printLine(stdout, action === 'replay' ? `letter ${id} is applied` : `letter ${id} is dropped; next: millrace resync ${replica.name}.${letter.source}, if the row shall be equal again`);
    }
    return 0;
  },
};

function chooseReplicas(project: Project, name: string | undefined): readonly ReplicaSpec[] {
  const found = project.replicas.filter((replica) => name === undefined || replica.name === name);
  if (found.length > 0 || name === undefined) return found;
  throw unknownName('replica', name, project.replicas.map((replica) => replica.name));
}

/** Numbers are unique in a target; with several targets the replica may have to be named. */
async function find(replicas: readonly ReplicaSpec[], id: string): Promise<{ letter: DeadLetter; replica: ReplicaSpec }> {
  const found = await Promise.all(
    replicas.map(async (replica) => (await listLetters(parsePgUrl(replica.url), replica.name, { all: true })).filter((letter) => letter.id === id).map((letter) => ({ letter, replica }))),
  );
  const [first, ...others] = found.flat();
  if (!first) throw new MillraceError('LETTER_UNKNOWN', `there is no dead letter ${id}`);
  if (others.length === 0) return { ...first, letter: await showLetter(parsePgUrl(first.replica.url), first.replica.name, id) };
  throw new MillraceError('USAGE', `several replicas have a dead letter ${id}`, { hint: `add --replica: ${[first, ...others].map(({ replica }) => replica.name).join(', ')}` });
}

const letterJson = ({ consumer, position, column, row, ...rest }: DeadLetter): object => ({
  ...rest, replica: consumer, position: formatLsn(position), column: column ?? null, row: row ?? null,
});

const keyText = (key: DeadLetter['key']): string => `(${key.map((value) => value ?? 'null').join(', ')})`;

function showList(context: CommandContext, letters: readonly DeadLetter[]): void {
  const { stdout, env } = context;
  if (flag(context, 'json')) return printJson(stdout, letters.map(letterJson));
  if (letters.length === 0) return printLine(stdout, 'no dead letters');
  const c = colorsFor(stdout, env);
  const width = Math.max(...letters.map(({ id }) => id.length));
  for (const { id, consumer, target, op, key, code, message, state } of letters) {
    const note = state === 'open' ? '' : c.dim(state === 'joined' ? ' (waits behind an earlier one)' : ` (${state})`);
    printLine(stdout, `${c.bold(id.padStart(width))}  ${consumer}  ${op} ${target} ${keyText(key)}  ${c.red(code)} ${message}${note}`);
  }
  printLine(stdout, c.dim('next: millrace dead show ID'));
}

function showOne(context: CommandContext, letter: DeadLetter): void {
  const { stdout, env } = context;
  if (flag(context, 'json')) return printJson(stdout, letterJson(letter));
  const c = colorsFor(stdout, env);
  const line = (name: string, value: string): void => printLine(stdout, `${c.dim(name.padEnd(8))} ${value}`);
  line('letter', `${c.bold(letter.id)} of ${letter.consumer}, ${letter.state}`);
  line('refused', `${c.red(letter.code)} ${letter.message}${letter.column === undefined ? '' : ` (column ${letter.column})`}`);
  line('change', `${letter.op} ${letter.source} → ${letter.target} ${keyText(letter.key)}`);
  line('at', `${formatLsn(letter.position)}, ${letter.createdAt}`);
  for (const [name, value] of Object.entries(letter.row ?? {})) line('', `${name} ${value ?? 'null'}`);
  if (letter.state !== 'open') return;
  line('next', letter.rejectedBy === 'rule'
    ? `mend the rule or transform, start millrace up again, then millrace resync ${letter.consumer}.${letter.source}`
    : `mend the cause, then millrace dead replay ${letter.id}`);
}
