// Rows of a fold as the server takes them: COPY BINARY streams and binary arrays.
import { ByteWriter } from '../../../base/index.ts';
import { COPY_HEADER, COPY_TRAILER } from '../../../codec/index.ts';
import { locateFields, writeField, writeFields } from '../../../data/index.ts';
import type { Fold } from './fold.ts';
import type { Layout, LayoutColumn } from './layout.ts';

const chunkBytes = 1 << 18;

/** Gathers the bytes of a COPY BINARY stream and hands them on in chunks. Runs of rows that lie one after the other are copied at once. */
export class CopyStream {
  readonly #out: ByteWriter;
  readonly #emit: (chunk: Buffer) => void;

  constructor(emit: (chunk: Buffer) => void) {
    this.#out = new ByteWriter(1 << 16);
    this.#emit = emit;
    this.#out.bytes(COPY_HEADER);
  }

  get out(): ByteWriter {
    return this.#out;
  }

  rowAdded(): void {
    if (this.#out.length >= chunkBytes) this.#emit(this.#out.take());
  }

  /** Rows that lie one after the other; many of them are handed on as they lie, without a copy. */
  stretch(bytes: Buffer, start: number, end: number): void {
    if (end - start < chunkBytes / 4) this.#out.bytes(bytes, start, end);
    else {
      if (this.#out.length > 0) this.#emit(this.#out.take());
      this.#emit(bytes.subarray(start, end));
    }
    this.rowAdded();
  }

  end(): void {
    this.#out.bytes(COPY_TRAILER);
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

function writeWhole(fold: Fold, entries: readonly number[], stream: CopyStream): void {
  let runBytes: Buffer | undefined;
  let runStart = 0;
  let runEnd = 0;
  for (const entry of entries) {
    const bytes = fold.rowBytes(entry);
    const start = fold.rowStart(entry);
    if (bytes === runBytes && start === runEnd && runEnd - runStart < chunkBytes) runEnd = fold.rowEnd(entry);
    else {
      if (runBytes) stream.stretch(runBytes, runStart, runEnd);
      runBytes = bytes;
      runStart = start;
      runEnd = fold.rowEnd(entry);
    }
  }
  if (runBytes) stream.stretch(runBytes, runStart, runEnd);
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
    for (let i = 0; i < fields.length; i++) writeField(outs[i] as ByteWriter, bytes, starts[fields[i] as number] as number, lengths[fields[i] as number] as number);
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
    for (let i = 0; i < outs.length; i++) writeField(outs[i] as ByteWriter, bytes, starts[i] as number, lengths[i] as number);
  }
  return outs.map((out) => out.view());
}

/** One dimension, may have nulls, lower bound 1. */
const arrayHead = (oid: number, count: number): ByteWriter => new ByteWriter(20 + count * 12).i32(1).i32(1).u32(oid).i32(count).i32(1);
