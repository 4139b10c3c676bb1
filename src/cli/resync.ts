// `millrace resync`: lets replicas read tables again.
import { MillraceError } from '../base/index.ts';
import { adopt, loadProject, resync, resyncRows, type RowsReport, unknownName, type Project, type WhichRows } from '../control/index.ts';
import { displayIdent, splitName } from '../data/index.ts';
import { type Command, type CommandContext, type ExitCode, flag, printLine } from './command.ts';

export const command: Command = {
  description:
    'The tables are read again from a new snapshot and replaced at the target, while everything else goes on; when nothing runs, at the next start. NAME is a replica, or a source: then every replica that takes ' +
    'from it. Tables are named as at the source, or as at the target. With --where or --repair only single rows are read again, by the process that runs the project, and ' +
    'written between two commits of the stream; rows that the source does not have go away. With --adopt nothing is read: the replicas of a source go on with a server that has taken the ' +
    'place of the old one while nobody wrote (a major upgrade drops the slot), from a slot that is made now; `millrace verify` then proves it.',
  arguments: [{ name: 'NAME[.SCHEMA.TABLE]', summary: 'a replica, a source, or one table of it', many: true }],
  options: [
    { flags: '--where <condition>', summary: 'only rows that match this SQL condition over the source table, at the source or at the target' },
    { flags: '--repair', summary: 'only rows that differ, as `verify` finds them' },
    { flags: '--adopt', summary: 'go on with a server that was upgraded or restored, without reading the tables again; NAME is a source' },
  ],
  examples: [
    ['millrace resync warehouse', 'all tables of a replica'],
    ['millrace resync warehouse.public.orders', 'one table'],
    ['millrace resync warehouse.sales.orders', 'the same, when it goes there'],
    [`millrace resync warehouse.sales.orders --where "placed_at >= '2026-01-01'"`, 'some of its rows'],
    ['millrace resync warehouse --repair', 'what differs'],
    ['millrace resync shop --adopt', 'after a major upgrade of the source'],
  ],
  async run(context) {
    const { folder, args, stdout, env } = context;
    const which = whichRows(context);
    const { project } = await loadProject(folder, { env });
    if (flag(context, 'adopt')) return adoptSources(project, context);
    // Replica → tables; undefined: all of them, whatever else is named.
    const wanted = new Map<string, string[] | undefined>();
    for (const arg of args) {
      const { name, table } = readAddress(arg);
      for (const replica of replicasOf(name, project)) {
        const before = wanted.has(replica) ? wanted.get(replica) : [];
        wanted.set(replica, table === undefined || before === undefined ? undefined : [...before, table]);
      }
    }
    for (const [replica, tables] of wanted) {
      if (which) {
        printLine(stdout, describe(replica, await resyncRows(project, replica, tables ?? [], which)));
        continue;
      }
      const when = await resync(project, replica, tables ?? []);
      printLine(stdout, `${replica}: ${tables ? tables.join(', ') : 'all tables'} will be read again ${when}${when === 'now' ? '; see `millrace status --watch`' : ' of `millrace up`'}`);
    }
    return 0;
  },
};

async function adoptSources(project: Project, { args, stdout }: CommandContext): Promise<ExitCode> {
  for (const name of args) {
    for (const { replica, position, tables, readAgain } of await adopt(project, name)) {
      printLine(stdout, `${replica}: ${tables} ${tables === 1 ? 'table goes' : 'tables go'} on at ${position} of the server that ${name} leads to now`);
      if (readAgain.length > 0) printLine(stdout, `${replica}: ${readAgain.join(', ')} will be read again: columns that it had are not there any more`);
    }
  }
  printLine(stdout, 'start `millrace up`; then `millrace verify` proves that nothing was written in between');
  return 0;
}

function whichRows({ args, options }: CommandContext): WhichRows | undefined {
  const { where, repair, adopt: adopts } = options;
  if ([where, repair, adopts].filter((given) => given !== undefined).length > 1) throw new MillraceError('USAGE', '--where, --repair and --adopt exclude each other', { hint: 'give one of them' });
  if (repair === true) return 'repair';
  if (typeof where !== 'string') return undefined;
  if (args.some((arg) => readAddress(arg).table === undefined)) throw new MillraceError('USAGE', '--where needs tables', { hint: 'write NAME.schema.table' });
  return { where };
}

function describe(replica: string, { tables, shared }: RowsReport): string {
  const lines = tables.map(({ table, target, rows }) => `${replica}: ${table}${target === table ? '' : ` → ${target}`}: ${rows} ${rows === 1 ? 'row' : 'rows'} read again`);
  if (lines.length === 0) lines.push(`${replica}: no row to read again`);
  for (const table of shared) lines.push(`${replica}: ${table} has rows of several source tables: what it has too much is still there; read it whole with \`millrace resync\``);
  return lines.join('\n');
}

/** The replica of this name, or every replica that takes from the source of this name. */
function replicasOf(name: string, project: Project): string[] {
  const found = project.replicas.filter((replica) => replica.name === name || replica.from.some(({ source }) => source === name)).map((replica) => replica.name);
  if (found.length > 0) return found;
  throw unknownName('replica or source', name, [...project.replicas, ...project.sources].map((each) => each.name));
}

/** `warehouse` or `warehouse.public.orders`, quoting as in SQL. */
export function readAddress(text: string): { name: string; table: string | undefined } {
  const parts = splitName(text);
  if (parts?.length === 1) return { name: parts[0]?.text ?? '', table: undefined };
  if (parts?.length === 3) return { name: parts[0]?.text ?? '', table: parts.slice(1).map((part) => displayIdent(part.text)).join('.') };
  throw new MillraceError('USAGE', `"${text}" is not an address`, { hint: 'write NAME, or NAME.schema.table; names with capitals or dots in double quotes' });
}
