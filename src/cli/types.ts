// `millrace types`: asks the sources for their tables and writes what `check` and the TypeScript compiler know of them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTables, TypeCatalog } from '../connect/index.ts';
import { columnFilter, generateTypes, loadProject, SCHEMA_FILE, schemaFile, type SourceSchema, type SourceSpec, TYPES_FILE } from '../control/index.ts';
import { parseTablePattern, selects, type TablePattern } from '../data/index.ts';
import { withConnection } from '../wire/index.ts';
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
    const sources: Record<string, SourceSchema> = {};
    for (const source of project.sources) sources[source.name] = await readSource(source);
    const tables = Object.fromEntries(Object.entries(sources).map(([name, schema]) => [name, schema.tables]));
    const colors = colorsFor(context.stdout, context.env);
    let stale = false;
    for (const [name, text] of [[SCHEMA_FILE, schemaFile(sources)], [TYPES_FILE, generateTypes(tables)]] as const) {
      const path = join(context.folder, name);
      const same = existsSync(path) && readFileSync(path, 'utf8') === text;
      if (!same && !flag(context, 'check')) writeFileSync(path, text);
      stale ||= !same;
      const what = same ? 'is up to date' : flag(context, 'check') ? colors.red('would change') : 'written';
      printLine(context.stdout, `${name} ${what}`);
    }
    for (const [name, schema] of Object.entries(sources)) printLine(context.stdout, `  ${name}: ${schema.tables.length} tables`);
    return stale && flag(context, 'check') ? 1 : 0;
  },
};

function readSource(source: SourceSpec): Promise<SourceSchema> {
  return withConnection(source.url, async (connection) => {
    const types = new TypeCatalog();
    const tables = await readTables(connection, source.tables, types, columnFilter(source));
    const all = await readTables(connection, [parseTablePattern('*.*') as TablePattern], types);
    return { tables, others: all.map((table) => table.relation).filter((table) => !selects(source.tables, table)) };
  });
}
