// resync --adopt: replicas go on with a server that has taken the place of their source's, without reading the tables again. It is for an upgrade
// or a move that takes the slot away, while nobody writes: the new server holds exactly what the replicas have had.
//
// That nobody wrote in between cannot be seen from either server; `verify` proves it afterwards. What is refused here is everything that shows
// that it is not so: a slot that is still there, changes in the log that a replica has not applied, a server without the tables or without rows.
import { createLogger, MillraceError, systemClock } from '../base/index.ts';
import { EmbeddedStream } from '../bus/index.ts';
import { type AdoptedTable, adoptPart, forgetOldPositions, identifyServer, type PartRecord, readPart, readSlot, withRows } from '../connect/index.ts';
import { formatLsn, type Position, type Relation, tableAddress } from '../data/index.ts';
import type { SourceState, TableShape } from '../flow/index.ts';
import { compileForTarget, type ReplicaSpec, type Route } from '../replica/index.ts';
import { withConnection } from '../wire/index.ts';
import { logFolder, namesAtSource, unknownName } from './names.ts';
import type { Project, SourceSpec } from './project/project.ts';
import { assertNotRunning } from './run-file.ts';
import { readMemory } from './source-memory.ts';
import { postgresSource } from './supervise/source.ts';

export interface Adopted {
  readonly replica: string;
  /** Where it goes on, in the new server's history. */
  readonly position: string;
  readonly tables: number;
  /** Tables that cannot be recognised, by their addresses at the source. */
  readonly readAgain: readonly string[];
}

interface Candidate {
  readonly spec: ReplicaSpec;
  readonly record: PartRecord;
}

/** Throws NOT_ADOPTABLE when something shows that changes would be lost, or that there is nothing to adopt. Only while nothing runs. */
export async function adopt(project: Project, sourceName: string): Promise<readonly Adopted[]> {
  const source = project.sources.find((one) => one.name === sourceName);
  if (!source) throw unknownName('source', sourceName, project.sources.map((one) => one.name));
  assertNotRunning(project.folder);
  const identity = await identifyServer(source.url);
  const candidates = await findCandidates(project, source, identity.systemId);
  await mustHaveTheLog(project, source, candidates);
  await withConnection(source.url, (connection) => forgetOldPositions(connection, namesAtSource(source)));
  const connector = postgresSource(project, source, { clock: systemClock, logger: createLogger('silent') });
  try {
    const state = await connector.open();
    await mustHoldTheData(source, state.relations, candidates);
    const position = await beginning(project, source, state);
    const adopted: Adopted[] = [];
    for (const candidate of candidates) adopted.push(await adoptReplica(source, candidate, state, position));
    return adopted;
  } finally {
    await connector.close();
  }
}

const refuse = (message: string, more: { hint: string; detail?: string }): never => {
  throw new MillraceError('NOT_ADOPTABLE', message, more);
};

/** The replicas that stand in the history of a server that is gone. One whose position was moved by an earlier attempt is not among them. */
async function findCandidates(project: Project, source: SourceSpec, systemId: string): Promise<Candidate[]> {
  const specs = project.replicas.filter((spec) => spec.from.some((from) => from.source === source.name));
  const found = await Promise.all(specs.map(async (spec) => ({ spec, record: await withConnection(spec.url, (connection) => readPart(connection, spec.name, source.name)) })));
  const known = found.flatMap(({ spec, record }) => (record ? [{ spec, record }] : []));
  if (known.length === 0) refuse(`no replica has taken anything from source "${source.name}" yet`, { hint: 'run `millrace up`, which reads its tables' });
  const slot = await withConnection(source.url, (connection) => readSlot(connection, namesAtSource(source).slot));
  if (slot?.walStatus === 'lost') {
    refuse(`replication slot "${slot.name}" is there and was invalidated, so the server has written much since the replicas stood still`, { hint: `millrace resync ${source.name}` });
  }
  // On the same server a slot that begins at or before a replica's position has everything that the replica needs.
  const candidates = known.filter(({ record }) => record.identity.systemId !== systemId || slot === undefined || (slot.confirmed ?? 0n) > record.position);
  if (candidates.length === 0) refuse(`there is nothing to adopt: the replicas of source "${source.name}" can go on from their slot`, { hint: 'run `millrace up`' });
  return candidates;
}

/** Whatever was received from the old server must be in every replica: with the new one the log begins anew. */
async function mustHaveTheLog(project: Project, source: SourceSpec, candidates: readonly Candidate[]): Promise<void> {
  const folder = logFolder(project, source.name);
  const inTheLog = readMemory(project, source.name)?.identity.systemId;
  if (inTheLog === undefined) return;
  const stream = await EmbeddedStream.open(folder, source.name);
  try {
    for (const { spec, record } of candidates) {
      if (record.identity.systemId !== inTheLog || stream.end === undefined || record.position >= stream.end) continue;
      if (stream.start !== undefined && record.position >= stream.start && !(await hasTransactions(stream, record.position))) continue;
      refuse(`replica "${spec.name}" has not applied everything that was received from the old server`, {
        detail: `it stands at ${formatLsn(record.position)}, the log in .millrace/ ends at ${formatLsn(stream.end)}`,
        hint: `point the URL to the old server and run \`millrace up --until caught-up\`, or read the tables again: millrace resync ${spec.name}`,
      });
    }
  } finally {
    await stream.close();
  }
}

async function hasTransactions(stream: EmbeddedStream, from: Position): Promise<boolean> {
  const reader = stream.read(from);
  try {
    for (;;) {
      const run = await reader.next(false);
      if (!run) return false;
      if (run.transactions.length > 0) return true;
    }
  } finally {
    reader.close();
  }
}

/** A server without the tables, or with empty ones, is not the one that was meant, or its data has yet to be restored. */
async function mustHoldTheData(source: SourceSpec, relations: readonly Relation[], candidates: readonly Candidate[]): Promise<void> {
  const loaded = new Set(candidates.flatMap(({ record }) => record.tables.filter((table) => table.rows > 0).map((table) => table.source)));
  if (loaded.size === 0) return;
  const there = relations.filter((relation) => loaded.has(tableAddress(relation)));
  const filled = await withConnection(source.url, (connection) => withRows(connection, there));
  if (filled.length > 0) return;
  const what = there.length === 0 ? 'has none of the tables that the replicas were filled from' : 'has the tables, and none of them has a row';
  refuse(`the server of source "${source.name}" ${what}`, { hint: 'check the URL, and restore the data first; the slot that was made just now keeps what is written from now on' });
}

/** Where replicas go on: at the slot's beginning, or at that of a log which `up` has begun with the new server already. */
async function beginning(project: Project, source: SourceSpec, { identity, oldest }: SourceState): Promise<Position> {
  if (readMemory(project, source.name)?.identity.systemId !== identity.systemId) return oldest;
  const stream = await EmbeddedStream.open(logFolder(project, source.name), source.name);
  await stream.close();
  return stream.start !== undefined && stream.start < oldest ? stream.start : oldest;
}

async function adoptReplica(source: SourceSpec, { spec, record }: Candidate, state: SourceState, position: Position): Promise<Adopted> {
  return withConnection(spec.url, async (connection) => {
    // What the target remembers of columns has the numbers of the old server, so that nothing can be told from it here.
    const routes = await compileForTarget(spec, source.name, state.relations, connection, new Map());
    const readAgain = new Set<string>();
    const tables: AdoptedTable[] = [];
    for (const { source: address, target, shape } of record.tables) {
      const relation = state.relations.find((one) => tableAddress(one) === address);
      const route = relation && routes.for(relation).find((one) => tableAddress(one.target) === target);
      const renumbered = shape && route ? renumber(shape, route) : undefined;
      if (!relation || !route || (shape && !renumbered)) readAgain.add(address);
      else tables.push({ source: address, target, oid: relation.oid, shape: renumbered, ...(route.target.guarded ? { guarded: route.target } : {}) });
    }
    await adoptPart(connection, spec.name, source.name, record, { position, identity: state.identity }, tables);
    return { replica: spec.name, position: formatLsn(position), tables: tables.length, readAgain: [...readAgain] };
  });
}

/** A stored shape with the numbers that the columns have now; undefined when one of them is not there any more under its name. */
function renumber({ gone: _gone, unsent: _unsent, partitions: _partitions, ...shape }: TableShape, { target, relation }: Route): TableShape | undefined {
  const numbers = new Map(target.columns.map(({ name, number }) => [name, number]));
  if (shape.columns.some(({ name, number }) => number !== undefined && numbers.get(name) === undefined)) return undefined;
  const withheld = shape.withheld?.flatMap(({ name }) => {
    const number = relation.columns.find((column) => column.name === name)?.number;
    return number === undefined ? [] : [{ name, number }];
  });
  return {
    ...shape,
    columns: shape.columns.map(({ number, ...column }) => ({ ...column, ...(number === undefined ? {} : { number: numbers.get(column.name) as number }) })),
    ...(withheld ? { withheld } : {}),
  };
}
