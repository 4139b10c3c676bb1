// `millrace types`: asks the sources for their tables and writes what `check` and the TypeScript compiler know of them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeSources, loadProject } from '../control/index.ts';
import { colorsFor, type Command, flag, printLine } from './command.ts';

export const command: Command = {
  description: 'Writes millrace.schema.json, with which `check` works offline, and millrace.d.ts, with which a wrong table or column does not compile. Keep both in git.',
  options: [{ flags: '--check', summary: 'write nothing; exit code 1 when a file would change' }],
  examples: [
    ['millrace types', 'after a table changed, or after the first `millrace init`'],
    ['millrace types --check', 'in CI: do the files in git still say what the databases say?'],
  ],
  async run(context) {
    const { project } = await loadProject(context.folder, { env: context.env });
    const { files, tables } = await describeSources(project);
    const colors = colorsFor(context.stdout, context.env);
    let stale = false;
    for (const [name, text] of Object.entries(files)) {
      const path = join(context.folder, name);
      const same = existsSync(path) && readFileSync(path, 'utf8') === text;
      if (!same && !flag(context, 'check')) writeFileSync(path, text);
      stale ||= !same;
      const what = same ? 'is up to date' : flag(context, 'check') ? colors.red('would change') : 'written';
      printLine(context.stdout, `${name} ${what}`);
    }
    for (const [name, count] of Object.entries(tables)) printLine(context.stdout, `  ${name}: ${count} tables`);
    return stale && flag(context, 'check') ? 1 : 0;
  },
};
