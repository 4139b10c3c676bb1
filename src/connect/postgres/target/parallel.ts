// Whether several sessions may write a target at a time.
import { tableAddress } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import type { ActualTable } from './actual-table.ts';
import { ident } from './sql-text.ts';
import type { TargetProblem } from './statement.ts';

/** Whether the role may switch off foreign keys and triggers. Tried, since services let their administrators set it in ways of their own. */
export async function maySetReplicaRole(connection: PgConnection): Promise<boolean> {
  const may = await connection.query('begin; set local session_replication_role = replica').then(() => true, () => false);
  await connection.query('rollback');
  return may;
}

/** Tables whose rows can only be written in the source's order, across tables. */
export async function parallelProblems(connection: PgConnection, tables: readonly ActualTable[]): Promise<TargetProblem[]> {
  const bound = tables.filter((table) => table.foreignKeys || table.triggers);
  if (bound.length === 0 || (await maySetReplicaRole(connection))) return [];
  return bound.map((table) => ({
    level: 'error', table: tableAddress(table),
    message: `${tableAddress(table)} has ${table.foreignKeys ? 'foreign keys' : 'triggers'} that the role may not switch off, so its rows can only be written in the source's order, by one session, which \`parallel\` is not`,
    hint: `grant set on parameter session_replication_role to ${ident(connection.options.user)}`,
  }));
}
