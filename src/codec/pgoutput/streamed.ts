// Messages of transactions in progress (pgoutput, protocol version 2, streaming 'on'). Their changes come in blocks, between Stream Start and
// Stream Stop; within one, a message has the id of its (sub)transaction behind its type. How they end is told outside of blocks: by Stream
// Commit, or by Stream Abort for the whole or for a subtransaction. Format: PostgreSQL documentation, "Logical Replication Message Formats".
import { readI64, readU64 } from '../../base/index.ts';
import { asPosition, type Position } from '../../data/index.ts';
import { EPOCH_2000_US, expectEnd, malformed } from './malformed.ts';

const [S, E, A, c, R] = ['S', 'E', 'A', 'c', 'R'].map((letter) => letter.charCodeAt(0)) as number[];

export type StreamedMessage =
  /** A block of the transaction begins. */
  | { readonly kind: 'start'; readonly xid: number }
  /** The block ends. */
  | { readonly kind: 'stop' }
  /** The transaction `xid` has rolled back, or its subtransaction `subxid`, if that is another one. */
  | { readonly kind: 'abort'; readonly xid: number; readonly subxid: number }
  | { readonly kind: 'commit'; readonly xid: number; readonly commit: Position; readonly end: Position; readonly timeUs: bigint };

/** Whether a message of this type, outside of a block, is about a transaction in progress. */
export const isStreamed = (type: number | undefined): boolean => type === S || type === c || type === A;

export const endsBlock = (type: number | undefined): boolean => type === E;

/** Whether a message of this type announces a table. */
export const announces = (type: number | undefined): boolean => type === R;

/** Where the rest begins of a message in a block, by its type: behind the transaction's id, which all but Origin have. 0: no such message stands there. */
export const restInBlock = new Uint8Array(256);
for (const letter of 'IUDTRYM') restInBlock[letter.charCodeAt(0)] = 5;
restInBlock['O'.charCodeAt(0)] = 1;

/** Reads one of the four messages above, which stands in `message` from `from` to `end`. Throws PROTOCOL_VIOLATION. */
export function readStreamed(message: Buffer, from: number, end: number): StreamedMessage {
  const type = message[from];
  try {
    if (type === S) {
      expectEnd(from + 6, end);
      return { kind: 'start', xid: message.readUInt32BE(from + 1) };
    }
    if (type === E) {
      expectEnd(from + 1, end);
      return { kind: 'stop' };
    }
    if (type === A) {
      expectEnd(from + 9, end);
      return { kind: 'abort', xid: message.readUInt32BE(from + 1), subxid: message.readUInt32BE(from + 5) };
    }
    if (type !== c) throw new RangeError('not a message about a transaction in progress');
    expectEnd(from + 30, end);
    return {
      kind: 'commit', xid: message.readUInt32BE(from + 1), commit: asPosition(readU64(message, from + 6)), end: asPosition(readU64(message, from + 14)),
      timeUs: readI64(message, from + 22) + EPOCH_2000_US,
    };
  } catch (error) {
    throw malformed(error, type);
  }
}
