// Errors of a PostgreSQL server, and what they mean for a user.
import { type ErrorCode, MillraceError } from '../../base/index.ts';
import { quoteIdent } from '../../data/index.ts';

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

/**
 * SQLSTATEs, or the classes that they begin with, of what passes by itself or by an administrator's hand, with the very same statement:
 *
 * - 08 a connection that the server, or a pooler before it, needed is gone; 25006 it only reads now (a standby, a switched setting)
 * - 25P03, 25P04 a session or transaction was idle or took longer than allowed; 40 deadlocks and serialization failures
 * - 53 disk, memory or connections are used up; 58 the system beneath it fails: reading and writing files, and files that are not there while it
 *   restarts
 * - 55006 somebody else uses the object; 55P03 or holds its lock; 57 cancelled, shut down, crashed, still starting, the database dropped
 * - 72000 the snapshot is too old: a new one is taken
 *
 * Not among them: what says that data is damaged (XX001, XX002), and everything about the statement itself, which would fail for ever.
 */
const transient = /^(08|25006|25P03|25P04|40|53|55006|55P03|57|58|72000)/;

/** Internal errors that tell of DDL which somebody else has run at this moment. The server does not translate them. */
const concurrentDdl = /^(tuple concurrently (updated|deleted)|cache lookup failed for|could not open relation with OID)/;

/** Whether the statement may succeed when it is tried again. */
export const isTransient = (error: PgError): boolean => transient.test(error.code) || (error.code === 'XX000' && concurrentDdl.test(error.message));

/** What somebody may do meanwhile, where waiting alone may not be enough and the server gives no hint. */
function whileWaiting(code: string): string | undefined {
  if (code === '25006') return 'let it take writes: a primary, and default_transaction_read_only = off; Millrace tries again meanwhile';
  if (code === '53100') return "free space on the server's disk; Millrace tries again meanwhile";
  if (code === '53300') return 'let the server, the database or the role have more connections; Millrace tries again meanwhile';
  if (code.startsWith('53')) return 'the server runs against a limit of its own; see its log. Millrace tries again meanwhile';
  if (code.startsWith('58')) return "see the server's log: its disk or files fail; Millrace tries again meanwhile";
  return undefined;
}

function codeFor(error: PgError): ErrorCode {
  if (error.code.startsWith('28') || error.code === '3D000') return 'AUTH_FAILED';
  if (error.code === '42501') return 'PRIVILEGE_MISSING';
  if (error.code.startsWith('57P0')) return 'CONNECTION_LOST';
  if (isTransient(error)) return 'TARGET_BUSY';
  return 'SERVER_ERROR';
}

/** A server's error as a MillraceError; other errors pass through. `next`: what to do where the server has no hint. */
export function describePgError(error: unknown, where: string, next?: string): unknown {
  if (!(error instanceof PgError)) return error;
  const hint = error.hint ?? next ?? whileWaiting(error.code);
  const detail = [`SQLSTATE ${error.code}`, error.detail, error.context].filter(Boolean).join('\n');
  return new MillraceError(codeFor(error), error.message, { where, detail, cause: error, ...(hint ? { hint } : {}) });
}

/** The same for a server that has refused a connection. */
export function describeRefusal(error: unknown, where: string, { user, database }: { readonly user: string; readonly database: string }): unknown {
  if (!(error instanceof PgError)) return error;
  const next: Readonly<Record<string, string>> = {
    '28000': 'check the user in the URL, and that pg_hba.conf of the server lets it connect from here; where only encrypted connections are let in, add sslmode=require to the URL',
    '28P01': 'check user and password in the URL; a changed password is read again at the next attempt',
    '3D000': 'check the name of the database in the URL',
    '42501': `grant connect on database ${quoteIdent(database)} to ${quoteIdent(user)}`,
  };
  return describePgError(error, where, next[error.code]);
}
