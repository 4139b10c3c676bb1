// Positions: where a source can resume.

declare const brand: unique symbol;

/**
 * A point in one source's stream of commits: a whole number whose order is the source's order, of whatever width the source needs
 * (PostgreSQL: the 64-bit LSN; others put their composite positions into one number). Positions of different sources never compare.
 * A consumer at position P has everything that committed before P.
 */
export type Position = bigint & { readonly [brand]: 'Position' };

/** A PostgreSQL log sequence number. */
export type Lsn = Position & { readonly lsn: 'Lsn' };

export const asPosition = (value: bigint): Position => value as Position;
export const asLsn = (value: bigint): Lsn => value as Lsn;

/** PostgreSQL's text form, e.g. 0/16B3748. */
export function formatLsn(lsn: Position): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

/** Reads 0/16B3748; throws RangeError for anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) throw new RangeError(`not an LSN: ${text}`);
  return asLsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}

/** Which server, and which incarnation of it, a position belongs to. */
export interface SourceIdentity {
  /** PostgreSQL's system identifier, as text (it exceeds 2^53). */
  readonly systemId: string;
  readonly timeline: number;
  /** The OID of the database, which the system identifier says nothing of; absent in what earlier releases stored. */
  readonly database?: string;
}
