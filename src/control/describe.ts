// What `millrace types` writes: the tables of the sources as they are now, for `check` and for the TypeScript compiler.
import { readTables, TypeCatalog } from '../connect/index.ts';
import { parseTablePattern, selects, type TablePattern } from '../data/index.ts';
import { withConnection } from '../wire/index.ts';
import { SCHEMA_FILE, TYPES_FILE } from './project/files.ts';
import { generateTypes } from './project/generate-types.ts';
import { columnFilter, type Project, type SourceSpec } from './project/project.ts';
import { schemaFile, type SourceSchema } from './project/schema-file.ts';

export interface Description {
  /** The files of the project's folder, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** How many tables each source selects. */
  readonly tables: Readonly<Record<string, number>>;
}

/** Asks every source. Throws when one cannot be read. */
export async function describeSources(project: Project): Promise<Description> {
  const sources: Record<string, SourceSchema> = {};
  for (const source of project.sources) sources[source.name] = await readSource(source);
  const tables = Object.fromEntries(Object.entries(sources).map(([name, schema]) => [name, schema.tables]));
  return {
    files: { [SCHEMA_FILE]: schemaFile(sources), [TYPES_FILE]: generateTypes(tables) },
    tables: Object.fromEntries(Object.entries(tables).map(([name, list]) => [name, list.length])),
  };
}

function readSource(source: SourceSpec): Promise<SourceSchema> {
  return withConnection(source.url, async (connection) => {
    const types = new TypeCatalog();
    const tables = await readTables(connection, source.tables, types, columnFilter(source));
    const all = await readTables(connection, [parseTablePattern('*.*') as TablePattern], types);
    return { tables, others: all.map((table) => table.relation).filter((table) => !selects(source.tables, table)) };
  });
}
