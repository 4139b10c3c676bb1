// Every error a user can meet is a MillraceError with a code from the catalogue; bugs are AssertionErrors (assert.ts).
import { catalogue, type ErrorCode } from './catalogue.ts';

/** The parts of an error that depend on the case; the hint and `retriable` come from the catalogue unless given here. */
export interface ErrorParts {
  /** The place: a file with line and column, a table, a connection (never with its password). */
  where?: string;
  /** The longer story: what the server answered, what was found instead. */
  detail?: string;
  /** The next step, when a more exact one than the catalogue's is known (a SQL statement, a command). */
  hint?: string;
  retriable?: boolean;
  cause?: unknown;
}

/** An error that names its next step. `message` is one lower-case sentence without a full stop, in PostgreSQL's style. */
export class MillraceError extends Error {
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly detail: string | undefined;
  readonly hint: string;
  readonly retriable: boolean;

  constructor(code: ErrorCode, message: string, parts: ErrorParts = {}) {
    super(message, parts.cause === undefined ? {} : { cause: parts.cause });
    this.name = 'MillraceError';
    this.code = code;
    this.where = parts.where;
    this.detail = parts.detail;
    this.hint = parts.hint ?? catalogue[code].next;
    this.retriable = parts.retriable ?? catalogue[code].retriable;
  }
}

/** What the system answers when it will not let us read or write, and whether that passes by itself. */
const refusals: ReadonlyMap<string, boolean> = new Map([['EACCES', false], ['EPERM', false], ['EROFS', false], ['ENOSPC', true], ['EDQUOT', true]]);

/** Any thrown value as a MillraceError: unknown ones become INTERNAL with the original as cause. */
export function asMillraceError(thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const { code = '', path } = (thrown ?? {}) as NodeJS.ErrnoException;
  const passes = refusals.get(code);
  if (path !== undefined && passes !== undefined) return new MillraceError('FILE_REFUSED', message, { cause: thrown, where: path, retriable: passes });
  return new MillraceError('INTERNAL', message, { cause: thrown, ...(thrown instanceof Error && thrown.stack ? { detail: thrown.stack } : {}) });
}

/** An error as people read it: `error[CODE]: message`, then where, detail and the next step, one a line. */
export function formatError(error: MillraceError): string {
  const lines = [`error[${error.code}]: ${error.message}`];
  if (error.where) lines.push(`  at ${error.where}`);
  if (error.detail) lines.push(...error.detail.split('\n').map((line) => `  ${line}`));
  lines.push(...error.hint.split('\n').map((line, i) => (i === 0 ? `  next: ${line}` : `        ${line}`)));
  return lines.join('\n');
}
