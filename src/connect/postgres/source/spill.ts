// One transaction in progress: its messages in the order in which they came, the older ones in a file, the newer ones in memory.
//
// The file never outlives the process: the server sends everything again. Header: 8 bytes "MILLRSPL", u16 format. Then records, big-endian:
// u32 length of the message, u32 id of the (sub)transaction, u32 order in which tables were announced (0: the message announces none), message.
import { appendFile, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ByteWriter, crashPoint, MillraceError } from '../../../base/index.ts';

const header = Buffer.from('MILLRSPL\0\x01', 'latin1');
const recordHead = 12;
const readBytes = 256 << 10;

/** Takes a message, which stands in `bytes` from `from` to `to`, and says what must happen before the next one. The bytes hold during the call only. */
export type TakeMessage = (order: number, bytes: Buffer, from: number, to: number) => Promise<void> | undefined;

export class Spill {
  readonly xid: number;
  readonly #path: string;
  #memory = new ByteWriter(1024);
  #written = 0;
  /** Subtransactions that rolled back: the server tells only of those whose changes it has sent. */
  readonly #cut = new Set<number>();

  constructor(xid: number, path: string) {
    this.xid = xid;
    this.#path = path;
  }

  get memoryBytes(): number {
    return this.#memory.length;
  }

  /** Bytes in memory and in the file. */
  get bytes(): number {
    return this.#written + this.#memory.length;
  }

  /** Adds a message of the (sub)transaction `xid`: a type, and the rest of it from `from` to `to`. */
  add(xid: number, order: number, type: number, bytes: Buffer, from: number, to: number): void {
    this.#memory.u32(to - from + 1).u32(xid).u32(order).u8(type).bytes(bytes, from, to);
  }

  /** Leaves out what a subtransaction did. */
  cut(xid: number): void {
    this.#cut.add(xid);
  }

  /** Moves what is in memory to the file. Throws LOG_DISK. */
  async writeOut(): Promise<void> {
    const bytes = this.#memory.view();
    this.#memory = new ByteWriter(1024);
    await onDisk(this.#path, async () => {
      if (this.#written === 0) {
        await mkdir(dirname(this.#path), { recursive: true });
        await appendFile(this.#path, header, { mode: 0o600 });
      }
      await appendFile(this.#path, bytes);
    });
    this.#written += bytes.length;
    crashPoint('spill.after-write');
  }

  /** Gives out the messages, without those of subtransactions that rolled back. Throws LOG_DISK, and what `take` throws. */
  async replay(take: TakeMessage): Promise<void> {
    if (this.#written > 0) await this.#replayFile(take);
    await this.#give(this.#memory.view(), take);
  }

  async #replayFile(take: TakeMessage): Promise<void> {
    const file = await onDisk(this.#path, () => open(this.#path, 'r'));
    try {
      let piece = Buffer.allocUnsafeSlow(Math.min(readBytes, header.length + this.#written));
      let kept = 0;
      let at = header.length;
      for (const end = at + this.#written; at < end; ) {
        const { bytesRead } = await onDisk(this.#path, () => file.read(piece, kept, Math.min(piece.length - kept, end - at), at));
        if (bytesRead === 0) throw new MillraceError('LOG_DISK', 'a transaction in progress is shorter on disk than it was written', { where: this.#path });
        at += bytesRead;
        const have = kept + bytesRead;
        const used = await this.#give(piece.subarray(0, have), take);
        crashPoint('spill.mid-replay');
        kept = have - used;
        const needed = kept < recordHead ? recordHead : recordHead + piece.readUInt32BE(used);
        const next = needed > piece.length ? Buffer.allocUnsafeSlow(needed) : piece;
        piece.copy(next, 0, used, have);
        piece = next;
      }
    } finally {
      await file.close();
    }
  }

  /** Gives out the whole records of a piece; returns where they end. */
  async #give(piece: Buffer, take: TakeMessage): Promise<number> {
    let at = 0;
    while (at + recordHead <= piece.length) {
      const from = at + recordHead;
      const to = from + piece.readUInt32BE(at);
      if (to > piece.length) break;
      if (!this.#cut.has(piece.readUInt32BE(at + 4))) {
        const until = take(piece.readUInt32BE(at + 8), piece, from, to);
        if (until) await until;
      }
      at = to;
    }
    return at;
  }

  async remove(): Promise<void> {
    if (this.#written > 0) await rm(this.#path, { force: true });
  }
}

/** Does something with a file or folder of transactions in progress. Throws LOG_DISK where the system refuses. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error)) throw error;
    throw new MillraceError('LOG_DISK', 'a transaction in progress cannot be kept on disk', { where: path, detail: error.message, cause: error });
  }
}
