// Rows of a fold as the server takes them: COPY BINARY streams and binary arrays.
import { ByteWriter } from '../../../base/index.ts';
import { locateFields } from '../../../data/index.ts';
import type { Fold } from './fold.ts';
import type { Layout, LayoutColumn } from './layout.ts';

const signature = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = Buffer.from([0xff, 0xff]);
const chunkBytes = 1 << 18;

/** Gathers the bytes of a COPY BINARY stream and hands them on in chunks. Runs of rows that lie one after the other are copied at once. */
export class CopyStream {
  readonly #out: ByteWriter;
  readonly #emit: (chunk: Buffer) => void;

  constructor(emit: (chunk: Buffer) => void) {
    this.#out = new ByteWriter(1 << 16);
    this.#emit = emit;
    this.#out.bytes(signature);
  }

  get out(): ByteWriter {
    return this.#out;
  }

  rowAdded(): void {
    if (this.#out.length >= chunkBytes) this.#emit(this.#out.take());
  }

  end(): void {
    this.#out.bytes(trailer);
    this.#emit(this.#out.take());
  }
}

/** Writes the keys of entries: rows of the key columns. */
export function writeKeys(fold: Fold, entries: Iterable<number>, emit: (chunk: Buffer) => void): void {
  const stream = new CopyStream(emit);
  const keys = fold.keyBytes;
  for (const entry of entries) {
    stream.out.bytes(keys, fold.keyStart(entry), fold.keyEnd(entry));
    stream.rowAdded();
  }
  stream.end();
}

/** Writes the rows of entries with the given columns of the layout; `whole` says that these are all fields in their order. */
export function writeRows(fold: Fold, layout: Layout, entries: readonly number[], columns: readonly number[], emit: (chunk: Buffer) => void): void {
  const stream = new CopyStream(emit);
  if (layout.whole && columns.length === layout.columns.length) writeWhole(fold, entries, stream);
  else {
    const fields = Int32Array.from(columns, (i) => (layout.columns[i] as LayoutColumn).field);
    const starts = new Int32Array(layout.fieldCount);
    const lengths = new Int32Array(layout.fieldCount);
    for (const entry of entries) {
      const bytes = fold.rowBytes(entry);
      locateFields(bytes, fold.rowStart(entry), fold.rowEnd(entry), starts, lengths);
      writeFields(stream.out, bytes, fields, starts, lengths);
      stream.rowAdded();
    }
  }
  stream.end();
}

function writeFields(out: ByteWriter, bytes: Buffer, fields: Int32Array, starts: Int32Array, lengths: Int32Array): void {
  out.i16(fields.length);
  for (const field of fields) {
    const length = lengths[field] as number;
    const start = starts[field] as number;
    // The length stands right before the value, so that both are copied together.
    if (length > 0) out.bytes(bytes, start - 4, start + length);
    else out.i32(length);
  }
}

function writeWhole(fold: Fold, entries: readonly number[], stream: CopyStream): void {
  let runBytes: Buffer | undefined;
  let runStart = 0;
  let runEnd = 0;
  for (const entry of entries) {
    const bytes = fold.rowBytes(entry);
    const start = fold.rowStart(entry);
    if (bytes === runBytes && start === runEnd && runEnd - runStart < chunkBytes) runEnd = fold.rowEnd(entry);
    else {
      if (runBytes) stream.out.bytes(runBytes, runStart, runEnd);
      stream.rowAdded();
      runBytes = bytes;
      runStart = start;
      runEnd = fold.rowEnd(entry);
    }
  }
  if (runBytes) stream.out.bytes(runBytes, runStart, runEnd);
}

/** Binary arrays, one a column, of the rows of entries. */
export function rowArrays(fold: Fold, layout: Layout, entries: readonly number[], columns: readonly number[]): Buffer[] {
  const fields = columns.map((i) => (layout.columns[i] as LayoutColumn).field);
  const outs = columns.map((i) => arrayHead((layout.columns[i] as LayoutColumn).stageOid, entries.length));
  const starts = new Int32Array(layout.fieldCount);
  const lengths = new Int32Array(layout.fieldCount);
  for (const entry of entries) {
    const bytes = fold.rowBytes(entry);
    locateFields(bytes, fold.rowStart(entry), fold.rowEnd(entry), starts, lengths);
    for (let i = 0; i < fields.length; i++) addElement(outs[i] as ByteWriter, bytes, starts[fields[i] as number] as number, lengths[fields[i] as number] as number);
  }
  return outs.map((out) => out.view());
}

export function keyArrays(fold: Fold, layout: Layout, entries: readonly number[]): Buffer[] {
  const outs = layout.key.map((i) => arrayHead((layout.columns[i] as LayoutColumn).stageOid, entries.length));
  const starts = new Int32Array(outs.length);
  const lengths = new Int32Array(outs.length);
  const bytes = fold.keyBytes;
  for (const entry of entries) {
    locateFields(bytes, fold.keyStart(entry), fold.keyEnd(entry), starts, lengths);
    for (let i = 0; i < outs.length; i++) addElement(outs[i] as ByteWriter, bytes, starts[i] as number, lengths[i] as number);
  }
  return outs.map((out) => out.view());
}

/** One dimension, may have nulls, lower bound 1. */
const arrayHead = (oid: number, count: number): ByteWriter => new ByteWriter(20 + count * 12).i32(1).i32(1).u32(oid).i32(count).i32(1);

function addElement(out: ByteWriter, bytes: Buffer, start: number, length: number): void {
  if (length > 0) out.bytes(bytes, start - 4, start + length);
  else out.i32(length);
}
