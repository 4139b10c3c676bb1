// `millrace resync`: tells the running process to read tables again.
import { MillraceError } from '../base/index.ts';
import { requireRunning } from '../control/index.ts';
import { displayIdent, splitName } from '../data/index.ts';
import { printLine, type Command } from './command.ts';

export const command: Command = {
  description:
    'The tables are read again from a new snapshot and replaced at the target, while everything else goes on. NAME is a replica, or a source: then every replica of it, ' +
    'behind a new slot if the old one is lost. Tables are named as at the source.',
  arguments: [{ name: 'NAME[.SCHEMA.TABLE]', summary: 'a replica, a source, or one table of it', many: true }],
  examples: [
    ['millrace resync warehouse', 'all tables of a replica'],
    ['millrace resync warehouse.public.orders', 'one table'],
  ],
  async run({ folder, args, stdout }) {
    const running = requireRunning(folder);
    const tablesOf = new Map<string, string[]>();
    for (const arg of args) {
      const { name, table } = readAddress(arg);
      const tables = tablesOf.get(name) ?? [];
      tablesOf.set(name, table === undefined ? tables : [...tables, table]);
    }
    for (const [name, tables] of tablesOf) {
      await running.resync(name, tables);
      printLine(stdout, `${name}: ${tables.length > 0 ? tables.join(', ') : 'all tables'} will be read again; see \`millrace status --watch\``);
    }
    return 0;
  },
};

/** `warehouse` or `warehouse.public.orders`, quoting as in SQL. */
export function readAddress(text: string): { name: string; table: string | undefined } {
  const parts = splitName(text);
  if (parts?.length === 1) return { name: parts[0]?.text ?? '', table: undefined };
  if (parts?.length === 3) return { name: parts[0]?.text ?? '', table: parts.slice(1).map((part) => displayIdent(part.text)).join('.') };
  throw new MillraceError('USAGE', `"${text}" is not an address`, { hint: 'write NAME, or NAME.schema.table; names with capitals or dots in double quotes' });
}
