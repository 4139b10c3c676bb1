// Runs a project in this process: wires sources, streams and replicas, and answers for all of them.
import { asMillraceError, createLogger, type Logger, Metrics, MillraceError, Random, systemClock } from '../../base/index.ts';
import type { Capture } from '../../capture/index.ts';
import { type Position, tableAddress } from '../../data/index.ts';
import { Replica } from '../../replica/index.ts';
import type { Project } from '../project/project.ts';
import { unknownName } from '../names.ts';
import { keptId } from '../ownership.ts';
import { forgetFailures, rememberFailures } from '../failures.ts';
import { answerHere } from '../client.ts';
import { claimRunFile } from '../run-file.ts';
import type { ProjectStatus, ReplicaStatus, RowsReport, Running, RunOptions, SourceStatus, State, WhichRows } from '../status.ts';
import { replicaStatus, sourceStatus } from './observe.ts';
import { resyncRows } from './resync-rows.ts';
import { startCapture, type Surroundings } from './source.ts';
import { replicaTargets } from './target.ts';

const stopMsMax = 9_000;
const replicasStopMsMax = 6_000;
const idleReportMs = 2_500;
/** How long `caughtUp` bears with a source or target that is away. */
const patienceMs = 60_000;

/**
 * Starts a project and returns at once; see `Running`. Errors of sources and replicas show in its status and are tried again where that
 * may help. Throws when the project itself cannot run: ALREADY_RUNNING, an unknown name in `only`, a log that cannot be opened. The folder is
 * claimed until it has stopped; `http` is where it answers other processes, if anywhere.
 */
export async function run(project: Project, options: RunOptions & { logger?: Logger; http?: string } = {}): Promise<Running> {
  const specs = chooseReplicas(project, options.only);
  const release = claimRunFile(project.folder, options.http ?? '');
  const captures: Capture[] = [];
  try {
    return await start(project, specs, options, captures, release);
  } catch (error) {
    for (const capture of captures) await capture.stream.close();
    release();
    throw error;
  }
}

async function start(
  project: Project, specs: Project['replicas'], options: RunOptions & { logger?: Logger }, captures: Capture[], release: () => void,
): Promise<Running> {
  forgetFailures(project.folder);
  const around: Surroundings = { clock: systemClock, logger: options.logger ?? createLogger(), metrics: new Metrics() };
  const needed = new Set(specs.flatMap((spec) => spec.from.map((from) => from.source)));
  for (const source of project.sources) if (needed.has(source.name)) captures.push(await startCapture(project, source, around));
  // Replicas that do not run here still need what they have not seen: their sources must not forget it.
  for (const spec of project.replicas) {
    if (specs.includes(spec)) continue;
    for (const capture of captures) if (spec.from.some((from) => from.source === capture.source.name)) capture.join(spec.name);
  }
  const replicas = specs.map((spec) => {
    const feeds = captures.filter((capture) => spec.from.some((from) => from.source === capture.source.name));
    const logger = around.logger.with({ replica: spec.name });
    const captureOf = (name: string): Capture | undefined => captures.find((capture) => capture.source.name === name);
    const targets = replicaTargets(spec, logger, options.ddl ?? true, {
      identity: (name) => captureOf(name)?.identity ?? { systemId: '', timeline: 0 },
      relations: async (name) => (await captureOf(name)?.source.readRelations()) ?? [],
    }, () => keptId(project.folder));
    const epochBytesMax = Math.min(16 << 20, Math.max(256 << 10, Math.floor(project.limits.memoryBytes / 64)));
    const { readers, readBytesPerSec: bytesPerSec, snapshotMs: ageMsMax } = project.limits;
    return new Replica({ spec, feeds, ...around, epochBytesMax, snapshots: { readers, bytesPerSec, ageMsMax }, logger, random: new Random(process.pid ^ 0x5bd1e995), ...targets });
  });
  for (const replica of replicas) replica.start();
  for (const capture of captures) capture.start();
  return new RunningProject(project, around, captures, replicas, release);
}

const isUp = (state: State): number => (state === 'streaming' || state === 'snapshot' ? 1 : 0);

function chooseReplicas(project: Project, only: readonly string[] | undefined): Project['replicas'] {
  if (!only || only.length === 0) return project.replicas;
  const names = [...project.replicas.map((replica) => replica.name), ...project.sources.map((source) => source.name)];
  for (const name of only) {
    if (names.includes(name)) continue;
    throw unknownName('source or replica', name, names);
  }
  return project.replicas.filter((replica) => only.includes(replica.name) || replica.from.some((from) => only.includes(from.source)));
}

class RunningProject implements Running {
  readonly ended: Promise<void>;
  readonly #project: Project;
  readonly #ending = new AbortController();
  readonly #around: Surroundings;
  readonly #captures: readonly Capture[];
  readonly #replicas: readonly Replica[];
  readonly #lags = new Map<string, { position: Position; atMs: number }>();
  readonly #watch: NodeJS.Timeout;
  readonly #release: () => void;
  #end: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  #stopping: Promise<void> | undefined;

  constructor(project: Project, around: Surroundings, captures: readonly Capture[], replicas: readonly Replica[], release: () => void) {
    this.#project = project;
    this.#around = around;
    this.#captures = captures;
    this.#replicas = replicas;
    const silent = answerHere(project.folder, this);
    this.#release = () => (silent(), release());
    this.ended = new Promise((resolve, reject) => ([this.#end, this.#fail] = [resolve, reject]));
    this.ended.catch(() => undefined);
    this.#watch = setInterval(() => this.#observe(), 250);
  }

  status(): ProjectStatus {
    const nowMs = this.#around.clock.now();
    const sources: Record<string, SourceStatus> = {};
    for (const capture of this.#captures) sources[capture.source.name] = sourceStatus(capture, this.#replicas, this.#lagMs(capture), this.#around.clock.monotonic());
    const replicas: Record<string, ReplicaStatus> = {};
    for (const replica of this.#replicas) replicas[replica.name] = replicaStatus(replica, this.#captures, nowMs);
    return { sources, replicas };
  }

  metrics(): string {
    const { metrics } = this.#around;
    const { sources, replicas } = this.status();
    for (const [source, status] of Object.entries(sources)) {
      metrics.set('sourceUp', { source }, isUp(status.state));
      metrics.set('sourceLagBytes', { source }, status.lagBytes);
      metrics.set('sourceLagMs', { source }, status.lagMs);
    }
    for (const [replica, status] of Object.entries(replicas)) {
      metrics.set('replicaUp', { replica }, isUp(status.state));
      metrics.set('replicaLagBytes', { replica }, status.lagBytes);
      metrics.set('replicaLagMs', { replica }, status.lagMs);
      metrics.set('replicaDeadLetters', { replica }, status.deadLetters);
    }
    return metrics.expose();
  }

  async caughtUp(): Promise<void> {
    const { clock } = this.#around;
    const goals = new Map<Capture, Position>();
    let troubleSinceMs: number | undefined;
    for (;;) {
      let behind = false;
      const troubles = [...this.#captures, ...this.#replicas].flatMap(({ condition }) => ('error' in condition ? [condition.error] : []));
      troubleSinceMs = troubles.length === 0 ? undefined : (troubleSinceMs ?? clock.monotonic());
      // Who waits for an end wants to hear that there will be none.
      const hopeless = troubles.find((error) => error.code === 'AUTH_FAILED') ?? (clock.monotonic() - (troubleSinceMs ?? Infinity) > patienceMs ? troubles[0] : undefined);
      if (hopeless) throw hopeless;
      for (const capture of this.#captures) {
        if (capture.condition.state === 'failed') throw capture.condition.error;
        if (capture.condition.state !== 'streaming' || goals.has(capture)) continue;
        // The connection may break just now; then the source is asked again when it is back.
        const end = await capture.source.committedEnd().catch((error: unknown) => {
          if (!asMillraceError(error).retriable) throw error;
          return undefined;
        });
        if (end !== undefined) goals.set(capture, end);
      }
      for (const replica of this.#replicas) {
        if (replica.condition.state === 'failed') throw replica.condition.error;
        for (const capture of this.#captures) {
          const part = replica.part(capture.source.name);
          if (!part) continue;
          const goal = goals.get(capture);
          if (goal === undefined || part.indexing.busy || part.progress.phase !== 'streaming' || (part.progress.applied ?? 0n) < goal) behind = true;
        }
      }
      if (!behind) return;
      if (this.#stopping) throw new MillraceError('NOT_RUNNING', 'the project was stopped before it had caught up');
      await clock.sleep(20);
    }
  }

  async pause(name: string): Promise<void> {
    this.#replica(name).pause();
  }

  async resume(name: string): Promise<void> {
    this.#replica(name).resume();
  }

  async resync(name: string, tables: readonly string[]): Promise<void> {
    const replica = this.#replica(name);
    const { captures, wanted } = this.#chosen(replica, tables);
    if (wanted.size > 0) await replica.resync(wanted);
    for (const capture of captures) if (capture.condition.state === 'failed') await capture.startAgain();
  }

  resyncRows(name: string, tables: readonly string[], which: WhichRows): Promise<RowsReport> {
    const replica = this.#replica(name);
    const { wanted } = this.#chosen(replica, tables);
    const { state } = replica.condition;
    if (state !== 'streaming' && state !== 'snapshot') throw new MillraceError('NOT_STREAMING', `replica "${name}" is ${state}`);
    return resyncRows(this.#project, replica, this, wanted, which, this.#ending.signal);
  }

  /** The sources of a replica with some of its tables, and those; none of a source stands for all. */
  #chosen(replica: Replica, tables: readonly string[]): { captures: Capture[]; wanted: Map<string, readonly string[]> } {
    const { name } = replica;
    const captures = this.#captures.filter((capture) => replica.part(capture.source.name) !== undefined);
    const wanted = new Map<string, readonly string[]>();
    for (const capture of captures) {
      const own = new Set(capture.relations.map(tableAddress));
      const chosen = tables.filter((table) => own.has(table));
      if (tables.length === 0 || chosen.length > 0) wanted.set(capture.source.name, chosen);
    }
    const unknown = tables.find((table) => ![...wanted.values()].flat().includes(table));
    if (unknown !== undefined) throw new MillraceError('TABLE_UNKNOWN', `replica "${name}" takes no table ${unknown}`, { hint: 'name it as at the source' });
    return { captures, wanted };
  }

  async hold(name: string, position: string, ms: number, source?: string): Promise<void> {
    const replica = this.#replica(name);
    const capture = this.#captures.find((one) => (source === undefined ? replica.part(one.source.name) !== undefined : one.source.name === source));
    if (!capture) throw new MillraceError('NAME_UNKNOWN', `replica "${name}" does not take from "${source}"`);
    await replica.hold(capture.source.name, position === 'now' ? 'now' : capture.source.parsePosition(position), ms);
  }

  release(name: string): void {
    this.#replica(name).release();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#watch);
    this.#ending.abort();
    rememberFailures(this.#project.folder, this.status());
    const deadline = new AbortController();
    const closing = (async () => {
      const replicas = Promise.all(this.#replicas.map((replica) => replica.stop()));
      // Sources and logs are let go of in time, even if a target does not answer.
      await Promise.race([replicas, this.#around.clock.sleep(replicasStopMsMax, deadline.signal)]);
      for (const capture of this.#captures) {
        await capture.stop();
        // What could not be written is still at the source: nobody has told it to forget that.
        await capture.stream.close().catch((error: unknown) => this.#around.logger.warn('the log was closed before all of it was written', { source: capture.source.name, error: String(error) }));
      }
      await replicas;
    })().finally(this.#release);
    await Promise.race([closing, this.#around.clock.sleep(stopMsMax, deadline.signal)]);
    deadline.abort();
    this.#end();
  }

  #replica(name: string): Replica {
    const found = this.#replicas.find((replica) => replica.name === name);
    if (found) return found;
    throw unknownName('running replica', name, this.#replicas.map((replica) => replica.name));
  }

  /** The age of a mark: an end of the source that was seen and has not been received yet. An idle source tells its position once a second. */
  #lagMs(capture: Capture): number {
    const mark = this.#lags.get(capture.source.name);
    if (!mark) return 0;
    const ageMs = this.#around.clock.monotonic() - mark.atMs;
    const idle = this.#around.clock.now() - Number(capture.lastCommitUs / 1000n) > 2000;
    return idle && ageMs < idleReportMs ? 0 : Math.round(ageMs);
  }

  #observe(): void {
    for (const capture of this.#captures) {
      const { sourceEnd, stream, source } = capture;
      const mark = this.#lags.get(source.name);
      if (mark && stream.end !== undefined && stream.end >= mark.position) this.#lags.delete(source.name);
      else if (!mark && sourceEnd !== undefined && stream.end !== undefined && stream.end < sourceEnd) {
        this.#lags.set(source.name, { position: sourceEnd, atMs: this.#around.clock.monotonic() });
      }
    }
    const conditions = this.#replicas.map((replica) => replica.condition);
    const failed = conditions.find((condition) => condition.state === 'failed');
    const dead = this.#captures.find((capture) => capture.condition.state === 'failed');
    if (failed?.state === 'failed' && conditions.every((condition) => condition.state === 'failed')) this.#fail(failed.error);
    else if (dead?.condition.state === 'failed' && this.#captures.every((capture) => capture.condition.state === 'failed')) this.#fail(dead.condition.error);
  }
}
