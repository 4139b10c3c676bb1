// The dead letters of a replica, for people: list, show, replay, drop. They live in the target (millrace.dead_letters), so that these work
// whether or not the replica runs.
import { MillraceError, silentLogger } from '../../../base/index.ts';
import { type Batch, BatchBuilder, Before, fieldOf, Format, NULL_FIELD, Op, parseLsn, type Position, tableAddress } from '../../../data/index.ts';
import type { TableStep, TableWrite } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, displayTarget, type PgConnection, PgError } from '../../../wire/index.ts';
import { notOlder, notOlderRows } from './guard.ts';
import { attempt, rowError } from './isolate.ts';
import type { Layout } from './layout.ts';
import { keptKey, type LetterRelation } from './letter-rows.ts';
import { originOfLetter } from './origins.ts';
import { sendOrdered } from './ordered.ts';
import { Layouts, segmentsOf } from './segments.ts';
import { Session } from './session.ts';

export type LetterState = 'open' | 'superseded' | 'joined' | 'replayed' | 'dropped';

export interface DeadLetter {
  readonly id: string;
  readonly consumer: string;
  /** Addresses. */
  readonly source: string;
  readonly target: string;
  /** Text forms of the key's values. */
  readonly key: readonly (string | null)[];
  readonly op: string;
  readonly position: Position;
  readonly seq: number;
  /** A SQLSTATE, ROW_MISSING, or, of a rule, TRANSFORM_FAILED and the like. */
  readonly code: string;
  readonly message: string;
  readonly column: string | undefined;
  /** Target column → text form; columns that the change did not carry are absent. Undefined for a delete. */
  readonly row: Readonly<Record<string, string | null>> | undefined;
  readonly state: LetterState;
  /** Who refused the row. One of a rule cannot be replayed: its table is read again when the rule is mended. */
  readonly rejectedBy: 'target' | 'rule';
  readonly createdAt: string;
}

type LetterRow = Record<'id' | 'consumer' | 'source_table' | 'target_table' | 'key' | 'op' | 'position' | 'seq' | 'code' | 'message' | 'created_at' | 'state' | 'rejected_by', string> &
  Record<'column' | 'row', string | null>;

const fields = `id::text, consumer, source_table, target_table, key::text, op, position, seq::text, code, message, "column", "row"::text, state, coalesce(relation ->> 'rejectedBy', 'target') as rejected_by, created_at::text`;

async function withSession<T>(connect: ConnectOptions, work: (session: Session) => Promise<T>): Promise<T> {
  let session: Session | undefined;
  try {
    session = await Session.open({ connect, logger: silentLogger });
    return await work(session);
  } catch (error) {
    throw describePgError(error, displayTarget(connect));
  } finally {
    await session?.connection.close();
  }
}

const isMissing = (error: unknown): boolean => error instanceof PgError && (error.code === '42P01' || error.code === '3F000');

/** Letters of a consumer in order of their numbers: the open ones, or all. */
export function listLetters(connect: ConnectOptions, consumer: string, options: { all?: boolean } = {}): Promise<DeadLetter[]> {
  const states = options.all ? '' : "and state in ('open', 'joined')";
  return withSession(connect, async ({ connection }) => {
    const rows = await connection.rows<LetterRow>(`select ${fields} from millrace.dead_letters where consumer = $1 ${states} order by dead_letters.id`, [consumer]).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    return rows.map(toLetter);
  });
}

/** One letter; throws LETTER_UNKNOWN. */
export function showLetter(connect: ConnectOptions, consumer: string, id: string): Promise<DeadLetter> {
  return withSession(connect, async ({ connection }) => {
    const [row] = await connection.rows<LetterRow>(`select ${fields} from millrace.dead_letters where consumer = $1 and id::text = $2`, [consumer, id]);
    if (!row) throw unknown(consumer, id);
    return toLetter(row);
  });
}

/** Gives a letter up. Letters that joined it are dropped with it: they cannot be applied without it. */
export function dropLetter(connect: ConnectOptions, consumer: string, id: string): Promise<void> {
  return withSession(connect, async (session) => {
    session.begin();
    const letters = await lock(session, consumer, id);
    await close(session, letters, 'dropped');
    await session.connection.query('commit');
  });
}

/**
 * Applies a letter's row, and those that joined it, in one transaction. Throws LETTER_UNKNOWN when it is not open (a newer change of the row
 * has superseded it: replaying it would overtake), ROW_REJECTED when the target refuses the row again, LETTER_OF_RULE when a rule rejected the
 * row: the letter has not what the rule would make of it,
 * LETTER_UNSURE when rows that are not its own might change with it.
 */
export function replayLetter(connect: ConnectOptions, consumer: string, id: string): Promise<void> {
  return withSession(connect, async (session) => {
    session.begin(await originOfLetter(session.connection, consumer, id));
    const letters = await lock(session, consumer, id);
    const made = letters.find((letter) => (JSON.parse(letter.relation) as LetterRelation).rejectedBy === 'rule');
    if (made) throw byRule(consumer, made);
    const layouts = new Layouts();
    // Together, as the changes of one commit, so that rows that change places under their keys find their old values.
    const steps: TableStep[] = [{ kind: 'rows', writes: letters.map(writeFrom) }];
    await layouts.load(session, steps);
    for (const segment of segmentsOf(steps, layouts, session.replicaRole)) {
      for (const { layout } of [...segment.tables, ...segment.ordered]) assertSure(consumer, layout, letters);
      for (const row of await notOlderRows(session, segment.ordered)) sendOrdered(session, row);
      const failures = [await session.settle()];
      for (const table of segment.tables) failures.push(await attempt(session, table, await notOlder(session, table, [...Array(table.fold.count).keys()])));
      for (const failure of failures) if (failure) throw refusedAgain(consumer, id, rowError(failure));
    }
    await close(session, letters, 'replayed');
    await session.connection.query('commit');
  });
}

/** Throws where applying letters might change rows that are not theirs. */
function assertSure(consumer: string, layout: Layout, letters: readonly Locked[]): void {
  if (layout.key.length === 0) return;
  const left = new Set<string>();
  let returns = false;
  for (const { relation, op, key, old_key } of letters) {
    const kept = JSON.parse(relation) as LetterRelation;
    if (op !== 'delete') returns ||= left.has(keptKey(kept, key));
    const gone = op === 'delete' ? key : old_key;
    if (gone !== null) left.add(keptKey(kept, gone));
  }
  const why = left.size > 0 && !layout.keySure ? 'another row may have an old key of it by now, since values of its type may be equal that are written differently'
    : returns && layout.path === 'ordered' && layout.shape.cascades ? 'rows of other tables that belong to a newer row with the same key would go or change with the old one'
    : undefined;
  if (why === undefined) return;
  const { from, target } = JSON.parse((letters[0] as Locked).relation) as LetterRelation;
  throw new MillraceError('LETTER_UNSURE', `letter ${letters[0]?.id} moves or deletes a row of ${tableAddress(target)}: ${why}`, { hint: `millrace resync ${consumer}.${tableAddress(from)}` });
}

interface Locked {
  id: string;
  op: string;
  key: string;
  old_key: string | null;
  tuple: string | null;
  relation: string;
}

/**
 * The open letter and those that joined it, in order, locked, so that the replica waits with newer changes of the row. The open one first: while
 * that is waited for, others may have joined it.
 */
async function lock({ connection }: Session, consumer: string, id: string): Promise<Locked[]> {
  const [open] = await connection.rows("select from millrace.dead_letters where consumer = $1 and id::text = $2 and state = 'open' for update", [consumer, id]);
  if (!open) throw unknown(consumer, id);
  return connection.rows<Locked & Record<string, string | null>>(
    `select id::text, op, encode(key_bytes, 'hex') as key, encode(old_key, 'hex') as old_key, encode(tuple, 'hex') as tuple, relation::text
     from millrace.dead_letters where consumer = $1 and (id = $2::int8 or (state = 'joined' and joins = $2::int8)) order by dead_letters.id for update`,
    [consumer, id],
  );
}

async function close(session: Session, letters: readonly Locked[], state: LetterState): Promise<void> {
  await session.connection.rows('update millrace.dead_letters set state = $2, closed_at = pg_catalog.now() where id = any($1::int8[])', [`{${letters.map(({ id }) => id).join(',')}}`, state]);
}

const refusedAgain = (consumer: string, id: string, error: PgError | MillraceError): MillraceError =>
  new MillraceError('ROW_REJECTED', `the target refuses the row of letter ${id} again: ${error.message}`, {
    cause: error, ...(error.detail ? { detail: error.detail } : {}),
    hint: `see it with \`millrace dead show ${id} --replica ${consumer}\`, mend the cause, then \`millrace dead replay ${id}\``,
  });

const byRule = (consumer: string, letter: Locked): MillraceError => {
  const { from, target } = JSON.parse(letter.relation) as LetterRelation;
  return new MillraceError('LETTER_OF_RULE', `letter ${letter.id} is of a row that a rule could not make for ${tableAddress(target)}, so there is nothing to apply yet`, {
    hint: `mend the rule or transform, start \`millrace up\` again, then \`millrace resync ${consumer}.${tableAddress(from)}\``,
  });
};

const unknown = (consumer: string, id: string): MillraceError => new MillraceError('LETTER_UNKNOWN', `${consumer} has no open dead letter ${id}`);

const toLetter = (row: LetterRow): DeadLetter => ({
  id: row.id, consumer: row.consumer, source: row.source_table, target: row.target_table, key: JSON.parse(row.key) as (string | null)[], op: row.op,
  position: parseLsn(row.position), seq: Number(row.seq), code: row.code, message: row.message, column: row.column ?? undefined,
  row: row.row === null ? undefined : (JSON.parse(row.row) as Record<string, string | null>), state: row.state as LetterState, rejectedBy: row.rejected_by as DeadLetter['rejectedBy'], createdAt: row.created_at,
});

/** The letter as the write of a batch of one row. */
function writeFrom(letter: Locked): TableWrite {
  const kept = JSON.parse(letter.relation) as LetterRelation;
  const keyFields = (kept.target.key.length > 0 ? kept.target.key : kept.target.columns.map((_, i) => i)).map((i) => kept.fields[i] as number);
  const full = kept.target.key.length === 0;
  const relation: Batch['relation'] = { oid: 0, schema: kept.from.schema, name: kept.from.name, columns: kept.columns, identity: full ? 'full' : 'default', key: full ? [] : keyFields, version: `letter ${JSON.stringify([kept.target, kept.formats, kept.fields])}` };
  const builder = new BatchBuilder(relation, Uint8Array.from(kept.formats, (format) => (format === Format.text ? Format.text : Format.binary)));
  const tuple = letter.tuple === null ? undefined : Buffer.from(letter.tuple, 'hex');
  const inserts = letter.op === 'insert' || letter.op === 'read';
  const oldKey = letter.op === 'delete' ? (letter.old_key ?? letter.key) : inserts ? null : letter.old_key;
  if (tuple && letter.op !== 'delete') builder.after.bytes(tuple);
  if (oldKey !== null) {
    const key = Buffer.from(oldKey, 'hex');
    builder.before.i16(kept.columns.length);
    for (const i of kept.columns.keys()) {
      const value = keyFields.includes(i) ? fieldOf(key, 0, keyFields.indexOf(i)) : null;
      if (value) builder.before.i32(value.length).bytes(value);
      else builder.before.i32(NULL_FIELD);
    }
  }
  const partial = tuple ? kept.columns.some((_, i) => fieldOf(tuple, 0, i) === undefined) : false;
  builder.add(letter.op === 'delete' ? Op.delete : inserts ? Op.insert : Op.update, 0, oldKey === null ? Before.none : full ? Before.full : Before.key, partial);
  return { target: kept.target, from: kept.from, batch: builder.build(), fields: Int32Array.from(kept.fields) };
}

/** The number of a consumer's letters that are open or have joined an open one. */
export async function countLetters(connection: PgConnection, consumer: string): Promise<number> {
  const [row] = await connection.rows<{ count: string }>("select count(*) from millrace.dead_letters where consumer = $1 and state in ('open', 'joined')", [consumer]);
  return Number(row?.count ?? 0);
}
