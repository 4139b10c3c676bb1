// verify: compares replicas with their sources at one point of the stream, while everything goes on.
//
// A snapshot of the source gives the point. The running replica is asked to stand exactly there until a snapshot of the target is open, then
// both are compared at leisure. When nothing runs, the target must already have everything that lies before the point.
import { createLogger, MillraceError, systemClock } from '../base/index.ts';
import { type PostgresSource, type PostgresSnapshot, textSettings } from '../connect/index.ts';
import { type Lsn, nearestName, parseLsn, type TableName } from '../data/index.ts';
import { compareReplica, compileForTarget, type ReplicaSpec, type TableVerdict, type VerifyPart } from '../replica/index.ts';
import { describePgError, parsePgUrl, PgConnection } from '../wire/index.ts';
import { findRunning, type RunningClient } from './client.ts';
import type { Project } from './project/index.ts';
import { postgresSource } from './supervise/source.ts';

export interface VerifyReport {
  readonly equal: boolean;
  readonly tables: Readonly<Record<string, TableVerdict>>;
}

const holdMs = 60_000;
const holdTries = 3;

/** Verifies the named replicas, or all. Throws VERIFY_IMPOSSIBLE, or what the servers say, when they cannot be compared. */
export async function verify(project: Project, names: readonly string[], signal: AbortSignal): Promise<VerifyReport> {
  for (const name of names) {
    if (project.replicas.some((replica) => replica.name === name)) continue;
    const near = nearestName(name, project.replicas.map((replica) => replica.name));
    throw new MillraceError('NAME_UNKNOWN', `no replica is named "${name}"`, near ? { hint: `did you mean "${near}"?` } : {});
  }
  const chosen = names.length === 0 ? project.replicas : project.replicas.filter((replica) => names.includes(replica.name));
  const tables: Record<string, TableVerdict> = {};
  for (const spec of chosen) {
    const verdicts = await verifyReplica(project, spec, signal);
    for (const [table, verdict] of Object.entries(verdicts)) tables[chosen.length > 1 ? `${spec.name}: ${table}` : table] = verdict;
  }
  return { equal: Object.values(tables).every((table) => table.equal), tables };
}

interface Cut {
  readonly source: PostgresSource;
  readonly snapshot: PostgresSnapshot;
}

async function verifyReplica(project: Project, spec: ReplicaSpec, signal: AbortSignal): Promise<Record<string, TableVerdict>> {
  const running = findRunning(project.folder);
  const logger = createLogger('silent');
  const sources = project.sources
    .filter((source) => spec.from.some((from) => from.source === source.name))
    .map((source) => postgresSource(project, source, { clock: systemClock, logger }));
  const target = await PgConnection.connect(parsePgUrl(spec.url));
  let cuts: Cut[] = [];
  try {
    const tables = new Map<string, readonly TableName[]>();
    for (const source of sources) tables.set(source.name, await source.listTables());
    for (let attempt = 1; ; attempt++) {
      cuts = await Promise.all(sources.map(async (source) => ({ source, snapshot: await source.snapshot(tables.get(source.name) ?? [], signal) })));
      try {
        await stand(running, spec, cuts, target);
        break;
      } catch (error) {
        // The replica was already past the point, since taking the snapshot took a while: take a newer one.
        if (!(error instanceof MillraceError) || error.code !== 'VERIFY_IMPOSSIBLE' || running === undefined || attempt === holdTries) throw error;
        await Promise.all(cuts.map((cut) => cut.snapshot.close()));
      }
    }
    const parts: VerifyPart[] = [];
    for (const { source, snapshot } of cuts) {
      parts.push({ source: source.name, snapshot, routes: await compileForTarget(spec, source.name, snapshot.relations, target) });
    }
    return await compareReplica(parts, target, signal);
  } catch (error) {
    throw describePgError(error, target.where);
  } finally {
    await Promise.all(cuts.map((cut) => cut.snapshot.close().catch(() => undefined)));
    await Promise.all(sources.map((source) => source.close().catch(() => undefined)));
    await target.close();
  }
}

/** Opens the target's snapshot at the cut. */
async function stand(running: RunningClient | undefined, spec: ReplicaSpec, cuts: readonly Cut[], target: PgConnection): Promise<void> {
  const open = async (): Promise<void> => {
    await target.query(`rollback; ${textSettings}; begin isolation level repeatable read; select 1 from millrace.positions limit 1`);
  };
  if (running) {
    try {
      await Promise.all(cuts.map(({ source, snapshot }) => running.hold(spec.name, source.formatPosition(snapshot.position), holdMs, source.name)));
      await open();
    } finally {
      await running.release(spec.name);
    }
    return;
  }
  await open();
  for (const { source, snapshot } of cuts) {
    const position = await readPosition(target, spec.name, source.name);
    if (position === undefined) {
      throw new MillraceError('VERIFY_IMPOSSIBLE', `replica "${spec.name}" has taken nothing from source "${source.name}" yet`, { where: target.where, hint: 'run `millrace up`' });
    }
    if (position < snapshot.position && (await source.hasCommitsBetween(position, snapshot.position))) {
      throw new MillraceError('VERIFY_IMPOSSIBLE', `replica "${spec.name}" is behind its source and not running`, {
        where: target.where,
        detail: `it stands at ${source.formatPosition(position)}, the source at ${source.formatPosition(snapshot.position)}`,
        hint: 'run `millrace up --until caught-up`, or verify while `millrace up` runs',
      });
    }
  }
}

async function readPosition(target: PgConnection, consumer: string, part: string): Promise<Lsn | undefined> {
  const [row] = await target.rows<{ position: string | null }>('select position from millrace.positions where consumer = $1 and part = $2', [consumer, part]);
  return row?.position ? parseLsn(row.position) : undefined;
}
