// Transactions in progress that the server sends before it knows how they end. Their messages are kept as they came, not decoded: they may
// tell of tables that others cannot see before the commit, and of ones that no one will see. Memory is bounded, whatever their number and size.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../../base/index.ts';
import { announces, endsBlock, isStreamed, readStreamed, restInBlock } from '../../../codec/index.ts';
import type { Position } from '../../../data/index.ts';
import { onDisk, Spill } from './spill.ts';

export interface SpillOptions {
  /** Scratch space of this stream alone; it is emptied at the beginning and at the end. */
  readonly folder: string;
  /** What all transactions in progress together may hold in memory; one of them an eighth of it. */
  readonly memoryBytesMax: number;
}

/** A transaction that was in progress and has committed. */
export interface Committed {
  readonly spill: Spill;
  readonly commit: Position;
  readonly end: Position;
  readonly timeUs: bigint;
}

export class InProgress {
  readonly #options: SpillOptions;
  /** Counts announcements of tables, those that are not in a block too. */
  readonly #nextOrder: () => number;
  readonly #spills = new Map<number, Spill>();
  /** Whose block is open. */
  #open: Spill | undefined;
  #memoryBytes = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(options: SpillOptions, nextOrder: () => number) {
    this.#options = options;
    this.#nextOrder = nextOrder;
  }

  /** Bytes that are kept now, in memory and on disk. */
  get bytes(): number {
    let sum = 0;
    for (const spill of this.#spills.values()) sum += spill.bytes;
    return sum;
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Forgets what an earlier stream has left on disk. Throws LOG_DISK. */
  async begin(): Promise<void> {
    const { folder } = this.#options;
    await onDisk(folder, () => rm(folder, { recursive: true, force: true }));
  }

  /** Forgets everything, when what is under way is done. */
  async end(): Promise<void> {
    this.#spills.clear();
    await this.#work.catch(() => undefined);
    await this.begin().catch(() => undefined); // the next stream does it again, and says why it cannot
  }

  /** Whether a message of this type is for `take`. */
  takes(type: number | undefined): boolean {
    return this.#open !== undefined || isStreamed(type);
  }

  /** Takes a message, in `bytes` from `from` to `to`. Returns a transaction that has committed with it, or what must happen before the next message. */
  take(bytes: Buffer, from: number, to: number): Committed | Promise<void> | undefined {
    const type = bytes[from] as number;
    const open = this.#open;
    if (open && !endsBlock(type)) return this.#add(open, type, bytes, from, to);
    const message = readStreamed(bytes, from, to);
    if (message.kind === 'stop') this.#open = undefined;
    else if (message.kind === 'start') {
      const { xid } = message;
      this.#open = this.#spills.get(xid);
      if (!this.#open) this.#spills.set(xid, (this.#open = new Spill(xid, join(this.#options.folder, `${xid}.spill`))));
    } else if (message.kind === 'commit') {
      const spill = this.#remove(message.xid);
      if (!spill) throw new MillraceError('PROTOCOL_VIOLATION', `transaction ${message.xid} has committed, but its changes were not sent`);
      return { spill, commit: message.commit, end: message.end, timeUs: message.timeUs };
    } else if (message.subxid !== message.xid) this.#spills.get(message.xid)?.cut(message.subxid);
    else {
      const spill = this.#remove(message.xid);
      if (spill) return this.drop(spill);
    }
    return undefined;
  }

  /** Takes what is on disk away. */
  drop(spill: Spill): Promise<void> {
    return this.#doing(spill.remove());
  }

  #add(spill: Spill, type: number, bytes: Buffer, from: number, to: number): Promise<void> | undefined {
    const rest = from + (restInBlock[type] as number);
    if (rest === from || rest > to) throw new MillraceError('PROTOCOL_VIOLATION', `message "${String.fromCharCode(type)}" in a block of transaction ${spill.xid}`);
    const before = spill.memoryBytes;
    spill.add(rest === from + 1 ? spill.xid : bytes.readUInt32BE(from + 1), announces(type) ? this.#nextOrder() : 0, type, bytes, rest, to);
    this.#memoryBytes += spill.memoryBytes - before;
    const { memoryBytesMax } = this.#options;
    if (spill.memoryBytes * 8 > memoryBytesMax) return this.#writeOut(spill);
    return this.#memoryBytes > memoryBytesMax ? this.#writeOut(this.#largest(spill)) : undefined;
  }

  #largest(than: Spill): Spill {
    let largest = than;
    for (const spill of this.#spills.values()) if (spill.memoryBytes > largest.memoryBytes) largest = spill;
    return largest;
  }

  #writeOut(spill: Spill): Promise<void> {
    this.#memoryBytes -= spill.memoryBytes;
    return this.#doing(spill.writeOut());
  }

  #doing(work: Promise<void>): Promise<void> {
    return (this.#work = work);
  }

  #remove(xid: number): Spill | undefined {
    const spill = this.#spills.get(xid);
    this.#spills.delete(xid);
    this.#memoryBytes -= spill?.memoryBytes ?? 0;
    return spill;
  }
}
