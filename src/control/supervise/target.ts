// The target of a replica: the PostgreSQL sink, and the shape of its tables.
import { type Logger, MillraceError, systemClock } from '../../base/index.ts';
import { countLetters, type DdlStatement, forgetLoads, keepShapes, makeIndex, missingIndexes, ParallelSink, planTarget, refusals, tryTarget } from '../../connect/index.ts';
import { type Relation, type SourceIdentity, tableAddress } from '../../data/index.ts';
import { TablesRefused } from '../../flow/index.ts';
import { compileForTarget, type Prepared, type ReplicaOptions, type ReplicaSpec, type Routes } from '../../replica/index.ts';
import { parsePgUrl, type PgConnection, withConnection } from '../../wire/index.ts';

export interface SourceFacts {
  /** What is known of the source's server, kept beside its position. */
  identity(source: string): SourceIdentity;
  /** Its tables as they are now. */
  relations(source: string): Promise<readonly Relation[]>;
}

export function replicaTargets(
  spec: ReplicaSpec, logger: Logger, ddl: boolean, facts: SourceFacts, projectId: () => string | undefined,
): Pick<ReplicaOptions, 'connect' | 'compile' | 'forget' | 'refusals' | 'indexes' | 'countLetters'> {
  const connect = parsePgUrl(spec.url);
  const followTypes = async (): Promise<boolean> => {
    const sources = [...new Set(spec.from.map((from) => from.source))];
    return withConnection(spec.url, async (connection) => {
      const routes = await Promise.all(sources.map(async (source) => compileForTarget(spec, source, await facts.relations(source), connection)));
      const plan = await planTarget(connection, routes.flatMap((each) => each.targets));
      // Tables follow at their place in the stream.
      const types = plan.ddl.filter((statement) => !isOfTable(statement));
      if (types.length > 0 && !ddl) throw pending(connection, types);
      const [misfit] = types.length > 0 ? [] : refusals(plan);
      if (misfit) throw new TablesRefused('target', [misfit.table], misfit.error);
      const refused = await tryTarget(connection, { ...plan, problems: [], ddl: types }, logger);
      if (refused) throw new TablesRefused('target', [refused.table], refused.error);
      return types.length > 0;
    });
  };
  return {
    connect: (onSlow) => ({
      target: new ParallelSink({
        connect, consumer: spec.name, identityOf: (source) => facts.identity(source), projectId, onSlow, onBadRow: spec.onBadRow, clock: systemClock, logger,
        followTypes, lanes: spec.parallel,
      }),
      prepare: (routes, own) => withConnection(spec.url, (connection) => prepare(connection, spec, routes, own, logger, ddl)),
    }),
    forget: (part, tables) => withConnection(spec.url, (connection) => forgetLoads(connection, spec.name, part, tables)),
    refusals: (routes) => withConnection(spec.url, async (connection) => refusals(await planTarget(connection, routes.targets, spec.parallel))),
    indexes: {
      allowed: ddl,
      missing: (tables) => withConnection(spec.url, (connection) => missingIndexes(connection, tables)),
      make: (missing, written, signal) => withConnection(spec.url, async (connection) => {
        const leave = (): void => connection.destroy();
        signal.addEventListener('abort', leave, { once: true });
        if (signal.aborted) leave();
        await makeIndex(connection, missing, written, logger).finally(() => signal.removeEventListener('abort', leave));
      }),
    },
    countLetters: () => withConnection(spec.url, (connection) => countLetters(connection, spec.name)),
    compile: (source, relations) => withConnection(spec.url, (connection) => compileForTarget(spec, source, relations, connection)),
  };
}

/** Brings the target's tables and types into the wanted shape, and remembers the shapes. Says for `own` what changed, or what cannot be. */
async function prepare(connection: PgConnection, spec: ReplicaSpec, routes: readonly Routes[], own: Routes, logger: Logger, ddl: boolean): Promise<Prepared> {
  const all = await planTarget(connection, routes.flatMap((each) => each.targets), spec.parallel);
  const isOwn = ({ table }: { readonly table?: string }): boolean => table !== undefined && own.sourcesOf(table).length > 0;
  const plan = { ...all, problems: all.problems.filter(isOwn), ddl: all.ddl.filter((statement) => isOwn(statement) || !isOfTable(statement)) };
  for (const problem of plan.problems) {
    if (problem.level === 'warning') logger.warn(problem.message, { table: problem.table, next: problem.hint });
  }
  if (plan.ddl.length > 0 && !ddl && !plan.problems.some((problem) => problem.level === 'error')) throw pending(connection, plan.ddl);
  const refused = await tryTarget(connection, plan, logger);
  if (refused) return { refused, changes: [], readAgain: [] };
  const readAgain = plan.readAgain.filter((table) => own.sourcesOf(table).length > 0);
  const again = readAgain.flatMap((table) => own.sourcesOf(table));
  // Before the new shape is remembered: after a crash in between nothing would tell that the rows are not what they should be.
  if (again.length > 0) await forgetLoads(connection, spec.name, own.source, again);
  const made = new Set(plan.ddl.filter((statement) => isOfTable(statement) && statement.makesIn !== undefined).map(({ table }) => table));
  await keepShapes(connection, spec.name, own.source, own.takeShapes().map(({ relation, target }) => ({ source: tableAddress(relation), target, made: made.has(tableAddress(target)) })));
  const changes = [
    ...plan.ddl.filter((statement) => isOwn(statement) && statement.makesIn === undefined && !statement.object.startsWith('schema ')).map(({ table, why, sql }) => ({ table: table ?? '', what: `${why}: ${sql}` })),
    ...plan.notes.filter(isOwn),
    ...readAgain.map((table) => ({ table, what: 'it is read again' })),
  ];
  return { changes, readAgain };
}

const isOfTable = (statement: DdlStatement): boolean => statement.object.startsWith('table ');

function pending(connection: PgConnection, ddl: readonly DdlStatement[]): MillraceError {
  const [first] = ddl;
  const what = ddl.length === 1 ? 'a change of the target\'s schema is pending:' : `${ddl.length} changes of the target's schema are pending, first`;
  return new MillraceError('TARGET_DDL_REFUSED', `${what} ${first?.object}: ${first?.why}`, {
    where: connection.where, hint: 'apply what `millrace plan --sql` prints; Millrace goes on by itself when it is there',
  });
}
