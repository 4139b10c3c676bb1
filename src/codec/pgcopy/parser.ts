// Cuts a stream of COPY (FORMAT binary) into batches. Rows of COPY are tuples as they stand, so all that is done is to find where they end.
import { ByteWriter, lengthened, MillraceError } from '../../base/index.ts';
import type { Batch, Relation } from '../../data/index.ts';
import { COPY_HEADER, COPY_SIGNATURE } from './format.ts';

export interface CopyParserOptions {
  /** A batch is cut at the first row end from here on; a larger row makes a larger batch. Default 256 KiB. */
  readonly batchBytesMax?: number;
  /** `Format` per column, for columns that were read as text; default all binary. */
  readonly formats?: Uint8Array;
}

/**
 * Reads COPY TO STDOUT in chunks of any size and gives batches of op `read`. Each batch counts its sequence numbers from 0, as a run of its own.
 * Throws PROTOCOL_VIOLATION, also at `end` when the stream was cut off; it is of no use afterwards.
 */
export class CopyParser {
  readonly relation: Relation;
  readonly #batchBytesMax: number;
  readonly #formats: Uint8Array;
  /** The header until it is complete, then the beginning of a row whose end has not come yet. */
  readonly #open = new ByteWriter(1024);
  #headerLeft = COPY_HEADER.length;
  #extended = false;
  #done = false;
  #rows = 0;
  /** Ends of the rows of the next batch, from its beginning. */
  #ends: Uint32Array<ArrayBuffer> = new Uint32Array(256);
  #count = 0;
  /** Where the next length word stands; it may lie beyond what has arrived. */
  #at = 0;
  /** Fields of the open row that are still to be found; −1 between rows. */
  #fieldsLeft = -1;

  constructor(relation: Relation, options: CopyParserOptions = {}) {
    this.relation = relation;
    this.#batchBytesMax = options.batchBytesMax ?? 1 << 18;
    this.#formats = options.formats ?? new Uint8Array(relation.columns.length);
  }

  /** Complete rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Takes the next bytes; returns the rows that are complete now. The batches refer to the chunk, which must stay as it is. */
  push(chunk: Buffer): Batch[] {
    const batches: Batch[] = [];
    let from = 0;
    while (this.#headerLeft > 0 && from < chunk.length) from = this.#header(chunk, from);
    if (from === chunk.length) return batches;
    if (this.#done) throw this.#violation('bytes behind its trailer');
    let bytes = chunk;
    if (this.#open.length > 0) {
      this.#open.bytes(chunk, from);
      // An open row is looked at again only behind what was found of it.
      if (!this.#scan(this.#open.buffer, this.#open.length, 0)) return batches;
      bytes = this.#open.take();
      from = 0;
    } else this.#at += from;
    while (this.#scan(bytes, bytes.length, from)) {
      const end = from + (this.#ends[this.#count] as number);
      batches.push(this.#cut(bytes.subarray(from, end)));
      from = end;
    }
    if (!this.#done) this.#open.bytes(bytes, from);
    this.#at -= from;
    return batches;
  }

  /** The stream must have ended with its trailer. */
  end(): void {
    if (!this.#done) throw this.#violation('it is cut off');
  }

  /** Takes header bytes from `from`; returns where it stopped. */
  #header(chunk: Uint8Array, from: number): number {
    const to = Math.min(chunk.length, from + this.#headerLeft);
    this.#headerLeft -= to - from;
    // An extension is skipped, not kept.
    if (this.#extended) return to;
    this.#open.bytes(chunk, from, to);
    if (this.#headerLeft > 0) return to;
    const header = this.#open.view();
    if (!header.subarray(0, COPY_SIGNATURE.length).equals(COPY_SIGNATURE)) throw this.#violation('its signature is wrong');
    // The upper 16 flags change how rows are read.
    if (header.readUInt16BE(11) !== 0) throw this.#violation('it has a flag that Millrace does not know');
    this.#headerLeft = header.readInt32BE(15);
    if (this.#headerLeft < 0) throw this.#violation('its header has a negative length');
    this.#extended = true;
    this.#open.truncate();
    return to;
  }

  /** Finds row ends up to `end` until a batch that begins at `from` is full, or nothing more is complete. Returns whether it has rows. */
  #scan(bytes: Buffer, end: number, from: number): boolean {
    const fields = this.#formats.length;
    while (!this.#done && !(this.#count > 0 && this.#at - from >= this.#batchBytesMax)) {
      if (this.#fieldsLeft < 0) {
        if (this.#at + 2 > end) break;
        const count = bytes.readInt16BE(this.#at);
        if (count === -1) {
          this.#done = true;
          if (end > this.#at + 2) throw this.#violation('bytes behind its trailer');
          break;
        }
        if (count !== fields) throw this.#violation(`row ${this.#rows + 1} has ${count} fields, ${fields} were expected`);
        this.#at += 2;
        this.#fieldsLeft = count;
      }
      while (this.#fieldsLeft > 0) {
        if (this.#at + 4 > end) return this.#count > 0;
        const length = bytes.readInt32BE(this.#at);
        if (length < -1) throw this.#violation(`row ${this.#rows + 1} has a field of ${length} bytes`);
        this.#at += length < 0 ? 4 : 4 + length;
        this.#fieldsLeft -= 1;
      }
      if (this.#at > end) break;
      this.#rowEnd(this.#at - from);
    }
    return this.#count > 0;
  }

  #rowEnd(at: number): void {
    if (this.#count + 1 === this.#ends.length) this.#ends = lengthened(this.#ends, this.#ends.length * 2);
    this.#count += 1;
    this.#ends[this.#count] = at;
    this.#rows += 1;
    this.#fieldsLeft = -1;
  }

  #cut(bytes: Buffer): Batch {
    const count = this.#count;
    const offsets = this.#ends.slice(0, count + 1);
    this.#count = 0;
    const seqs = new Uint32Array(count);
    for (let row = 0; row < count; row++) seqs[row] = row;
    return {
      relation: this.relation,
      count,
      formats: this.#formats,
      ops: new Uint8Array(count),
      seqs,
      after: { bytes, offsets },
      before: { bytes: Buffer.alloc(0), offsets: new Uint32Array(count + 1) },
      befores: new Uint8Array(count),
      partial: new Uint8Array(count),
    };
  }

  #violation(what: string): MillraceError {
    return new MillraceError('PROTOCOL_VIOLATION', `the COPY stream of ${this.relation.schema}.${this.relation.name} cannot be read: ${what}`);
  }
}
