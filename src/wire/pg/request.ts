// What is on its way to the server, and the answer as it comes in. Messages after PostgreSQL's documentation, "Message Formats".
import { assert, ByteReader } from '../../base/index.ts';
import { PgError, readErrorFields } from './errors.ts';

export const code = (letter: string): number => letter.charCodeAt(0);
/** Messages of the server by name. */
export const M = {
  authentication: code('R'), parameterStatus: code('S'), keyData: code('K'), ready: code('Z'), error: code('E'), notice: code('N'),
  notification: code('A'), rowDescription: code('T'), dataRow: code('D'), complete: code('C'), empty: code('I'), copyIn: code('G'),
  copyOut: code('H'), copyBoth: code('W'), copyData: code('d'), copyDone: code('c'), negotiate: code('v'),
} as const;

/** The outcome of one statement. Values are in the format that was asked for: text for `query` and `rows`. */
export interface Result {
  /** The command tag, e.g. `INSERT 0 5`, `ROLLBACK`. */
  readonly tag: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (Buffer | null)[])[];
}

/** A statement on its way: receives the server's messages up to ReadyForQuery. */
export interface Request {
  /** Whether its answer ends with ReadyForQuery. If not, it ends with the statement; an error lets the server pass over what follows, up to the next one that does. */
  readonly syncs: boolean;
  /** `body` holds during the call only. */
  message(type: number, body: Buffer): void;
  /** CopyData: its body stands in `bytes` from `from` to `to`, during the call only. */
  readonly copyData?: ((bytes: Buffer, from: number, to: number) => void) | undefined;
  /** It was not tried, because of an error before it. */
  skipped?(error: PgError): void;
  /** Everything was answered. */
  done(): void;
  fail(error: Error): void;
}

/** Gathers the results of a simple query or one extended statement. */
export class StatementRequest implements Request {
  copyData: ((bytes: Buffer, from: number, to: number) => void) | undefined;
  onCopyBoth: (() => void) | undefined;
  readonly syncs: boolean;
  readonly #resolve: (results: Result[]) => void;
  readonly #reject: (error: Error) => void;
  readonly #results: Result[] = [];
  #columns: string[] = [];
  #rows: (Buffer | null)[][] = [];
  #error: PgError | undefined;

  constructor(resolve: (results: Result[]) => void, reject: (error: Error) => void, syncs = true) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.syncs = syncs;
  }

  message(type: number, body: Buffer): void {
    if (type === M.dataRow) this.#rows.push(readRow(body));
    else if (type === M.rowDescription) this.#columns = readColumns(body);
    else if (type === M.complete) {
      this.#results.push({ tag: body.toString('utf8', 0, body.length - 1), columns: this.#columns, rows: this.#rows });
      this.#columns = [];
      this.#rows = [];
    } else if (type === M.error) this.#error ??= new PgError(readErrorFields(body));
    else if (type === M.copyBoth) this.onCopyBoth?.();
    // ParseComplete, BindComplete, CloseComplete, NoData, CopyIn/Out responses, CopyDone and EmptyQuery need no action.
  }

  skipped(error: PgError): void {
    this.#error = error;
  }

  done(): void {
    if (this.#error) this.#reject(this.#error);
    else this.#resolve(this.#results);
  }

  fail(error: Error): void {
    this.#reject(this.#error ?? error);
  }
}

/** A Sync by itself, for statements that had none. */
export const syncRequest: Request = { syncs: true, message: () => undefined, done: () => undefined, fail: () => undefined };

function readRow(body: Buffer): (Buffer | null)[] {
  const reader = new ByteReader(body);
  const row: (Buffer | null)[] = [];
  for (let left = reader.i16(); left > 0; left--) {
    const length = reader.i32();
    row.push(length < 0 ? null : Buffer.from(reader.take(length)));
  }
  return row;
}

function readColumns(body: Buffer): string[] {
  const reader = new ByteReader(body);
  const names: string[] = [];
  for (let left = reader.i16(); left > 0; left--) {
    names.push(reader.cstring());
    reader.take(18);
  }
  assert(reader.left === 0, 'row description with a tail');
  return names;
}
