// verify: compares replicas with their sources at one point of the stream, while everything goes on.
//
// The running replica is asked to stand still, a snapshot of the source gives the point, and the replica goes exactly there and stays until a
// snapshot of the target is open. Then both are compared at leisure. When nothing runs, the target must already have everything that lies before the point.
import { createLogger, MillraceError, systemClock } from '../base/index.ts';
import { type PostgresSource, type PostgresSnapshot, readPositions, textSettings } from '../connect/index.ts';
import type { TableName } from '../data/index.ts';
import { compareReplica, type CompareTables, compileForTarget, type ReplicaSpec, type TableVerdict, type VerifyPart } from '../replica/index.ts';
import { describePgError, longLived, parsePgUrl, PgConnection } from '../wire/index.ts';
import { findRunning, type RunningClient } from './client.ts';
import { unknownName } from './names.ts';
import type { Project } from './project/project.ts';
import { postgresSource } from './supervise/source.ts';

export interface VerifyReport {
  readonly equal: boolean;
  readonly tables: Readonly<Record<string, TableVerdict>>;
}

type Holder = Pick<RunningClient, 'hold' | 'release'>;

const holdMs = 60_000;

/** Verifies the named replicas, or all. Throws VERIFY_IMPOSSIBLE, or what the servers say, when they cannot be compared. */
export async function verify(project: Project, names: readonly string[], signal: AbortSignal): Promise<VerifyReport> {
  const known = project.replicas.map((replica) => replica.name);
  for (const name of names) if (!known.includes(name)) throw unknownName('replica', name, known);
  const chosen = names.length === 0 ? project.replicas : project.replicas.filter((replica) => names.includes(replica.name));
  const tables: Record<string, TableVerdict> = {};
  for (const spec of chosen) {
    const verdicts = await verifyReplica(project, spec, findRunning(project.folder), signal);
    for (const [table, verdict] of Object.entries(verdicts)) tables[chosen.length > 1 ? `${spec.name}: ${table}` : table] = verdict;
  }
  return { equal: Object.values(tables).every((table) => table.equal), tables };
}

interface Cut {
  readonly source: PostgresSource;
  readonly snapshot: PostgresSnapshot;
}

/** @param running The process that runs the replica, if one does. */
export async function verifyReplica(
  project: Project, spec: ReplicaSpec, running: Holder | undefined, signal: AbortSignal, options: CompareTables = {},
): Promise<Record<string, TableVerdict>> {
  const logger = createLogger('silent');
  const sources = project.sources
    .filter((source) => spec.from.some((from) => from.source === source.name))
    .map((source) => postgresSource(project, source, { clock: systemClock, logger }));
  const target = await PgConnection.connect(parsePgUrl(spec.url));
  let cuts: Cut[] = [];
  try {
    const tables = new Map<string, readonly TableName[]>();
    for (const source of sources) tables.set(source.name, await source.listTables());
    const holding = { some: false };
    try {
      // First let it stand where it is: else it would be past the point before the snapshot that gives the point is taken.
      await hold(running, spec, holding, sources.map((source) => ({ source, position: 'now' })));
      cuts = await Promise.all(sources.map(async (source) => ({ source, snapshot: await source.snapshot(tables.get(source.name) ?? [], signal) })));
      await hold(running, spec, holding, cuts.map(({ source, snapshot }) => ({ source, position: source.formatPosition(snapshot.position) })));
      await mustBeFilled(spec, target);
      await target.set({ ...textSettings, ...longLived(target.major), idle_in_transaction_session_timeout: '0' });
      await target.query(`begin isolation level repeatable read; select 1 from millrace.positions limit 1`);
    } finally {
      // Not when it is held for somebody else.
      if (holding.some) await running?.release(spec.name);
    }
    if (!running) for (const cut of cuts) await mustHaveEverything(spec, cut, target);
    const parts: VerifyPart[] = [];
    for (const { source, snapshot } of cuts) {
      parts.push({ source: source.name, snapshot, routes: await compileForTarget(spec, source.name, snapshot.relations, target) });
    }
    const verdicts = await compareReplica(parts, target, signal, options);
    for (const { snapshot } of cuts) for (const relation of snapshot.relations) await snapshot.mustBeWhole(relation);
    return verdicts;
  } catch (error) {
    throw describePgError(error, target.where);
  } finally {
    await Promise.all(cuts.map((cut) => cut.snapshot.close().catch(() => undefined)));
    await Promise.all(sources.map((source) => source.close().catch(() => undefined)));
    await target.close();
  }
}

/** Sets `holding.some` when any source of the replica is held for us. */
async function hold(
  running: Holder | undefined, spec: ReplicaSpec, holding: { some: boolean }, where: readonly { source: PostgresSource; position: string }[],
): Promise<void> {
  if (!running) return;
  const outcomes = await Promise.allSettled(where.map(({ source, position }) => running.hold(spec.name, position, holdMs, source.name)));
  holding.some ||= outcomes.some((outcome) => outcome.status === 'fulfilled');
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

/** A target that Millrace has never written to has nothing to compare. */
async function mustBeFilled(spec: ReplicaSpec, target: PgConnection): Promise<void> {
  const [row] = await target.rows<{ there: string }>("select (pg_catalog.to_regclass('millrace.positions') is not null)::text as there");
  if (row?.there !== 'true') throw new MillraceError('VERIFY_IMPOSSIBLE', `replica "${spec.name}" has taken nothing yet`, { where: target.where, hint: 'run `millrace up`' });
}

/** Without a running process: whether the target has everything that lies before the cut. */
async function mustHaveEverything(spec: ReplicaSpec, { source, snapshot }: Cut, target: PgConnection): Promise<void> {
  const position = (await readPositions(target, spec.name))?.find(({ part }) => part === source.name)?.position;
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
