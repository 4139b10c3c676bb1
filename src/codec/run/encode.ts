// Run → one self-contained binary frame. The layout; integers are big-endian, the arrays of uint32 are little-endian:
//
//   u8 version (1; 2 with an origin), u8 flags, u64 position, u32 bytes of the head (all that stands before the row bytes)
//   version 2: u32 length and text of the origin
//   u32 transactions: u32 xid, u64 commit, u64 end, i64 time µs, u32 first seq
//   u32 relations: u32 length and text of the version, u32 length and JSON of the relation
//   u32 truncated relations: u32 index into the relations
//   u32 batches: u32 relation, u32 rows, u32 bytes of `after`, u32 bytes of `before`, formats (one byte a column),
//     ops, befores, partial (one byte a row), seqs (uint32 a row), offsets of after and of before (uint32, rows + 1, from 0)
//   row bytes: after and before of each batch in order
import { assert, ByteWriter } from '../../base/index.ts';
import type { Batch, Relation, RowBlock, Run } from '../../data/index.ts';

export const runFormatVersion = 2;
export const flagOpen = 1;
export const flagTruncate = 2;
export const flagCascade = 4;
export const flagRestartIdentity = 8;

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

const descriptors = new WeakMap<Relation, { version: Buffer; json: Buffer }>();

function descriptorOf(relation: Relation): { version: Buffer; json: Buffer } {
  let found = descriptors.get(relation);
  // A table may have thousands of partitions, and nobody asks a run for them.
  const { partitions: _, ...rest } = relation;
  if (!found) descriptors.set(relation, (found = { version: Buffer.from(relation.version), json: Buffer.from(JSON.stringify(rest)) }));
  return found;
}

/** The frame as chunks for writev; concatenated they are what decodeRun reads. Row bytes are not copied: they must not change until written. */
export function encodeRun(run: Run): Buffer[] {
  assert(littleEndian, 'Millrace runs on little-endian machines');
  const head = new ByteWriter(256 + run.transactions.length * 32 + run.batches.reduce((sum, batch) => sum + 64 + batch.count * 15, 0));
  const { truncate } = run;
  const flags =
    (run.open ? flagOpen : 0) | (truncate ? flagTruncate : 0) | (truncate?.cascade ? flagCascade : 0) | (truncate?.restartIdentity ? flagRestartIdentity : 0);
  head.u8(run.origin === undefined ? 1 : 2).u8(flags).u64(run.position).u32(0);
  if (run.origin !== undefined) {
    const origin = Buffer.from(run.origin);
    head.u32(origin.length).bytes(origin);
  }

  head.u32(run.transactions.length);
  for (const { xid, commit, end, timeUs, firstSeq } of run.transactions) head.u32(xid).u64(commit).u64(end).i64(timeUs).u32(firstSeq);

  const indexes = new Map<Relation, number>();
  for (const { relation } of run.batches) if (!indexes.has(relation)) indexes.set(relation, indexes.size);
  for (const relation of truncate?.relations ?? []) if (!indexes.has(relation)) indexes.set(relation, indexes.size);
  head.u32(indexes.size);
  for (const relation of indexes.keys()) {
    const { version, json } = descriptorOf(relation);
    head.u32(version.length).bytes(version).u32(json.length).bytes(json);
  }
  head.u32(truncate?.relations.length ?? 0);
  for (const relation of truncate?.relations ?? []) head.u32(indexes.get(relation) as number);

  head.u32(run.batches.length);
  const chunks: Buffer[] = [];
  for (const batch of run.batches) encodeBatch(head, batch, indexes.get(batch.relation) as number, chunks);
  head.patchI32(10, head.length);
  return [head.view(), ...chunks];
}

function encodeBatch(head: ByteWriter, batch: Batch, relation: number, chunks: Buffer[]): void {
  const { count, after, before } = batch;
  const rows = [rowsOf(after, count), rowsOf(before, count)] as const;
  head.u32(relation).u32(count).u32(rows[0].length).u32(rows[1].length);
  head.bytes(batch.formats).bytes(batch.ops).bytes(batch.befores).bytes(batch.partial).bytes(bytesOf(batch.seqs));
  head.bytes(bytesOf(fromZero(after.offsets))).bytes(bytesOf(fromZero(before.offsets)));
  for (const bytes of rows) if (bytes.length > 0) chunks.push(bytes);
}

const bytesOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

const rowsOf = (block: RowBlock, count: number): Buffer => block.bytes.subarray(block.offsets[0], block.offsets[count]);

/** Offsets of a batch that was cut from another do not begin at 0. */
function fromZero(offsets: Uint32Array): Uint32Array {
  const base = offsets[0] as number;
  return base === 0 ? offsets : offsets.map((offset) => offset - base);
}
