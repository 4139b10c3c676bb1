// The target of a replica: the PostgreSQL sink, and the shape of its tables.
import { type Logger, MillraceError, systemClock } from '../../base/index.ts';
import { applyTarget, countLetters, forgetLoads, planTarget, PostgresSink, refuseErrors } from '../../connect/index.ts';
import type { Relation, SourceIdentity } from '../../data/index.ts';
import { compileForTarget, type ReplicaOptions, type ReplicaSpec, type Routes } from '../../replica/index.ts';
import { parsePgUrl, type PgConnection, withConnection } from '../../wire/index.ts';

export interface SourceFacts {
  /** What is known of the source's server, kept beside its position. */
  identity(source: string): SourceIdentity;
  /** Its tables as they are now. */
  relations(source: string): Promise<readonly Relation[]>;
}

export function replicaTargets(
  spec: ReplicaSpec, logger: Logger, ddl: boolean, facts: SourceFacts, projectId: () => string | undefined,
): Pick<ReplicaOptions, 'connect' | 'compile' | 'forget' | 'countLetters'> {
  const connect = parsePgUrl(spec.url);
  const followTypes = async (): Promise<boolean> => {
    const sources = [...new Set(spec.from.map((from) => from.source))];
    return withConnection(spec.url, async (connection) => {
      const routes = await Promise.all(sources.map(async (source) => compileForTarget(spec, source, await facts.relations(source), connection)));
      return prepare(connection, routes, logger, ddl);
    });
  };
  return {
    connect: (onSlow) => ({
      target: new PostgresSink({
        connect, consumer: spec.name, identityOf: (source) => facts.identity(source), projectId, onSlow, onBadRow: spec.onBadRow, clock: systemClock, logger,
        followTypes,
      }),
      prepare: async (routes) => void (await withConnection(spec.url, (connection) => prepare(connection, routes, logger, ddl))),
    }),
    forget: (part, tables) => withConnection(spec.url, (connection) => forgetLoads(connection, spec.name, part, tables)),
    countLetters: () => withConnection(spec.url, (connection) => countLetters(connection, spec.name)),
    compile: (source, relations) => withConnection(spec.url, (connection) => compileForTarget(spec, source, relations, connection)),
  };
}

/** Brings the target's tables and types into the wanted shape; says whether anything had to be changed. */
async function prepare(connection: PgConnection, routes: readonly Routes[], logger: Logger, ddl: boolean): Promise<boolean> {
  const plan = await planTarget(connection, routes.flatMap((each) => each.targets));
  for (const problem of plan.problems) {
    if (problem.level === 'warning') logger.warn(problem.message, { table: problem.table, next: problem.hint });
  }
  const [first] = plan.ddl;
  if (!first || ddl) {
    await applyTarget(connection, plan, logger);
    return first !== undefined;
  }
  refuseErrors(plan);
  const pending = plan.ddl.length === 1 ? 'a change of the target\'s schema is pending:' : `${plan.ddl.length} changes of the target's schema are pending, first`;
  throw new MillraceError('TARGET_DDL_REFUSED', `${pending} ${first.object}: ${first.why}`, {
    where: connection.where, hint: 'apply what `millrace plan --sql` prints; Millrace goes on by itself when it is there',
  });
}
