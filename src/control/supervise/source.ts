// One source of a running project: its connector, its log, its capture.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Logger, type Metrics, Random } from '../../base/index.ts';
import { EmbeddedStream } from '../../bus/index.ts';
import { Capture } from '../../capture/index.ts';
import { PostgresSource, type PostgresSourceOptions } from '../../connect/index.ts';
import type { SourceIdentity } from '../../data/index.ts';
import { writeDurably } from '../durable-file.ts';
import { logFolder, namesAtSource } from '../names.ts';
import { identify } from '../ownership.ts';
import { appendOnlyTables, columnFilter, type Project, type SourceSpec } from '../project/project.ts';

export interface Surroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type Listeners = Pick<PostgresSourceOptions, 'onWait' | 'onBytes'>;

export function postgresSource(project: Pick<Project, 'folder' | 'replicas'>, spec: SourceSpec, around: Pick<Surroundings, 'clock' | 'logger'>, listeners: Listeners = {}): PostgresSource {
  return new PostgresSource({
    name: spec.name,
    url: spec.url,
    tables: spec.tables,
    place: spec.place,
    sendsColumn: columnFilter(spec),
    appendOnly: appendOnlyTables(project, spec),
    ...namesAtSource(spec),
    identify: (recorded) => inTurn(project.folder, () => identify(project, recorded)),
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
  mkdirSync(folder, { recursive: true });
  const logger = around.logger.with({ source: spec.name });
  const stream = await EmbeddedStream.open(folder, spec.name, {
    memoryBytesMax: Math.min(64 << 20, Math.floor(project.limits.memoryBytes / 8)),
    segmentBytesMax: Math.min(64 << 20, Math.max(256 << 10, Math.floor(project.limits.memoryBytes / 16))),
    logger, clock: around.clock,
  });
  const identityFile = join(folder, 'identity.json');
  const source = postgresSource(project, spec, { clock: around.clock, logger }, {
    onWait: (reason) => capture.waitsFor(reason),
    onBytes: (bytes) => around.metrics.add('sourceBytes', { source: spec.name }, bytes),
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
    memory: {
      read: () => readIdentity(identityFile),
      write: (identity) => writeDurably(identityFile, { format: 1, ...identity }),
    },
  });
  return capture;
}

function readIdentity(file: string): SourceIdentity | undefined {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as { format?: number; systemId?: string; timeline?: number };
    return value.format === 1 && value.systemId ? { systemId: value.systemId, timeline: value.timeline ?? 0 } : undefined;
  } catch {
    return undefined; // absent or torn: then the stream begins anew
  }
}
