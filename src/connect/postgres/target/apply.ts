// Runs the DDL of a plan. Two processes may do so at once: they take turns, and what is already there is left as it is.
import { type Logger, MillraceError, silentLogger } from '../../../base/index.ts';
import { describePgError, inTransaction, type PgConnection, PgError } from '../../../wire/index.ts';
import { lockTargetSql } from './lock.ts';
import type { TargetPlan } from './plan.ts';
import type { DdlStatement, TargetProblem } from './statement.ts';

/** Duplicate schema, table, object, column; or the index of a catalog, when a process without the lock was faster. */
const alreadyThere: ReadonlySet<string> = new Set(['42P06', '42P07', '42710', '42701', '23505']);

/**
 * Whoever waits for a table's lock keeps all others from the table who come behind: readers that hold it for long are asked again and again instead.
 * What is done once the lock is there may take long.
 */
const patience = "set local lock_timeout = '3s'; set local statement_timeout = 0";

/** Why one table of the target cannot be written. */
export interface TableRefusal {
  /** Its address. */
  readonly table: string;
  readonly error: MillraceError;
}

/**
 * New tables are made in transactions of this many: each holds locks on a table and its indexes to its end, of which a server has room for some
 * thousands (max_locks_per_transaction × max_connections).
 */
const tablesAtOnce = 100;

/** As `tryTarget`, throwing what concerns one table too. */
export async function applyTarget(connection: PgConnection, plan: TargetPlan, logger: Logger = silentLogger): Promise<void> {
  const refusal = await tryTarget(connection, plan, logger);
  if (refusal) throw refusal.error;
}

/**
 * Runs the statements in one transaction: all or none, but for many new tables, of which some are there before others. Returns what cannot be for
 * some table: TARGET_MISMATCH when the plan has errors, PRIVILEGE_MISSING with the grant that a statement lacks, or the server's error with the
 * statement as its place. Throws what may pass, or concerns no table.
 */
export async function tryTarget(connection: PgConnection, plan: TargetPlan, logger: Logger = silentLogger): Promise<TableRefusal | undefined> {
  const [refused] = refusals(plan);
  if (refused) return refused;
  if (plan.ddl.length === 0) return undefined;
  let running: DdlStatement | undefined;
  try {
    for (const group of inGroups(plan.ddl)) {
      await inTransaction(connection, async () => {
        await connection.query(`set local lock_timeout = '30s'; ${lockTargetSql}; ${patience}`);
        for (const statement of group) await run(connection, (running = statement), logger);
      });
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof MillraceError) || error.retriable || running?.table === undefined) throw error;
    return { table: running.table, error };
  }
}

/** A group ends with the last of some new tables; all other statements stay together with what comes before the next such end. */
function inGroups(ddl: readonly DdlStatement[]): DdlStatement[][] {
  const groups: DdlStatement[][] = [[]];
  let made = 0;
  for (const statement of ddl) {
    groups.at(-1)?.push(statement);
    const isNew = statement.makesIn !== undefined && statement.object.startsWith('table ');
    if (isNew && ++made % tablesAtOnce === 0) groups.push([]);
  }
  return groups.filter((group) => group.length > 0);
}

/** The tables that the plan has errors for: TARGET_MISMATCH with all of a table; the first error's hint is the next step. */
export function refusals(plan: TargetPlan): TableRefusal[] {
  const tables = Map.groupBy(plan.problems.filter((problem) => problem.level === 'error'), (problem) => problem.table);
  return [...tables].map(([table, problems]) => ({ table, error: mismatch(problems as [TargetProblem, ...TargetProblem[]]) }));
}

function mismatch([first, ...others]: readonly [TargetProblem, ...TargetProblem[]]): MillraceError {
  return new MillraceError('TARGET_MISMATCH', first.message, {
    where: first.column === undefined ? first.table : `${first.table}, column ${first.column}`,
    hint: first.hint,
    ...(others.length > 0 ? { detail: others.map((problem) => `also: ${problem.message}\n      ${problem.hint}`).join('\n') } : {}),
  });
}

async function run(connection: PgConnection, statement: DdlStatement, logger: Logger): Promise<void> {
  await connection.query('savepoint ddl');
  try {
    await connection.query(statement.sql);
    await connection.query('release savepoint ddl');
    logger.info('changed the target', { object: statement.object, why: statement.why, sql: statement.sql });
  } catch (error) {
    if (!(error instanceof PgError)) throw error;
    if (error.code === '42501') {
      throw new MillraceError('PRIVILEGE_MISSING', error.message, { where: `${connection.where}, ${statement.object}`, detail: statement.sql, hint: statement.grant, cause: error });
    }
    const isOfCatalog = error.code !== '23505' || error.table?.startsWith('pg_') === true;
    if (!alreadyThere.has(error.code) || !isOfCatalog) throw describePgError(error, `${connection.where}, ${statement.sql}`);
    await connection.query('rollback to savepoint ddl');
    logger.info('the target has it already', { object: statement.object, sql: statement.sql });
  }
}
