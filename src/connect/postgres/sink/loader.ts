// The snapshot path: fills one table, or a chunk of it, in one transaction of its own session, together with the note that it is done. An empty
// table is COPYed into; where several source tables share a target, the later ones are merged.
import { crashPoint, MillraceError } from '../../../base/index.ts';
import { COPY_HEADER, COPY_TRAILER } from '../../../codec/index.ts';
import { type Origin, quoteTable, tableAddress, type TableName } from '../../../data/index.ts';
import type { Committed, Load, TableStep } from '../../../flow/index.ts';
import { PgError } from '../../../wire/index.ts';
import { send, type Table } from './apply.ts';
import { emptyTable } from './empty.ts';
import { type Fence, fenced, isFenced } from './fence.ts';
import { notOlder } from './guard.ts';
import { isolate, isRowError, rowError, underSavepoint, unitsOf } from './isolate.ts';
import { changesOf, type Letter, rejected, writeLetter } from './letter-rows.ts';
import { noteChunk, noteDone } from './load-notes.ts';
import { deferReferences, unreferenced } from './references.ts';
import { refusedOf } from './refused.ts';
import { Layouts, segmentsOf } from './segments.ts';
import type { Session } from './session.ts';
import { copyTarget } from './statements.ts';
import { neverFilled } from './table-shapes.ts';

/** Rows are sent in pieces of about this size; after each one the server's answer is awaited, which bounds the memory of both sides. */
const pieceBytes = 4 << 20;

export interface LoadContext {
  readonly session: Session;
  readonly fence: Fence;
  readonly onBadRow: 'deadLetter' | 'stop';
  originOf(part: string): Origin | undefined;
  /** For what to grant, in messages. */
  readonly user: string;
}

/** Loads and commits; loads into one table must not run at the same time. An aborted signal rolls back and returns zero rows. On any error nothing stays. */
export async function loadTable(context: LoadContext, load: Load, signal: AbortSignal): Promise<Committed> {
  try {
    return await fill(context, load, signal);
  } catch (thrown) {
    const { session, user } = context;
    // What has failed in a transaction that has failed already.
    const failed = thrown instanceof PgError && thrown.code === '25P02' ? await session.settle() : undefined;
    const error = failed?.error ?? thrown;
    if (error instanceof PgError && error.code === '23503') throw unreferenced(session, user, load.target, error);
    throw refusedOf([tableAddress(load.target)], error, session.connection.where, user);
  }
}

async function fill({ session, fence, onBadRow, user, originOf }: LoadContext, load: Load, signal: AbortSignal): Promise<Committed> {
  const { consumer } = fence;
  const layouts = new Layouts();
  session.begin(originOf(load.part));
  fence.markLong(session);
  // Chunks of one table have no key in common, and the room for them is made.
  const keeps = load.keeps === true && (await hasRows(session, load.target));
  const fresh = load.chunk !== undefined || (!keeps && (await makeRoom(session, consumer, user, load)));
  await deferReferences(session, load.target);
  let rows = 0;
  let deadLetters = 0;
  const keep = async (letter: Letter): Promise<void> => {
    if (onBadRow === 'stop') throw rejected(consumer, letter);
    await writeLetter(session, consumer, load.position, letter);
    deadLetters += 1;
  };
  const apply = async (steps: readonly TableStep[]): Promise<void> => {
    await layouts.load(session, steps);
    const straight = fresh ? await copyStraight(session, layouts, steps) : undefined;
    if (straight !== undefined) {
      rows += straight;
      return;
    }
    for (const segment of segmentsOf(steps, layouts, session.replicaRole, fresh ? 'fresh' : 'merge')) {
      for (const table of segment.tables) {
        const refused = await loadPiece(session, table, fresh);
        rows += table.fold.count - refused.length;
        const changes = changesOf(table, refused.map((each) => each.entries));
        for (const [i, { error }] of refused.entries()) for (const change of changes[i] ?? []) await keep({ ...change, error });
      }
      for (const letter of segment.rejects) await keep(letter);
    }
  };
  let piece: TableStep[] = [];
  let bytes = 0;
  for await (const step of keeps ? [] : load.steps) {
    if (signal.aborted) break;
    piece.push(step);
    if (step.kind === 'rows') bytes += step.writes.reduce((sum, { batch }) => sum + batch.after.bytes.length, 0);
    if (bytes < pieceBytes) continue;
    await apply(piece);
    crashPoint('snapshot.mid-copy');
    piece = [];
    bytes = 0;
  }
  if (signal.aborted) {
    await session.rollback();
    return { rows: 0, deadLetters: 0 };
  }
  await apply(piece);
  if (load.chunk) noteChunk(session, consumer, load, load.chunk, rows);
  else noteDone(session, consumer, load, rows);
  crashPoint('snapshot.before-commit');
  await commitFenced(session, fence, tableAddress(load.target));
  crashPoint('snapshot.after-commit');
  return { rows, deadLetters };
}

/** Commits, unless a successor has taken over. The fence is held only now: he must not wait for the whole load of a process that lost its connection. */
export async function commitFenced(session: Session, fence: Fence, what: string): Promise<void> {
  fence.hold(session);
  const outcome = session.query('commit', 'commit');
  const failure = await session.settle();
  if (failure) throw failure.sent.what === 'fence' && isFenced(failure.error) ? fenced(fence.consumer) : failure.error;
  if ((await outcome)[0]?.tag !== 'COMMIT') throw new MillraceError('TARGET_BUSY', `the load of ${what} was rolled back`);
}

/** Whether the table is empty now, so that rows can be COPYed straight into it. */
export async function makeRoom(session: Session, consumer: string, user: string, { part, from, target }: Pick<Load, 'part' | 'from' | 'target'>): Promise<boolean> {
  const { connection } = session;
  const recorded = await connection.rows<{ source: string; source_table: string; filled: string; made: string }>(
    `select source, source_table, (state = 'done' or snapshot_position is not null)::text as filled, ${neverFilled}::text as made from millrace.tables where consumer = $1 and target_table = $2`, [consumer, tableAddress(target)],
  );
  const isOurs = (row: { source: string; source_table: string }): boolean => row.source === part && row.source_table === tableAddress(from);
  const shared = recorded.some((row) => !isOurs(row) && row.filled === 'true');
  if (recorded.some((row) => isOurs(row) && row.made !== 'true') && !shared) await emptyTable(session, consumer, user, target);
  if (!(await hasRows(session, target))) return true;
  if (shared) return false;
  throw new MillraceError('TARGET_MISMATCH', `table ${tableAddress(target)} has rows that this replica has not written`, {
    where: connection.where, hint: `empty it: truncate ${quoteTable(target)}; or, if they are those of the source, say \`existing: keep\``,
  });
}

async function hasRows({ connection }: Session, target: TableName): Promise<boolean> {
  const [row] = await connection.rows<{ filled: string }>(`select exists (select from ${quoteTable(target)})::text as filled`);
  return row?.filled === 'true';
}

/** Copies rows into the table as they came, without a look at them. Undefined when they have to be looked at, or one of them was refused: nothing is done then. */
async function copyStraight(session: Session, layouts: Layouts, steps: readonly TableStep[]): Promise<number | undefined> {
  const writes = steps.flatMap((step) => (step.kind === 'rows' ? step.writes : []));
  const [first] = writes;
  if (!first || steps.some((step) => step.kind !== 'rows') || writes.some((write) => write.rows || write.rejected)) return undefined;
  const layout = layouts.get(first, session.replicaRole);
  if (!layout.whole || !layout.direct || writes.some((write) => layouts.get(write, session.replicaRole) !== layout)) return undefined;
  const failure = await underSavepoint(session, async () => {
    const promise = session.copy(copyTarget(layout), (emit) => {
      emit(COPY_HEADER);
      for (const { batch } of writes) emit(batch.after.bytes);
      emit(COPY_TRAILER);
    });
    session.track({ what: 'rows', layout, promise });
    await session.connection.drained();
    return session.settle();
  });
  if (!failure) return writes.reduce((sum, { batch }) => sum + batch.count, 0);
  if (!isLoadError(rowError(failure))) throw failure.error;
  return undefined;
}

async function loadPiece(session: Session, table: Table, fresh: boolean): Promise<{ entries: readonly number[]; error: PgError | MillraceError }[]> {
  const mode = !fresh && table.layout.path === 'ordered' ? 'safe' : 'fast';
  const all = [...Array(table.fold.count).keys()];
  const entries = fresh ? all : await notOlder(session, table, all);
  const failure = await underSavepoint(session, async () => {
    send(session, table, mode, entries);
    await session.connection.drained();
    return session.settle();
  });
  if (!failure) return [];
  if (!isLoadError(rowError(failure))) throw failure.error;
  const allowed = new Set(entries);
  return [...(await isolate(session, table, unitsOf(table).filter((unit) => unit.every((entry) => allowed.has(entry))), isLoadError))];
}

/** That a row's parent is not there (yet) is no fault of the row. */
const isLoadError = (error: unknown): boolean => isRowError(error) && !(error instanceof PgError && error.code === '23503');
