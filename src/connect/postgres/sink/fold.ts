// Folds the changes of one table by key: what remains of each key after a commit. No strings and no row objects: keys are bytes in one
// buffer, found through an open-addressing table; rows are places in the buffers that they came in.
//
// A key remembers how it was *before the commit* (`existed`) and, for a row with unchanged fields, under which key the target holds the
// values that are missing (`origin`): a key change moves a row, and its old values are found only under the key before the commit.
//
// Keys are equal when their bytes are. Values that PostgreSQL calls equal in spite of different bytes (numeric 1.0 and 1.00, −0 and 0 of
// floats, texts under a nondeterministic collation) are different keys here. That is right: the source has at most one of them at a time and
// always names the bytes it has, so all but one end up gone; and what is gone is deleted before anything is inserted.
import { assert, ByteWriter, lengthened } from '../../../base/index.ts';
import { Before, locateFields, Op, type RowBlock, UNCHANGED_FIELD } from '../../../data/index.ts';
import type { TableWrite } from '../../../flow/index.ts';

/** What a key ends as. `missing`: a partial row after its row was deleted, which no legal source sends. */
export const State = { gone: 0, full: 1, partial: 2, missing: 3 } as const;

/** Most commits are small; then what is allocated here is a good part of their cost. */
const entriesMin = 16;

/** `MADE` is the block of rows that were put together here. */
const MADE = 0;

export class Fold {
  /** Field of the batch per key column. */
  readonly #keyFields: Int32Array;
  readonly #writes: TableWrite[] = [];
  readonly #blocks: Buffer[] = [Buffer.alloc(0)];
  #made = new ByteWriter(0);
  readonly #keys = new ByteWriter(256);
  #keyEnds = new Uint32Array(entriesMin + 1);
  #hashes = new Int32Array(entriesMin);
  #slots = new Int32Array(2 * entriesMin);

  /** Number of distinct keys: entries 0 .. count − 1. */
  count = 0;
  /** `State` per entry. */
  state = new Uint8Array(entriesMin);
  /** 1: the key was there before the commit, or may have been; 0: its first change was an insert. */
  existed = new Uint8Array(entriesMin);
  /** For partial rows: the entry whose key before the commit holds the missing values. */
  origin = new Int32Array(entriesMin);
  #block = new Int32Array(entriesMin);
  #start = new Uint32Array(entriesMin);
  #end = new Uint32Array(entriesMin);
  /** The last change: index of the write and row in its batch. */
  #lastWrite = new Int32Array(entriesMin);
  #lastRow = new Int32Array(entriesMin);
  /** Pairs of entries, old key and new key, in order. */
  readonly moves: number[] = [];
  /** Changes that went in. */
  changes = 0;
  #readExisted = 1;

  #starts: Int32Array;
  #lengths: Int32Array;
  #baseStarts: Int32Array;
  #baseLengths: Int32Array;

  constructor(keyFields: Int32Array, fieldCount: number) {
    this.#keyFields = keyFields;
    this.#starts = new Int32Array(fieldCount);
    this.#lengths = new Int32Array(fieldCount);
    this.#baseStarts = new Int32Array(fieldCount);
    this.#baseLengths = new Int32Array(fieldCount);
  }

  /** @param fresh Rows of a snapshot go into an empty table. */
  add(write: TableWrite, fresh = false): void {
    this.#readExisted = fresh || this.#keyFields.length === 0 ? 0 : 1;
    const { batch, rows } = write;
    const index = this.#writes.push(write) - 1;
    this.#blocks.push(batch.after.bytes);
    const count = rows?.length ?? batch.count;
    this.changes += count;
    for (let i = 0; i < count; i++) this.#addRow(write, index, rows ? (rows[i] as number) : i);
  }

  #addRow(write: TableWrite, index: number, row: number): void {
    const { batch } = write;
    const op = batch.ops[row];
    let entry: number;
    if (op === Op.insert || op === Op.read) {
      entry = this.#find(batch.after, row, undefined, op === Op.read ? this.#readExisted : 0);
      this.#setRow(entry, write, index, row);
    } else if (op === Op.delete) {
      entry = this.#find(batch.before, row, undefined, 1);
      this.state[entry] = State.gone;
    } else {
      const before = batch.befores[row] === Before.none ? undefined : batch.before;
      const old = before ? this.#find(before, row, undefined, 1) : -1;
      const created = this.count;
      entry = this.#find(batch.after, row, before, 1);
      if (old < 0 || old === entry) this.#update(entry, entry, write, index, row);
      else {
        // The new key is not there before the move, unless an earlier change of the commit has shown that it was.
        if (entry >= created) {
          this.existed[entry] = 0;
          this.#seen(entry, State.gone);
        }
        this.#update(entry, old, write, index, row);
        this.state[old] = State.gone;
        this.#lastWrite[old] = index;
        this.#lastRow[old] = row;
        this.moves.push(old, entry);
      }
    }
    this.#lastWrite[entry] = index;
    this.#lastRow[entry] = row;
  }

  #seen(entry: number, state: number): void {
    this.state[entry] = state;
    this.#block[entry] = -1;
  }

  #setRow(entry: number, write: TableWrite, index: number, row: number): void {
    this.state[entry] = State.full;
    this.#block[entry] = index + 1;
    this.#start[entry] = write.batch.after.offsets[row] as number;
    this.#end[entry] = write.batch.after.offsets[row + 1] as number;
  }

  /** The row after an update, at `entry`; what it doesn't carry is taken from the row at `base`, if the commit has it. */
  #update(entry: number, base: number, write: TableWrite, index: number, row: number): void {
    if (write.batch.partial[row] === 0) return this.#setRow(entry, write, index, row);
    const known = this.#block[base] as number;
    const state = this.state[base] as number;
    if (known === -1 && state === State.partial) {
      // The first that is heard of the row: its old values are at the target.
      this.#setRow(entry, write, index, row);
      this.state[entry] = State.partial;
      this.origin[entry] = base;
    } else if (state === State.gone || state === State.missing) {
      this.#setRow(entry, write, index, row);
      this.state[entry] = State.missing;
    } else {
      const whole = this.#merge(entry, base, write.batch.after, row);
      this.origin[entry] = this.origin[base] as number;
      this.state[entry] = state === State.full || whole ? State.full : State.partial;
    }
  }

  /** Puts a partial row over the row at `base`. Returns whether nothing is missing afterwards. */
  #merge(entry: number, base: number, after: RowBlock, row: number): boolean {
    const [start, end] = [after.offsets[row] as number, after.offsets[row + 1] as number];
    const [baseStart, baseEnd] = [this.#start[base] as number, this.#end[base] as number];
    const made = this.#made;
    made.reserve(end - start + (baseEnd - baseStart));
    const baseBytes = this.#block[base] === MADE ? made.buffer : (this.#blocks[this.#block[base] as number] as Buffer);
    const count = locateFields(after.bytes, start, end, this.#starts, this.#lengths);
    locateFields(baseBytes, baseStart, baseEnd, this.#baseStarts, this.#baseLengths);
    const at = made.length;
    let whole = true;
    made.i16(count);
    for (let field = 0; field < count; field++) {
      const mine = this.#lengths[field] !== UNCHANGED_FIELD;
      const length = (mine ? this.#lengths[field] : this.#baseLengths[field]) as number;
      const from = (mine ? this.#starts[field] : this.#baseStarts[field]) as number;
      made.i32(length);
      if (length > 0) made.bytes(mine ? after.bytes : baseBytes, from, from + length);
      else if (length === UNCHANGED_FIELD) whole = false;
    }
    this.#place(entry, at, made.length);
    return whole;
  }

  #place(entry: number, start: number, end: number): void {
    this.#block[entry] = MADE;
    this.#start[entry] = start;
    this.#end[entry] = end;
  }

  /** Gives an entry its whole row (the batch's layout), e.g. after the missing values were read from the target. */
  complete(entry: number, write: (made: ByteWriter) => void): void {
    const at = this.#made.length;
    write(this.#made);
    this.#place(entry, at, this.#made.length);
    this.state[entry] = State.full;
  }

  /** The entry of the key in a row; `fallback` has the key fields that are unchanged in it. New entries are partial without a row. */
  #find(block: RowBlock, row: number, fallback: RowBlock | undefined, existed: number): number {
    const keys = this.#keys;
    const at = keys.length;
    keys.i16(this.#keyFields.length);
    this.#locate(block, row);
    let fallbackRead = false;
    for (const field of this.#keyFields) {
      let bytes = block.bytes;
      let start = this.#starts[field] as number;
      let length = this.#lengths[field] as number;
      if (length === UNCHANGED_FIELD) {
        assert(fallback, 'a key that is unchanged and not in the old row');
        if (!fallbackRead) locateFields(fallback.bytes, fallback.offsets[row] as number, fallback.offsets[row + 1] as number, this.#baseStarts, this.#baseLengths);
        fallbackRead = true;
        bytes = fallback.bytes;
        start = this.#baseStarts[field] as number;
        length = this.#baseLengths[field] as number;
      }
      keys.i32(length);
      if (length > 0) keys.bytes(bytes, start, start + length);
    }
    return this.#lookup(at, existed);
  }

  #locate(block: RowBlock, row: number): void {
    const [start, end] = [block.offsets[row] as number, block.offsets[row + 1] as number];
    assert(end > start, 'a change without the row that names its key');
    locateFields(block.bytes, start, end, this.#starts, this.#lengths);
  }

  /** Finds or makes the entry of the key that was written at the end of `keys`. */
  #lookup(at: number, existed: number): number {
    const keys = this.#keys;
    const bytes = keys.buffer;
    const end = keys.length;
    let hash = 0x811c9dc5 | 0;
    for (let i = at + 2; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    // Rows without a key are all different.
    for (; this.#keyFields.length > 0;) {
      const found = (this.#slots[slot] as number) - 1;
      if (found < 0) break;
      if (this.#hashes[found] === hash && this.#sameKey(bytes, found, at, end)) {
        keys.truncate(at);
        return found;
      }
      slot = (slot + 1) & mask;
    }
    const entry = this.count++;
    if (entry === this.state.length) this.#grow();
    this.#hashes[entry] = hash;
    this.#keyEnds[entry + 1] = end;
    this.existed[entry] = existed;
    this.#block[entry] = -1;
    this.state[entry] = State.partial;
    this.origin[entry] = entry;
    if (this.#keyFields.length === 0) return entry;
    if (this.count * 2 > this.#slots.length) this.#rehash();
    else this.#slots[slot] = entry + 1;
    return entry;
  }

  #sameKey(bytes: Buffer, entry: number, at: number, end: number): boolean {
    const start = this.#keyEnds[entry] as number;
    if ((this.#keyEnds[entry + 1] as number) - start !== end - at) return false;
    for (let i = end - at - 1; i >= 0; i--) if (bytes[start + i] !== bytes[at + i]) return false;
    return true;
  }

  #rehash(): void {
    const mask = this.#slots.length * (this.#slots.length < 2048 ? 4 : 2) - 1;
    this.#slots = new Int32Array(mask + 1);
    for (let entry = 0; entry < this.count; entry++) {
      let slot = (this.#hashes[entry] as number) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }

  #grow(): void {
    const size = this.state.length * (this.state.length < 1024 ? 4 : 2);
    this.state = lengthened(this.state, size);
    this.existed = lengthened(this.existed, size);
    this.origin = lengthened(this.origin, size);
    this.#block = lengthened(this.#block, size);
    this.#hashes = lengthened(this.#hashes, size);
    this.#lastWrite = lengthened(this.#lastWrite, size);
    this.#lastRow = lengthened(this.#lastRow, size);
    this.#start = lengthened(this.#start, size);
    this.#end = lengthened(this.#end, size);
    this.#keyEnds = lengthened(this.#keyEnds, size + 1);
  }

  /** All keys; entry e's is `keyStart(e) .. keyEnd(e)`, a COPY row of the key columns. */
  get keyBytes(): Buffer {
    return this.#keys.view();
  }

  keyStart(entry: number): number {
    return this.#keyEnds[entry] as number;
  }

  keyEnd(entry: number): number {
    return this.#keyEnds[entry + 1] as number;
  }

  /** The buffer that holds an entry's row at `rowStart(e) .. rowEnd(e)`. */
  rowBytes(entry: number): Buffer {
    const block = this.#block[entry] as number;
    return block === MADE ? this.#made.buffer : (this.#blocks[block] as Buffer);
  }

  rowStart(entry: number): number {
    return this.#start[entry] as number;
  }

  rowEnd(entry: number): number {
    return this.#end[entry] as number;
  }

  /** Where the entry's last change came from. */
  last(entry: number): { write: TableWrite; row: number } {
    return { write: this.#writes[this.#lastWrite[entry] as number] as TableWrite, row: this.#lastRow[entry] as number };
  }

  /** The changes that made some of the entries, in their order. */
  *changesOf(entries: { has(entry: number): boolean }): Generator<{ entry: number; write: TableWrite; row: number }> {
    let seen = 0;
    for (const write of this.#writes) {
      const { batch, rows } = write;
      for (let i = 0; i < (rows?.length ?? batch.count); i++) {
        const row = rows ? (rows[i] as number) : i;
        const [block, other] = batch.ops[row] === Op.delete ? [batch.before] : [batch.after, batch.befores[row] === Before.none ? undefined : batch.before];
        const entry = this.#keyFields.length === 0 ? seen++ : this.#find(block, row, other, 1);
        if (entries.has(entry)) yield { entry, write, row };
      }
    }
  }

  /** Which fields of a partial entry are there, as a string of 0 and 1 per field: rows are grouped by it. */
  mask(entry: number): string {
    const count = locateFields(this.rowBytes(entry), this.rowStart(entry), this.rowEnd(entry), this.#starts, this.#lengths);
    let mask = '';
    for (let field = 0; field < count; field++) mask += this.#lengths[field] === UNCHANGED_FIELD ? '0' : '1';
    return mask;
  }
}
