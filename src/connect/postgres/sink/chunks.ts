// Loads in several transactions: which tables may be filled that way, how such a load begins or is resumed, and how it ends.
import { formatLsn, type Position, quoteTable, type SourceIdentity, tableAddress } from '../../../data/index.ts';
import { type ChunkedLoad, type LoadedChunk, shapeOf } from '../../../flow/index.ts';
import { type Fence, text } from './fence.ts';
import { forgetChunks, readChunks, stateOf } from './load-notes.ts';
import { commitFenced, type LoadContext, makeRoom } from './loader.ts';
import type { Session } from './session.ts';

/**
 * Whether rows of several moments may stand in a table at a time: not with constraints beyond the key that they could hurt (a unique value that
 * moved from one row to another), not with foreign keys and triggers that fire.
 */
const mayHoldSeveralMoments = `select (not exists (select from pg_catalog.pg_index where indrelid = c.oid and (indisunique or indisexclusion) and not indisprimary)
    and ($2::boolean or not exists (select from pg_catalog.pg_constraint where contype = 'f' and conrelid = c.oid)
      and not exists (select from pg_catalog.pg_trigger where tgrelid = c.oid and not tgisinternal)))::text as may
  from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass($1)`;

/** See ReplicaTarget.beginChunks. */
export async function beginChunks({ session, fence, user, originOf }: LoadContext, load: ChunkedLoad): Promise<readonly LoadedChunk[] | undefined> {
  const { connection, replicaRole } = session;
  const [source, target] = [tableAddress(load.from), tableAddress(load.target)];
  const [row] = await connection.rows<{ may: string }>(mayHoldSeveralMoments, [quoteTable(load.target), String(replicaRole)]);
  const records = await connection.rows<{ mine: string; state: string }>(
    '(select (source = $2 and source_table = $3)::text as mine, state from millrace.tables where consumer = $1 and target_table = $4)', [fence.consumer, load.part, source, target]);
  if (row?.may !== 'true' || records.some((record) => record.mine !== 'true')) return undefined;
  const known = await readChunks(session, fence.consumer, load.part, source, target);
  const holds = records.some((record) => record.state === 'copying') && known.every((chunk) => chunk.shape === load.shape && chunk.position >= load.since);
  if (load.resumes && holds && known.length > 0) return known;
  session.begin(originOf(load.part));
  fence.markLong(session);
  await makeRoom(session, fence.consumer, user, load);
  forgetChunks(session, fence.consumer, load);
  const copying = `insert into millrace.tables (consumer, source, source_table, target_table, state, source_oid) values ($1, $2, $3, $4, 'copying', $5::int8)
    on conflict (consumer, source, source_table, target_table) do update set state = 'copying', snapshot_position = null, source_oid = excluded.source_oid, updated_at = pg_catalog.now()`;
  session.track({ what: 'other', promise: session.execute(copying, text(fence.consumer, load.part, source, target, String(load.from.oid ?? 0))) });
  await commitFenced(session, fence, tableAddress(load.target));
  return [];
}

export async function endChunks({ session, fence }: LoadContext, load: ChunkedLoad, position: Position): Promise<void> {
  session.begin();
  fence.markLong(session);
  const params = text(fence.consumer, load.part, tableAddress(load.from), tableAddress(load.target), formatLsn(position), JSON.stringify(shapeOf(load.target)), stateOf(load));
  const done = `update millrace.tables t set state = $7, snapshot_position = $5, shape = $6::jsonb, stopped = null, updated_at = pg_catalog.now(), rows = (select sum(c.rows) from millrace.chunks c
      where c.consumer = $1 and c.source = $2 and c.source_table = $3 and c.target_table = $4)
    where consumer = $1 and source = $2 and source_table = $3 and target_table = $4`;
  session.track({ what: 'other', promise: session.execute(done, params) });
  await commitFenced(session, fence, tableAddress(load.target));
}

/** Tables that were loaded by an attempt that ended before they joined are to be read again. */
export async function forgetUnjoined({ connection }: Session, consumer: string): Promise<void> {
  await connection.rows("update millrace.tables set snapshot_position = null where consumer = $1 and state = 'copying' and snapshot_position is not null", [consumer]);
}

const doneUpTo = `update millrace.tables set snapshot_position = $3 where consumer = $1 and source = $2 and state = 'done' and snapshot_position::pg_lsn < $3::pg_lsn`;
const joined = `update millrace.tables set state = 'done', updated_at = pg_catalog.now() where consumer = $1 and source = $2 and state = 'copying' and snapshot_position is not null`;

/** See ReplicaTarget.join. In the session of commits, between them. */
export async function join(session: Session, fence: Fence, part: string, position: Position, applied: Position, identity: SourceIdentity): Promise<void> {
  session.begin();
  fence.advance(session, part, position, identity);
  session.track({ what: 'other', promise: session.execute(doneUpTo, text(fence.consumer, part, formatLsn(applied))) });
  session.track({ what: 'other', promise: session.execute(joined, text(fence.consumer, part)) });
  await commitFenced(session, fence, 'tables that were read');
  fence.advanced(part, position, identity);
}
