// Finds the rows that the target refuses: within the open transaction, by halving under savepoints. What passes stays; what is refused is
// undone, so that the key keeps its old row, and comes back with its error.
import { MillraceError } from '../../../base/index.ts';
import { isTransient, PgError } from '../../../wire/index.ts';
import { complete, incomplete, send, type Table } from './apply.ts';
import { State } from './fold.ts';
import { entryKey } from './letter-rows.ts';
import { type OrderedRow, sendOrdered } from './ordered.ts';
import type { Failure, Session } from './session.ts';

export interface Refused {
  /** The entries that only go together: a key change deletes one key and writes another. */
  readonly entries: readonly number[];
  readonly error: PgError | MillraceError;
}

/** Errors that are about a row's values, so that leaving the row out helps. */
export const isRowError = (error: unknown): boolean =>
  error instanceof PgError ? !isTransient(error) && (/^(22|23|54)/.test(error.code) || error.code === 'P0001') : error instanceof MillraceError && error.code === 'ROW_MISSING';

/** The error as it concerns the row: a partial update that found nothing shows as a division by zero. */
export const rowError = ({ sent, error }: Failure): PgError | MillraceError =>
  sent.what === 'update' && error instanceof PgError && error.code === '22012' ? rowMissing(sent.layout?.address ?? '') : (error as PgError | MillraceError);

export const rowMissing = (address: string): MillraceError =>
  new MillraceError('ROW_MISSING', `an update of ${address} carries only a part of its row, and the row is not there`);

/** All entries, grouped by what key changes tie together, and by keys that are the same one at the target though they are written differently. */
export function unitsOf({ fold, layout }: Table): number[][] {
  const parent = Int32Array.from({ length: fold.count }, (_, i) => i);
  const root = (entry: number): number => {
    let at = entry;
    while (parent[at] !== at) at = parent[at] = parent[parent[at] as number] as number;
    return at;
  };
  for (let i = 0; i < fold.moves.length; i += 2) parent[root(fold.moves[i] as number)] = root(fold.moves[i + 1] as number);
  if (!layout.keyPlain) {
    const first = new Map<string, number>();
    for (let entry = 0; entry < fold.count; entry++) {
      const key = entryKey(fold, entry);
      const same = first.get(key);
      if (same === undefined) first.set(key, entry);
      else parent[root(entry)] = root(same);
    }
  }
  const units = new Map<number, number[]>();
  for (let entry = 0; entry < fold.count; entry++) {
    const unit = units.get(root(entry));
    if (unit) unit.push(entry);
    else units.set(root(entry), [entry]);
  }
  return [...units.values()];
}

/** After this many rows named by COPY's error context, halving is cheaper. */
const hintsMax = 20;

/** Applies the units except those that are refused. Other errors than those of rows are thrown. */
export async function isolate(session: Session, table: Table, units: readonly (readonly number[])[], isBad = isRowError): Promise<Refused[]> {
  const refused: { unit: readonly number[]; error: PgError | MillraceError }[] = [];
  let hints = 0;
  const apply = async (some: readonly (readonly number[])[]): Promise<void> => {
    if (some.length === 0) return;
    const failure = await underSavepoint(session, () => attempt(session, table, some.flat()));
    if (!failure) return;
    const error = rowError(failure);
    if (!isBad(error)) throw error;
    if (some.length === 1) {
      refused.push({ unit: some[0] as readonly number[], error });
      return;
    }
    const entry = hints < hintsMax ? namedEntry(failure) : undefined;
    const named = entry === undefined ? -1 : some.findIndex((unit) => unit.includes(entry));
    if (named >= 0) {
      hints += 1;
      await apply([some[named] as readonly number[]]);
      await apply(some.filter((_, i) => i !== named));
    } else {
      const middle = some.length >> 1;
      await apply(some.slice(0, middle));
      await apply(some.slice(middle));
    }
  };
  await apply(units);
  // A row may have been refused only because of one that came later (a unique value that was handed over): once more, now that those are there.
  const last: Refused[] = [];
  for (const { unit, error } of refused) {
    const again = refused.length > 1 ? await underSavepoint(session, () => attempt(session, table, unit)) : { sent: undefined };
    if (again) last.push({ entries: unit, error });
  }
  return last;
}

/** An ordered row by itself, after what `clear` sends; why it is refused. Then nothing of both is done. */
export async function tryOrdered(session: Session, row: OrderedRow, clear: () => void): Promise<PgError | MillraceError | undefined> {
  const failure = await underSavepoint(session, () => {
    clear();
    sendOrdered(session, row);
    return session.settle();
  });
  if (!failure) return undefined;
  const error = rowError(failure);
  if (!isRowError(error)) throw error;
  return error;
}

export async function attempt(session: Session, table: Table, entries: readonly number[]): Promise<Failure | undefined> {
  const { fold, layout } = table;
  const missing = (some: readonly number[]): Failure => ({ sent: { what: 'update', promise: Promise.resolve(), layout, entries: some }, error: rowMissing(layout.address) });
  const lost = entries.filter((entry) => fold.state[entry] === State.missing);
  if (lost.length > 0) return missing(lost);
  const parts = incomplete(table, 'safe', entries);
  if (parts.length > 0) {
    const absent = await complete(session, table, parts);
    if (absent.length > 0) return missing(absent);
  }
  send(session, table, 'safe', entries);
  return session.settle();
}

export async function underSavepoint(session: Session, work: () => Promise<Failure | undefined>): Promise<Failure | undefined> {
  session.tell('other', 'savepoint bad_row');
  const failure = await work();
  if (failure && session.connection.closed) throw failure.error;
  if (failure) session.rolledBack();
  session.tell('other', failure ? 'rollback to savepoint bad_row; release savepoint bad_row' : 'release savepoint bad_row');
  const after = await session.settle();
  if (after) throw after.error;
  return failure;
}

/** COPY names the line in its context: `COPY t, line 618, column meta`. */
function namedEntry({ sent, error }: Failure): number | undefined {
  if (!(error instanceof PgError) || !sent.entries) return undefined;
  const line = Number(/^COPY .*, line (\d+)/m.exec(error.context ?? '')?.[1] ?? 0);
  return line > 0 ? sent.entries[line - 1] : undefined;
}
