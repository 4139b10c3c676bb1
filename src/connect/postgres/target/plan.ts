// What a target lacks to take the rows that would be written to it: the DDL that makes it, the grants that the DDL needs, and what no DDL
// can mend. Nothing is changed here; apply.ts runs the DDL.
import { tableAddress } from '../../../data/index.ts';
import type { TargetTable } from '../../../flow/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { neverFilled } from '../sink/table-shapes.ts';
import { type ActualTable, readTargetTables } from './actual-table.ts';
import { planIndexes } from './indexes.ts';
import { parallelProblems } from './parallel.ts';
import { planGrants, planSchemas } from './privileges.ts';
import type { DdlStatement, TargetProblem } from './statement.ts';
import { type Filled, type Fit, planCreate, planExisting, type Planned } from './tables.ts';
import { isBuiltIn, readTargetTypes, typesWithin } from './target-types.ts';
import { TypePlanner } from './types-plan.ts';

export interface TargetPlan {
  /** In the order in which they must run. */
  readonly ddl: readonly DdlStatement[];
  /** What the user of the connection may not do yet, as statements for an owner or superuser. */
  readonly grants: readonly { readonly sql: string; readonly why: string }[];
  readonly problems: readonly TargetProblem[];
  /** What makes the indexes that are missing: once the rows are there, each by itself. */
  readonly indexes: readonly { readonly sql: string; readonly why: string; readonly table: string }[];
  /** What changes without a statement, by the table's address. */
  readonly notes: readonly { readonly table: string; readonly what: string }[];
  /** Addresses of tables that must be read again, since their rows do not show what became of them at the source. */
  readonly readAgain: readonly string[];
  /** The tables that exist, and how each wanted column fits: `cast` means assignable to the column's type. */
  readonly existing: readonly { readonly table: ActualTable; readonly fits: Readonly<Record<string, Fit>> }[];
}

/** Compares what is wanted with what is there. `parallel`: how many sessions are to write. Sets the session's search_path to empty. The result is the same for the same catalog. */
export async function planTarget(connection: PgConnection, wanted: readonly TargetTable[], parallel = 1): Promise<TargetPlan> {
  const tables = mergeTables(wanted);
  const existing = new Map((await readTargetTables(connection, tables)).map((table) => [tableAddress(table), table]));
  const everyType = typesWithin(tables.flatMap((table) => table.columns.map((column) => column.type)));
  const targetTypes = await readTargetTypes(connection, everyType);
  const loaded = await readLoaded(connection);
  const typesIn = everyType.filter((type) => !isBuiltIn(type)).map((type) => type.schema);
  const schemas = await planSchemas(connection, [...tables.map((table) => table.schema), ...typesIn]);

  const ddl: DdlStatement[] = [];
  const problems: TargetProblem[] = [];
  const planned: Planned = { ddl, problems, notes: [], readAgain: new Set() };
  const visited = new Set<string>();
  const planner = new TypePlanner(targetTypes, everyType, schemas.role, ddl, problems, (name) => visitTable(tables.find((table) => table.schema === name.schema && table.name === name.name)));
  const fits: { table: ActualTable; fits: Readonly<Record<string, Fit>> }[] = [];

  function visitTable(table: TargetTable | undefined): boolean {
    if (!table) return false;
    const address = tableAddress(table);
    if (visited.has(address)) return true;
    visited.add(address);
    for (const column of table.columns) planner.visit(column.type, { table: address, column: column.name });
    const actual = existing.get(address);
    if (!actual) ddl.push(planCreate(table, schemas.role));
    return true;
  }
  for (const table of tables) visitTable(table);
  for (const table of tables) {
    const actual = existing.get(tableAddress(table));
    if (actual) fits.push({ table: actual, fits: await planExisting(connection, table, actual, loaded.get(tableAddress(table)), schemas.role, planned) });
  }
  if (parallel > 1) problems.push(...(await parallelProblems(connection, fits.map((fit) => fit.table))));
  const indexes = await planIndexes(connection, tables, (table) => loaded.get(tableAddress(table)) === 'once');
  for (const { table } of fits) {
    const own = indexes.filter((index) => index.table === tableAddress(table));
    if (table.owned || own.length === 0) continue;
    problems.push({ level: 'warning', table: tableAddress(table), message: `${schemas.role} does not own ${tableAddress(table)}, and only its owner can make the indexes that are asked for`, hint: own.map(({ sql }) => sql).join(';\n') });
  }
  const needed = new Set(ddl.flatMap((statement) => statement.makesIn ?? []));
  return {
    ddl: [...schemas.missing.filter((statement) => needed.has(statement.schema)).map((statement) => ({ ...statement, ...userOf(statement.schema, ddl) })), ...ddl],
    grants: planGrants(schemas, needed, ddl, fits.map((fit) => fit.table), typesIn),
    problems,
    indexes,
    notes: planned.notes,
    readAgain: [...planned.readAgain],
    existing: fits,
  };
}

/** The first table that needs a schema: without it, others may not. */
function userOf(schema: string, ddl: readonly DdlStatement[]): Pick<DdlStatement, 'table'> {
  const table = ddl.find((statement) => statement.makesIn === schema)?.table;
  return table === undefined ? {} : { table };
}

/** Addresses of the tables that replicas have filled, or made for themselves. */
async function readLoaded(connection: PgConnection): Promise<ReadonlyMap<string, Filled>> {
  const [there] = await connection.rows<{ name: string | null }>(
    `select c.relname as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'millrace' and c.relname = 'tables' and has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT')`,
  );
  if (!there?.name) return new Map();
  const rows = await connection.rows<{ address: string; made: string }>(`select target_table as address, pg_catalog.bool_and(${neverFilled})::text as made from millrace.tables group by 1`);
  return new Map(rows.map((row) => [row.address, row.made === 'true' ? 'never' : 'once']));
}

/** Several sources may fill one table: its columns are then the union of what they carry; a column that only some carry is nullable. */
function mergeTables(wanted: readonly TargetTable[]): TargetTable[] {
  const byAddress = new Map<string, TargetTable>();
  for (const table of wanted) {
    const known = byAddress.get(tableAddress(table));
    byAddress.set(tableAddress(table), known ? merge(known, table) : table);
  }
  return [...byAddress.values()].sort((a, b) => compare(tableAddress(a), tableAddress(b)));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function merge(a: TargetTable, b: TargetTable): TargetTable {
  const columns = a.columns.map((column) => {
    const other = b.columns.find((candidate) => candidate.name === column.name);
    const { was: _, ...plain } = column;
    return { ...plain, notNull: column.notNull && other?.notNull === true };
  });
  const added = b.columns.filter((column) => !a.columns.some((known) => known.name === column.name)).map((column) => ({ ...column, notNull: false }));
  const indexes = [...new Map([...(a.indexes ?? []), ...(b.indexes ?? [])].map((index) => [index.name, index])).values()];
  return { schema: a.schema, name: a.name, columns: [...columns, ...added], key: a.key, ...(indexes.length > 0 ? { indexes } : {}) };
}
