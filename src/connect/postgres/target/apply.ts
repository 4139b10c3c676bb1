// Runs the DDL of a plan. Two processes may do so at once: they take turns, and what is already there is left as it is.
import { type Logger, MillraceError, silentLogger } from '../../../base/index.ts';
import { describePgError, type PgConnection, PgError } from '../../../wire/index.ts';
import { lockTargetSql } from './lock.ts';
import type { TargetPlan } from './plan.ts';
import type { DdlStatement } from './statement.ts';

/** Duplicate schema, table, object, column; or the index of a catalog, when a process without the lock was faster. */
const alreadyThere: ReadonlySet<string> = new Set(['42P06', '42P07', '42710', '42701', '23505']);

/**
 * Runs the statements in one transaction: all or none. Throws TARGET_MISMATCH when the plan has errors, PRIVILEGE_MISSING with the grant
 * that a statement lacks, or the server's error with the statement as its place.
 */
export async function applyTarget(connection: PgConnection, plan: TargetPlan, logger: Logger = silentLogger): Promise<void> {
  refuseErrors(plan);
  if (plan.ddl.length === 0) return;
  await connection.query('begin');
  try {
    await connection.query(lockTargetSql);
    for (const statement of plan.ddl) await run(connection, statement, logger);
    await connection.query('commit');
  } catch (error) {
    await connection.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Throws TARGET_MISMATCH with every error of the plan; the first one's hint is the next step. */
export function refuseErrors(plan: TargetPlan): void {
  const errors = plan.problems.filter((problem) => problem.level === 'error');
  const [first] = errors;
  if (!first) return;
  throw new MillraceError('TARGET_MISMATCH', first.message, {
    where: first.column === undefined ? first.table : `${first.table}, column ${first.column}`,
    hint: first.hint,
    ...(errors.length > 1 ? { detail: errors.slice(1).map((problem) => `also: ${problem.message}\n      ${problem.hint}`).join('\n') } : {}),
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
    if (!alreadyThere.has(error.code)) throw describePgError(error, `${connection.where}, ${statement.sql}`);
    await connection.query('rollback to savepoint ddl');
    logger.info('the target has it already', { object: statement.object, sql: statement.sql });
  }
}
