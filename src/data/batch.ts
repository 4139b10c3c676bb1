// Batch: many changes of one relation, in the bytes they came in.
//
// A row is a *tuple*: the layout of one row of COPY BINARY — int16 field count, then for each field int32 length and bytes —
// where the length −1 means NULL and −2 means *unchanged* (a TOAST value that the source did not send). `formats` says for each
// field of the batch whether its bytes are PostgreSQL's binary or text form; that is a property of the column, not of the row.
import { assert, ByteWriter, lengthened } from '../base/index.ts';
import type { Relation } from './relation.ts';

export const NULL_FIELD = -1;
export const UNCHANGED_FIELD = -2;

export const Format = { binary: 0, text: 1 } as const;

/** What happened to a row. `read` is a row of a snapshot. */
export const Op = { read: 0, insert: 1, update: 2, delete: 3 } as const;
export type Op = (typeof Op)[keyof typeof Op];
export const opNames = ['read', 'insert', 'update', 'delete'] as const;

/** What the stream carries of the row before the change. */
export const Before = { none: 0, key: 1, full: 2 } as const;
export type Before = (typeof Before)[keyof typeof Before];

/** Rows one after the other. Row r is `bytes[offsets[r] .. offsets[r + 1]]`; an empty slice means there is no such row. */
export interface RowBlock {
  readonly bytes: Buffer;
  /** count + 1 ascending numbers. */
  readonly offsets: Uint32Array;
}

export interface Batch {
  readonly relation: Relation;
  readonly count: number;
  /** `Format` per column. */
  readonly formats: Uint8Array;
  /** `Op` per row. */
  readonly ops: Uint8Array;
  /** Place of the row in its run, ascending, so that order across relations can be rebuilt. */
  readonly seqs: Uint32Array;
  /** Row after the change; empty for a delete. */
  readonly after: RowBlock;
  /** Row before the change; empty where `Before.none`. With `Before.key` the columns outside the key are NULL. */
  readonly before: RowBlock;
  /** `Before` per row. */
  readonly befores: Uint8Array;
  /** 1 where the row after the change has unchanged fields. */
  readonly partial: Uint8Array;
}

/** Bytes a batch holds, for limits. */
export const batchBytes = (batch: Batch): number => batch.after.bytes.length + batch.before.bytes.length + batch.count * 15;

/** Collects changes into a Batch. Tuple bytes are copied, so the caller may reuse its buffer. */
export class BatchBuilder {
  readonly relation: Relation;
  readonly formats: Uint8Array;
  /** Write the row's tuple here, then call `add`. */
  readonly after: ByteWriter;
  readonly before: ByteWriter;
  #count = 0;
  #ops = new Uint8Array(16);
  #befores = new Uint8Array(16);
  #partial = new Uint8Array(16);
  #seqs = new Uint32Array(16);
  #afterEnds = new Uint32Array(17);
  #beforeEnds = new Uint32Array(17);

  /** @param like A batch of about the expected size. */
  constructor(relation: Relation, formats: Uint8Array = new Uint8Array(relation.columns.length), like?: BatchBuilder) {
    this.relation = relation;
    this.formats = formats;
    this.after = new ByteWriter(like ? sizeFor(like.after.length) : 1024);
    this.before = new ByteWriter(like ? sizeFor(like.before.length) : 64);
    if (like && like.count > 16) this.#size(sizeFor(like.count));
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.after.length + this.before.length + this.#count * 15;
  }

  /** Closes the row whose tuples were written to `after` and `before` since the last call. */
  add(op: Op, seq: number, before: Before, partial: boolean): void {
    const row = this.#count;
    if (row === this.#ops.length) this.#grow();
    this.#ops[row] = op;
    this.#befores[row] = before;
    this.#partial[row] = partial ? 1 : 0;
    this.#seqs[row] = seq;
    this.#count = row + 1;
    this.#afterEnds[row + 1] = this.after.length;
    this.#beforeEnds[row + 1] = this.before.length;
  }

  build(): Batch {
    const n = this.#count;
    assert(this.#afterEnds[n] === this.after.length && this.#beforeEnds[n] === this.before.length, 'a row was written but not added');
    return {
      relation: this.relation,
      count: n,
      formats: this.formats,
      ops: this.#ops.subarray(0, n),
      seqs: this.#seqs.subarray(0, n),
      befores: this.#befores.subarray(0, n),
      partial: this.#partial.subarray(0, n),
      after: { bytes: this.after.view(), offsets: this.#afterEnds.subarray(0, n + 1) },
      before: { bytes: this.before.view(), offsets: this.#beforeEnds.subarray(0, n + 1) },
    };
  }

  #grow(): void {
    this.#size(this.#ops.length * 2);
  }

  #size(size: number): void {
    this.#ops = lengthened(this.#ops, size);
    this.#befores = lengthened(this.#befores, size);
    this.#partial = lengthened(this.#partial, size);
    this.#seqs = lengthened(this.#seqs, size);
    this.#afterEnds = lengthened(this.#afterEnds, size + 1);
    this.#beforeEnds = lengthened(this.#beforeEnds, size + 1);
  }
}

/** An eighth more, so that a batch that is a little larger need not grow. */
const sizeFor = (used: number): number => 64 + used + (used >> 3);
