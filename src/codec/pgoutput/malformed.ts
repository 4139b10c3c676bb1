// What the readers of pgoutput's messages share: PostgreSQL's epoch, and how bytes that do not follow the format are told.
import { MillraceError } from '../../base/index.ts';

/** Microseconds between 1970 and 2000, PostgreSQL's epoch. */
export const EPOCH_2000_US = 946_684_800_000_000n;

/** A RangeError of a reader as PROTOCOL_VIOLATION; every other error as it is. */
export function malformed(error: unknown, type: number | undefined): unknown {
  if (!(error instanceof RangeError)) return error;
  return new MillraceError('PROTOCOL_VIOLATION', `malformed logical replication message "${String.fromCharCode(type ?? 0)}"`, { detail: error.message, cause: error });
}

export function expectEnd(at: number, end: number): void {
  if (at !== end) throw new RangeError(`the message ends ${end - at} bytes behind its contents`);
}
