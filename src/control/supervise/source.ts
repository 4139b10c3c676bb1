// One source of a running project: its connector, its log, its capture.
import { type Clock, type Logger, type Metrics, Random, TokenBucket } from '../../base/index.ts';
import { EmbeddedStream } from '../../bus/index.ts';
import { Capture } from '../../capture/index.ts';
import { PostgresSource, type PostgresSourceOptions } from '../../connect/index.ts';
import { makeFolder } from '../durable-file.ts';
import { logFolder, namesAtSource, spillFolder } from '../names.ts';
import { identify } from '../ownership.ts';
import { readMemory, writeMemory } from '../source-memory.ts';
import { appendOnlyTables, columnFilter, type Project, type SourceSpec } from '../project/project.ts';

export interface Surroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Listeners = Pick<PostgresSourceOptions, 'onWait' | 'onBytes' | 'onSpilled' | 'rate'>;

export function postgresSource(project: Pick<Project, 'folder' | 'replicas' | 'limits'>, spec: SourceSpec, around: Pick<Surroundings, 'clock' | 'logger'>, listeners: Listeners = {}): PostgresSource {
  return new PostgresSource({
    name: spec.name,
    url: spec.url,
    tables: spec.tables,
    place: spec.place,
    sendsColumn: columnFilter(spec),
    appendOnly: appendOnlyTables(project, spec),
    ...namesAtSource(spec),
    identify: (recorded) => inTurn(project.folder, () => identify(project, recorded)),
    spill: { folder: spillFolder(project, spec.name), memoryBytesMax: Math.min(8 << 20, Math.max(256 << 10, Math.floor(project.limits.memoryBytes / 32))) },
    clock: around.clock,
    logger: around.logger,
    ...listeners,
  });
}

/** The sources of a project must not make two ids for it. */
const turns = new Map<string, Promise<unknown>>();
function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(folder) ?? Promise.resolve()).then(work);
  turns.set(folder, mine.catch(() => undefined));
  return mine;
}

export async function startCapture(project: Project, spec: SourceSpec, around: Surroundings): Promise<Capture> {
  const folder = logFolder(project, spec.name);
  makeFolder(folder);
  const logger = around.logger.with({ source: spec.name });
  const stream = await EmbeddedStream.open(folder, spec.name, {
    memoryBytesMax: Math.min(64 << 20, Math.floor(project.limits.memoryBytes / 8)),
    aheadBytesMax: Math.min(16 << 20, Math.floor(project.limits.memoryBytes / 32)),
    segmentBytesMax: Math.min(64 << 20, Math.max(256 << 10, Math.floor(project.limits.memoryBytes / 16))),
    logger, clock: around.clock,
  });
  const { readBytesPerSec } = project.limits;
  const source = postgresSource(project, spec, { clock: around.clock, logger }, {
    ...(readBytesPerSec === undefined ? {} : { rate: new TokenBucket(readBytesPerSec, around.clock) }),
    onWait: (reason) => capture.waitsFor(reason),
    onBytes: (bytes) => around.metrics.add('sourceBytes', { source: spec.name }, bytes),
    onSpilled: (bytes) => around.metrics.set('sourceSpilledBytes', { source: spec.name }, bytes),
  });
  const capture: Capture = new Capture({
    source,
    stream,
    clock: around.clock,
    random: new Random(process.pid),
    logger,
    metrics: around.metrics,
    walKeptBytesMax: project.limits.walKeptBytes,
    walKept: () => source.walKept(),
    memory: { read: () => readMemory(project, spec.name), write: (memory) => writeMemory(project, spec.name, memory) },
  });
  return capture;
}
