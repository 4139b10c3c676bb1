// The target of a replica: the PostgreSQL sink, and the shape of its tables.
import { type Logger, MillraceError, systemClock } from '../../base/index.ts';
import { applyTarget, planTarget, PostgresSink, refuseErrors } from '../../connect/index.ts';
import { COPY_HEADER, COPY_TRAILER } from '../../codec/index.ts';
import { formatLsn, parseLsn, quoteIdent, quoteTable, tableAddress, type Position } from '../../data/index.ts';
import type { Load, ReplicaTarget } from '../../replica/index.ts';
import type { SourceIdentity } from '../../data/index.ts';
import type { ReplicaOptions, ReplicaSpec, Routes } from '../../replica/index.ts';
import { describePgError, displayTarget, parsePgUrl, PgConnection } from '../../wire/index.ts';

/** @param identityOf What is known of a source's server, kept beside its position. */
export function replicaTargets(
  spec: ReplicaSpec, logger: Logger, ddl: boolean, identityOf: (source: string) => SourceIdentity,
): Pick<ReplicaOptions, 'connect' | 'forget' | 'countLetters'> {
  const connect = parsePgUrl(spec.url);
  const withConnection = async <T>(work: (connection: PgConnection) => Promise<T>): Promise<T> => {
    const connection = await PgConnection.connect(connect);
    try {
      return await work(connection);
    } catch (error) {
      throw describePgError(error, displayTarget(connect));
    } finally {
      await connection.close();
    }
  };
  return {
    connect: () => ({
      target: new TempTarget(new PostgresSink({ connect, consumer: spec.name, identityOf, onBadRow: spec.onBadRow, clock: systemClock, logger }), spec, withConnection),
      prepare: (routes) => withConnection((connection) => prepare(connection, routes, logger, ddl)),
    }),
    forget: () => Promise.resolve(),
    countLetters: () => Promise.resolve(0),
  };
}

async function prepare(connection: PgConnection, routes: readonly Routes[], logger: Logger, ddl: boolean): Promise<void> {
  const plan = await planTarget(connection, routes.flatMap((each) => each.targets));
  for (const problem of plan.problems) {
    if (problem.level === 'warning') logger.warn(problem.message, { table: problem.table, next: problem.hint });
  }
  const [first] = plan.ddl;
  if (!first || ddl) {
    await applyTarget(connection, plan, logger);
    return;
  }
  refuseErrors(plan);
  throw new MillraceError('TARGET_DDL_REFUSED', `${plan.ddl.length} changes of the target's schema are pending, first ${first.object}: ${first.why}`, {
    where: connection.where, hint: 'apply what `millrace plan --sql` prints; Millrace goes on by itself when it is there',
  });
}

class TempTarget implements ReplicaTarget {
  sink: PostgresSink; spec: ReplicaSpec; w: <T>(work: (connection: PgConnection) => Promise<T>) => Promise<T>;
  constructor(sink: PostgresSink, spec: ReplicaSpec, w: <T>(work: (connection: PgConnection) => Promise<T>) => Promise<T>) { this.sink = sink; this.spec = spec; this.w = w; }
  open() { return this.sink.open(); }
  close() { return this.sink.close(); }
  commit(part: string, position: Position, steps: Parameters<PostgresSink['commit']>[2]) { return this.sink.commit(part, position, steps); }
  tables(part: string) {
    return this.w(async (c) => (await c.rows<Record<string, string>>('select source_table, target_table, state, snapshot_position, rows::text from millrace.tables where consumer = $1 and source = $2', [this.spec.name, part]))
      .map((r) => ({ source: r['source_table']!, target: r['target_table']!, done: r['state'] === 'done', snapshotPosition: parseLsn(r['snapshot_position'] ?? '0/0'), rows: Number(r['rows']) })));
  }
  load(load: Load, signal: AbortSignal) {
    return this.w(async (c) => {
      await c.query(`begin; truncate ${quoteTable(load.target)}`);
      let copy: ReturnType<PgConnection['startCopyIn']> | undefined;
      let rows = 0;
      for await (const step of load.steps) {
        if (signal.aborted) { await c.query('rollback'); return { rows: 0, deadLetters: 0 }; }
        if (step.kind !== 'rows') continue;
        for (const write of step.writes) {
          if (!copy) { copy = c.startCopyIn(`copy ${quoteTable(load.target)} (${load.target.columns.map((x) => quoteIdent(x.name)).join(', ')}) from stdin (format binary)`); copy.write(COPY_HEADER); }
          copy.write(write.batch.after.bytes); rows += write.batch.count; await copy.ready();
        }
      }
      if (copy) { copy.write(COPY_TRAILER); await copy.done(); }
      await c.rows('insert into millrace.tables (consumer, source, source_table, target_table, state, snapshot_position, rows) values ($1,$2,$3,$4,$5,$6,$7::int8) on conflict (consumer, source, source_table, target_table) do update set state = excluded.state, snapshot_position = excluded.snapshot_position, rows = excluded.rows',
        [this.spec.name, load.part, tableAddress(load.from), tableAddress(load.target), 'done', formatLsn(load.position), String(rows)]);
      await c.query('commit');
      return { rows, deadLetters: 0 };
    });
  }
}
