// Cuts a stream of COPY (FORMAT binary) into batches. Rows of COPY are tuples as they stand, so all that is done is to find where they end.
import { ByteWriter, MillraceError } from '../../base/index.ts';
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
  /** The header until it is complete, then the rows of the next batch and the beginning of the row behind them. */
  readonly #pending: ByteWriter;
  #headerLeft = COPY_HEADER.length;
  #extended = false;
  #done = false;
  #rows = 0;
  /** Ends of complete rows in #pending. */
  #ends: Uint32Array = new Uint32Array(256);
  #count = 0;
  /** Where the next length word stands; it may lie beyond what has arrived. */
  #at = 0;
  /** Fields of the open row that are still to be found; −1 between rows. */
  #fieldsLeft = -1;

  constructor(relation: Relation, options: CopyParserOptions = {}) {
    this.relation = relation;
    this.#batchBytesMax = options.batchBytesMax ?? 1 << 18;
    this.#formats = options.formats ?? new Uint8Array(relation.columns.length);
    this.#pending = new ByteWriter(Math.min(this.#batchBytesMax * 2, 1 << 16));
  }

  /** Complete rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether the trailer has been read. */
  get done(): boolean {
    return this.#done;
  }

  /** Takes the next bytes; returns the batches that are full now. The chunk is copied. */
  push(chunk: Uint8Array): Batch[] {
    const batches: Batch[] = [];
    let from = 0;
    while (this.#headerLeft > 0 && from < chunk.length) from = this.#header(chunk, from);
    if (from === chunk.length) return batches;
    if (this.#done) throw this.#violation('bytes behind its trailer');
    this.#pending.bytes(chunk, from);
    while (this.#scan()) batches.push(this.#cut());
    return batches;
  }

  /** What is complete but not yet handed out; undefined when there is none. Call it to let rows go before a batch is full. */
  flush(): Batch | undefined {
    return this.#count === 0 ? undefined : this.#cut();
  }

  /** The last batch. The stream must have ended with its trailer. */
  end(): Batch | undefined {
    if (!this.#done) throw this.#violation('it is cut off');
    return this.flush();
  }

  /** Takes header bytes from `from`; returns where it stopped. */
  #header(chunk: Uint8Array, from: number): number {
    const to = Math.min(chunk.length, from + this.#headerLeft);
    this.#headerLeft -= to - from;
    // An extension is skipped, not kept.
    if (this.#extended) return to;
    this.#pending.bytes(chunk, from, to);
    if (this.#headerLeft > 0) return to;
    const header = this.#pending.view();
    if (!header.subarray(0, COPY_SIGNATURE.length).equals(COPY_SIGNATURE)) throw this.#violation('its signature is wrong');
    // The upper 16 flags change how rows are read.
    if (header.readUInt16BE(11) !== 0) throw this.#violation('it has a flag that Millrace does not know');
    this.#headerLeft = header.readInt32BE(15);
    if (this.#headerLeft < 0) throw this.#violation('its header has a negative length');
    this.#extended = true;
    this.#pending.truncate();
    return to;
  }

  /** Finds row ends until the bytes are used up (false) or a batch is full (true). */
  #scan(): boolean {
    const { buffer: bytes, length: end } = this.#pending;
    const fields = this.#formats.length;
    for (;;) {
      if (this.#fieldsLeft < 0) {
        if (this.#at + 2 > end) return false;
        const count = bytes.readInt16BE(this.#at);
        if (count === -1) {
          this.#done = true;
          if (end > this.#at + 2) throw this.#violation('bytes behind its trailer');
          this.#pending.truncate(this.#at);
          return false;
        }
        if (count !== fields) throw this.#violation(`row ${this.#rows + 1} has ${count} fields, ${fields} were expected`);
        this.#at += 2;
        this.#fieldsLeft = count;
      }
      while (this.#fieldsLeft > 0) {
        if (this.#at + 4 > end) return false;
        const length = bytes.readInt32BE(this.#at);
        if (length < -1) throw this.#violation(`row ${this.#rows + 1} has a field of ${length} bytes`);
        this.#at += length < 0 ? 4 : 4 + length;
        this.#fieldsLeft -= 1;
      }
      if (this.#at > end) return false;
      this.#rowEnd(this.#at);
      if (this.#at >= this.#batchBytesMax) return true;
    }
  }

  #rowEnd(at: number): void {
    if (this.#count + 1 === this.#ends.length) {
      const more = new Uint32Array(this.#ends.length * 2);
      more.set(this.#ends);
      this.#ends = more;
    }
    this.#count += 1;
    this.#ends[this.#count] = at;
    this.#rows += 1;
    this.#fieldsLeft = -1;
  }

  #cut(): Batch {
    const count = this.#count;
    const offsets = this.#ends.slice(0, count + 1);
    const end = offsets[count] as number;
    const bytes = this.#pending.take();
    this.#pending.bytes(bytes, end);
    this.#at -= end;
    this.#count = 0;
    return {
      relation: this.relation,
      count,
      formats: this.#formats,
      ops: new Uint8Array(count),
      seqs: Uint32Array.from({ length: count }, (_, row) => row),
      after: { bytes: bytes.subarray(0, end), offsets },
      before: { bytes: Buffer.alloc(0), offsets: new Uint32Array(count + 1) },
      befores: new Uint8Array(count),
      partial: new Uint8Array(count),
    };
  }

  #violation(what: string): MillraceError {
    return new MillraceError('PROTOCOL_VIOLATION', `the COPY stream of ${this.relation.schema}.${this.relation.name} cannot be read: ${what}`);
  }
}
