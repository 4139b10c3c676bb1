// What the user of the target may do, and the grants that are missing.
import type { PgConnection } from '../../../wire/index.ts';
import type { ActualTable } from './actual-table.ts';
import type { DdlStatement } from './statement.ts';
import { ident, qualified } from './sql-text.ts';

export interface TargetSchemas {
  /** The user of the connection, as SQL writes it. */
  readonly role: string;
  readonly database: string;
  readonly mayCreateSchemas: boolean;
  /** Schemas that are not there, as the statements that make them. */
  readonly missing: readonly (DdlStatement & { readonly schema: string })[];
  /** Schemas that are there. */
  readonly present: ReadonlyMap<string, { readonly usage: boolean; readonly create: boolean }>;
}

const sql = `
select current_user::text as role, current_database()::text as database, has_database_privilege(current_database(), 'CREATE')::text as may_create,
  (select coalesce(json_agg(json_build_object('name', n.nspname, 'usage', has_schema_privilege(n.oid, 'USAGE'), 'create', has_schema_privilege(n.oid, 'CREATE'))
    order by n.nspname), '[]') from pg_catalog.pg_namespace n where n.nspname = any(array(select json_array_elements_text($1::json))))::text as schemas`;

export async function planSchemas(connection: PgConnection, names: readonly string[]): Promise<TargetSchemas> {
  const wanted = [...new Set(names)].sort();
  const [answer] = await connection.rows<{ role: string; database: string; may_create: string; schemas: string }>(sql, [JSON.stringify(wanted)]);
  const found = JSON.parse(answer?.schemas ?? '[]') as { name: string; usage: boolean; create: boolean }[];
  const [role, database] = [ident(answer?.role ?? ''), ident(answer?.database ?? '')];
  const grant = `grant create on database ${database} to ${role}`;
  const present = new Map(found.map(({ name, usage, create }) => [name, { usage, create }]));
  const missing = wanted.filter((name) => !present.has(name)).map((name) => (
    { schema: name, sql: `create schema if not exists ${ident(name)}`, why: `schema ${ident(name)} is not there`, object: `schema ${ident(name)}`, grant }
  ));
  return { role, database, mayCreateSchemas: answer?.may_create === 'true', missing, present };
}

/** The grants for what the statements and the writing of the tables need and the user lacks. `typesIn`: schemas of the types of rows. */
export function planGrants(
  schemas: TargetSchemas, makesIn: ReadonlySet<string>, ddl: readonly DdlStatement[], tables: readonly ActualTable[], typesIn: readonly string[],
): { sql: string; why: string }[] {
  const grants = new Map<string, string>();
  if (!schemas.mayCreateSchemas && schemas.missing.some((statement) => makesIn.has(statement.schema))) {
    grants.set(`grant create on database ${schemas.database} to ${schemas.role}`, 'schemas are to be made');
  }
  const used = new Set([...makesIn, ...tables.map((table) => table.schema), ...typesIn]);
  for (const [name, may] of schemas.present) {
    const lacks = [...(used.has(name) && !may.usage ? ['usage'] : []), ...(makesIn.has(name) && !may.create ? ['create'] : [])];
    if (lacks.length > 0) grants.set(`grant ${lacks.join(', ')} on schema ${ident(name)} to ${schemas.role}`, `objects of schema ${ident(name)} are to be made or written`);
  }
  for (const table of tables) {
    const name = qualified(table);
    const lacks = (['select', 'insert', 'update', 'delete'] as const).filter((privilege) => !table.privileges[privilege]);
    if (lacks.length > 0) grants.set(`grant ${lacks.join(', ')} on ${name} to ${schemas.role}`, `rows of ${name} are to be written`);
  }
  for (const statement of ddl) if (statement.owned === false) grants.set(statement.grant, `${statement.object} is to be altered`);
  return [...grants].map(([statement, why]) => ({ sql: statement, why }));
}

/** Only an owner can alter a table or type. */
export const ownerOf = (object: string, role: string): string => `alter ${object} owner to ${role}`;
