// One binary frame → Run; the layout stands in encode.ts. Everything is checked before it is believed, so corrupt bytes give LOG_CORRUPT.
import { ByteReader, MillraceError } from '../../base/index.ts';
import { asPosition, type Batch, type Relation, type RowBlock, type Run, type Transaction, type Truncate } from '../../data/index.ts';
import { flagCascade, flagOpen, flagRestartIdentity, flagTruncate, runFormatVersion } from './encode.ts';

/** Relations by version, so that equal versions are one object. Forgets everything when it has grown past `countMax`. */
export class RelationCache {
  readonly #byVersion = new Map<string, Relation>();
  readonly #countMax: number;

  constructor(countMax = 10_000) {
    this.#countMax = countMax;
  }

  /** The relation of this version; `json` is parsed when it is not known yet. */
  get(version: string, json: Buffer): Relation {
    let relation = this.#byVersion.get(version);
    if (relation) return relation;
    relation = JSON.parse(json.toString('utf8')) as Relation;
    if (relation.version !== version || !Array.isArray(relation.columns)) throw new RangeError('a relation does not fit its version');
    if (this.#byVersion.size >= this.#countMax) this.#byVersion.clear();
    this.#byVersion.set(version, relation);
    return relation;
  }
}

/**
 * Reads what encodeRun wrote. Row bytes are slices of `bytes`, which must not change afterwards. Throws LOG_CORRUPT for bytes that are not
 * a run, LOG_VERSION for a frame of a newer release.
 */
export function decodeRun(bytes: Buffer, relations: RelationCache): Run {
  if (bytes.length > 0 && (bytes[0] as number) > runFormatVersion) {
    throw new MillraceError('LOG_VERSION', `a run has format ${bytes[0]}, this release reads up to ${runFormatVersion}`);
  }
  try {
    return read(new ByteReader(bytes), relations);
  } catch (thrown) {
    if (thrown instanceof RangeError || thrown instanceof SyntaxError) {
      throw new MillraceError('LOG_CORRUPT', 'a stored run cannot be decoded', { detail: thrown.message, cause: thrown });
    }
    throw thrown;
  }
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new RangeError(what);
}

/** A count of things that take at least `bytesEach`, so that a wrong one cannot make us allocate much. */
function countOf(reader: ByteReader, bytesEach: number): number {
  const count = reader.u32();
  check(count * bytesEach <= reader.left, `${count} items announced, ${reader.left} bytes left`);
  return count;
}

function read(reader: ByteReader, cache: RelationCache): Run {
  const version = reader.u8();
  check(version > 0, 'format version 0');
  const flags = reader.u8();
  const position = asPosition(reader.u64());
  const headBytes = reader.u32();
  const origin = version > 1 ? reader.text(reader.u32()) : undefined;

  const transactions: Transaction[] = [];
  for (let left = countOf(reader, 32); left > 0; left--) {
    transactions.push({ xid: reader.u32(), commit: asPosition(reader.u64()), end: asPosition(reader.u64()), timeUs: reader.i64(), firstSeq: reader.u32() });
  }
  const relations: Relation[] = [];
  for (let left = countOf(reader, 8); left > 0; left--) {
    const version = reader.text(reader.u32());
    relations.push(cache.get(version, reader.take(reader.u32())));
  }
  const truncated: Relation[] = [];
  for (let left = countOf(reader, 4); left > 0; left--) truncated.push(relationAt(relations, reader.u32()));

  const batches: Batch[] = [];
  const rows = new ByteReader(reader.bytes, headBytes);
  for (let left = countOf(reader, 24); left > 0; left--) batches.push(readBatch(reader, rows, relations));
  check(reader.at === headBytes, 'the head has another length');
  check(rows.left === 0, 'bytes are left over');

  const truncate: Truncate | undefined =
    (flags & flagTruncate) === 0
      ? undefined
      : { relations: truncated, cascade: (flags & flagCascade) !== 0, restartIdentity: (flags & flagRestartIdentity) !== 0 };
  return { transactions, batches, ...(truncate ? { truncate } : {}), open: (flags & flagOpen) !== 0, ...(origin === undefined ? {} : { origin }), position };
}

function relationAt(relations: readonly Relation[], index: number): Relation {
  const relation = relations[index];
  check(relation !== undefined, `relation ${index} of ${relations.length}`);
  return relation;
}

function readBatch(reader: ByteReader, rows: ByteReader, relations: readonly Relation[]): Batch {
  const relation = relationAt(relations, reader.u32());
  const count = reader.u32();
  const afterBytes = reader.u32();
  const beforeBytes = reader.u32();
  check(count * 15 + 8 + relation.columns.length <= reader.left, `${count} rows announced, ${reader.left} bytes left`);
  const formats = smallNumbers(reader.take(relation.columns.length), 1);
  const ops = smallNumbers(reader.take(count), 3);
  const befores = smallNumbers(reader.take(count), 2);
  const partial = smallNumbers(reader.take(count), 1);
  const seqs = words(reader, count);
  const afterOffsets = words(reader, count + 1);
  const beforeOffsets = words(reader, count + 1);
  for (let row = 1; row < count; row++) check((seqs[row] as number) > (seqs[row - 1] as number), 'sequence numbers do not ascend');
  return {
    relation,
    count,
    formats,
    ops,
    seqs,
    befores,
    partial,
    after: block(rows.take(afterBytes), afterOffsets),
    before: block(rows.take(beforeBytes), beforeOffsets),
  };
}

function smallNumbers(bytes: Buffer, max: number): Uint8Array {
  for (const value of bytes) check(value <= max, `${value} where at most ${max} is known`);
  return bytes;
}

function words(reader: ByteReader, count: number): Uint32Array {
  const bytes = reader.take(count * 4);
  // Typed arrays want alignment, which a frame does not have.
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer);
}

function block(bytes: Buffer, offsets: Uint32Array): RowBlock {
  const last = offsets.length - 1;
  check(offsets[0] === 0 && offsets[last] === bytes.length, 'offsets do not fit the row bytes');
  for (let row = 0; row < last; row++) check((offsets[row] as number) <= (offsets[row + 1] as number), 'offsets do not ascend');
  return { bytes, offsets };
}
