// Errors of a PostgreSQL server, and what they mean for a user.
import { type ErrorCode, MillraceError } from '../../base/index.ts';

/** The fields of an ErrorResponse. `code` is the SQLSTATE. */
export class PgError extends Error {
  readonly severity: string;
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** The server's context, e.g. `COPY stage, line 618, column meta`. */
  readonly context: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;

  constructor(fields: ReadonlyMap<string, string>) {
    super(fields.get('M') ?? 'unknown server error');
    this.name = 'PgError';
    this.severity = fields.get('V') ?? fields.get('S') ?? 'ERROR';
    this.code = fields.get('C') ?? 'XX000';
    this.detail = fields.get('D');
    this.hint = fields.get('H');
    this.context = fields.get('W');
    this.table = fields.get('t');
    this.column = fields.get('c');
    this.constraint = fields.get('n');
  }
}

/** Reads the body of ErrorResponse or NoticeResponse. */
export function readErrorFields(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) break;
    fields.set(String.fromCharCode(body[at] as number), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return fields;
}

/** Whether the statement may succeed when it is tried again: locks, deadlocks, restarts, resource limits. */
export function isTransient(error: PgError): boolean {
  return /^(08|40|53|57P0|58030|55P03|55006)/.test(error.code) || error.code === '57014' || error.code === '25P03' || error.code === '25006';
}

function codeFor(error: PgError): ErrorCode {
  if (error.code.startsWith('28') || error.code === '3D000') return 'AUTH_FAILED';
  if (error.code === '42501') return 'PRIVILEGE_MISSING';
  if (error.code.startsWith('57P0')) return 'CONNECTION_LOST';
  if (isTransient(error)) return 'TARGET_BUSY';
  return 'SERVER_ERROR';
}

/** A server's error as a MillraceError; other errors pass through. */
export function describePgError(error: unknown, where: string): unknown {
  if (!(error instanceof PgError)) return error;
  const detail = [`SQLSTATE ${error.code}`, error.detail, error.context].filter(Boolean).join('\n');
  return new MillraceError(codeFor(error), error.message, { where, detail, cause: error, ...(error.hint ? { hint: error.hint } : {}) });
}
