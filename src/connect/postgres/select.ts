// The tables that a source is to select. A pattern that selects none is a slip of the pen.
import { MillraceError } from '../../base/index.ts';
import { nearestName, parseTablePattern, tableAddress, type TablePattern } from '../../data/index.ts';
import type { PgConnection } from '../../wire/index.ts';
import { type CatalogTable, type ColumnFilter, readTables } from './catalog.ts';
import type { TypeCatalog } from './types.ts';

export interface Selection {
  /** The source's name. */
  readonly source: string;
  readonly tables: readonly TablePattern[];
  readonly sendsColumn?: ColumnFilter;
  /** Where the source stands in the project: file:line:column. */
  readonly place?: string;
}

/** `readTables` with every pattern matching something; else TABLE_UNKNOWN, with the nearest name. */
export async function selectTables(connection: PgConnection, selection: Selection, types: TypeCatalog): Promise<CatalogTable[]> {
  const tables = await readTables(connection, selection.tables, types, selection.sendsColumn);
  for (const pattern of selection.tables) {
    if (pattern.exclude || tables.some((table) => pattern.matches(table.relation))) continue;
    const all = await readTables(connection, [parseTablePattern('*.*') as TablePattern], types);
    // Everything that the pattern matches may be excluded by another: that is no slip.
    if (all.some((table) => pattern.matches(table.relation))) continue;
    const near = nearestName(pattern.text, pattern.glob ? all.map((table) => `${table.relation.schema}.*`) : all.map((table) => tableAddress(table.relation)));
    throw new MillraceError('TABLE_UNKNOWN', `"${pattern.text}" matches no table of source "${selection.source}"`, {
      where: selection.place ? `${selection.place}, ${connection.where}` : connection.where, ...(near ? { hint: `did you mean "${near}"?` } : {}),
    });
  }
  return tables;
}
