// PostgreSQL's logical replication messages (plugin pgoutput, text or binary values) → runs. Transactions in progress: streamed.ts.
// Format: PostgreSQL documentation, "Logical Replication Message Formats". A binary tuple becomes our tuple by leaving out one byte a field.
import { ByteReader, type ByteWriter, copyBytes, readI64, readU64 } from '../../base/index.ts';
import { asPosition, type BatchBuilder, Before, Format, Op, originPrefix, type Relation, type RunBuilder } from '../../data/index.ts';
import { EPOCH_2000_US, expectEnd, malformed } from './malformed.ts';

/** A Relation message as it came. Types are OIDs that the source's catalog resolves. */
export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly identity: 'd' | 'n' | 'f' | 'i';
  readonly columns: readonly { readonly name: string; readonly typeOid: number; readonly typmod: number; readonly key: boolean }[];
}

const [B, C, I, U, D, T, R, K, O, N, M] = ['B', 'C', 'I', 'U', 'D', 'T', 'R', 'K', 'O', 'N', 'M'].map((letter) => letter.charCodeAt(0)) as number[];
const [nullKind, unchangedKind, textKind, binaryKind] = ['n', 'u', 't', 'b'].map((letter) => letter.charCodeAt(0)) as number[];

export class PgoutputDecoder {
  readonly #runs: RunBuilder;
  readonly #relations = new Map<number, Relation>();
  /** When each was announced, as a number that goes up. */
  readonly #announced = new Map<number, number>();
  /** Fields of each open batch whose format has been seen. */
  readonly #seen = new WeakMap<BatchBuilder, Uint8Array>();
  #oldStarts = new Int32Array(64);
  #oldLengths = new Int32Array(64);

  constructor(runs: RunBuilder) {
    this.#runs = runs;
  }

  /** Says what a table of the stream is; must be called for a Relation message before the next message is decoded. `order`: of its coming. */
  define(relation: Relation, order = 0): void {
    this.#relations.set(relation.oid, relation);
    this.#announced.set(relation.oid, order);
  }

  /** Takes over what another decoder was told of tables, unless this one has been told of them since. */
  learn(other: PgoutputDecoder): void {
    for (const [oid, relation] of other.#relations) {
      const order = other.#announced.get(oid) ?? 0;
      if (order >= (this.#announced.get(oid) ?? 0)) this.define(relation, order);
    }
  }

  /**
   * Decodes the message that stands in `message` from `from` to `end`. A Relation message is returned, for the caller to resolve and
   * `define`; all others go into the runs. The bytes may be overwritten afterwards.
   */
  decode(message: Buffer, from = 0, end = message.length): RelationMessage | undefined {
    try {
      return this.#decode(message, from, end);
    } catch (error) {
      throw malformed(error, message[from]);
    }
  }

  #decode(message: Buffer, from: number, end: number): RelationMessage | undefined {
    const type = message[from];
    if (type === I) {
      const builder = this.#runs.batch(this.#relation(message.readUInt32BE(from + 1)));
      expectKind(message, from + 5, N as number);
      expectEnd(this.#tuple(message, from + 6, end, builder, builder.after, false), end);
      builder.add(Op.insert, this.#runs.nextSeq(), Before.none, false);
      this.#runs.rowAdded();
    } else if (type === U) this.#update(message, from, end);
    else if (type === D) {
      const builder = this.#runs.batch(this.#relation(message.readUInt32BE(from + 1)));
      const kind = message[from + 5];
      if (kind !== K && kind !== O) throw new RangeError('a delete without its old row');
      expectEnd(this.#tuple(message, from + 6, end, builder, builder.before, false), end);
      builder.add(Op.delete, this.#runs.nextSeq(), kind === O ? Before.full : Before.key, false);
      this.#runs.rowAdded();
    } else if (type === B) {
      if (this.#runs.inTransaction) throw new RangeError('a transaction begins inside another');
      expectEnd(from + 21, end);
      this.#runs.begin(message.readUInt32BE(from + 17), asPosition(readU64(message, from + 1)), readI64(message, from + 9) + EPOCH_2000_US);
    } else if (type === C) {
      if (!this.#runs.inTransaction) throw new RangeError('a commit without its beginning');
      expectEnd(from + 26, end);
      this.#runs.commit(asPosition(readU64(message, from + 10)));
    } else if (type === R) return readRelation(message.subarray(from, end));
    else if (type === T) {
      const reader = new ByteReader(message.subarray(from + 1, end));
      const count = reader.i32();
      const options = reader.u8();
      const relations: Relation[] = [];
      for (let i = 0; i < count; i++) relations.push(this.#relation(reader.u32()));
      this.#inTransaction();
      this.#runs.truncate({ relations, cascade: (options & 1) !== 0, restartIdentity: (options & 2) !== 0 });
    }
    else if (type === M) this.#message(new ByteReader(message.subarray(from + 1, end)));
    // Y (type) and O (origin) carry nothing that a replica needs.
    return undefined;
  }

  /** A logical message: those of applications are passed over. */
  #message(reader: ByteReader): void {
    const isTransactional = (reader.u8() & 1) !== 0;
    reader.u64();
    if (reader.cstring() === originPrefix && isTransactional) this.#runs.origin(reader.text(reader.u32()));
  }

  #relation(oid: number): Relation {
    const relation = this.#relations.get(oid);
    if (!relation) throw new RangeError(`a row of relation ${oid}, which was not announced`);
    this.#inTransaction();
    return relation;
  }

  #inTransaction(): void {
    if (!this.#runs.inTransaction) throw new RangeError('a change outside of a transaction');
  }

  #update(message: Buffer, from: number, end: number): void {
    const builder = this.#runs.batch(this.#relation(message.readUInt32BE(from + 1)));
    const kind = message[from + 5];
    let before: Before = Before.none;
    let at = from + 5;
    const oldFrom = builder.before.length;
    if (kind === K || kind === O) {
      at = this.#tuple(message, from + 6, end, builder, builder.before, false);
      before = kind === O ? Before.full : Before.key;
    }
    expectKind(message, at, N as number);
    const start = at + 1;
    if (before === Before.full) {
      // The old row has what the new one leaves out as unchanged.
      this.#locateOld(builder.before.view(oldFrom), oldFrom, builder.relation.columns.length);
      expectEnd(this.#tuple(message, start, end, builder, builder.after, true), end);
      builder.add(Op.update, this.#runs.nextSeq(), before, false);
    } else {
      const partial = hasUnchanged(message, start);
      expectEnd(this.#tuple(message, start, end, builder, builder.after, false), end);
      builder.add(Op.update, this.#runs.nextSeq(), before, partial);
    }
    this.#runs.rowAdded();
  }

  /** Copies a TupleData into `out` as our tuple; with `fill`, unchanged fields come from the old row. Returns where the message goes on. */
  #tuple(message: Buffer, start: number, end: number, builder: BatchBuilder, out: ByteWriter, fill: boolean): number {
    const { formats, relation } = builder;
    let seen = this.#seen.get(builder);
    if (!seen) this.#seen.set(builder, (seen = new Uint8Array(formats.length)));
    const count = message.readUInt16BE(start);
    if (count !== relation.columns.length) throw new RangeError(`a row of ${count} fields for ${relation.columns.length} columns`);
    // An upper bound for everything but filled fields, so that the loop below writes without checks.
    out.reserve(end - start + count * 4);
    let target = out.buffer;
    let to = out.length;
    target[to++] = count >> 8;
    target[to++] = count & 255;
    let at = start + 2;
    for (let field = 0; field < count; field++) {
      const kind = message[at++];
      if (kind === binaryKind || kind === textKind) {
        const format = kind === textKind ? Format.text : Format.binary;
        if (seen[field] === 0) {
          seen[field] = 1;
          formats[field] = format;
        } else if (formats[field] !== format) throw new RangeError('a column that is text and binary in turn');
        if (at + 4 > end) throw new RangeError('row is cut off');
        const length = message.readInt32BE(at);
        const next = at + 4 + length;
        if (length < 0 || next > end) throw new RangeError('row is cut off');
        copyBytes(target, to, message, at, next);
        to += length + 4;
        at = next;
      } else if (kind === nullKind) {
        target[to] = target[to + 1] = target[to + 2] = target[to + 3] = 255;
        to += 4;
      } else if (kind === unchangedKind) {
        const oldLength = fill ? (this.#oldLengths[field] as number) : -2;
        if (oldLength > 0) {
          out.advance(to - out.length);
          out.reserve(oldLength + end - at + (count - field) * 4 + 4);
          target = out.buffer;
          target.writeInt32BE(oldLength, to);
          const oldStart = this.#oldStarts[field] as number;
          builder.before.buffer.copy(target, to + 4, oldStart, oldStart + oldLength);
          to += 4 + oldLength;
        } else to = target.writeInt32BE(oldLength, to);
      } else throw new RangeError('unknown kind of field');
    }
    out.advance(to - out.length);
    return at;
  }

  #locateOld(row: Buffer, base: number, count: number): void {
    if (this.#oldStarts.length < count) {
      this.#oldStarts = new Int32Array(count);
      this.#oldLengths = new Int32Array(count);
    }
    let at = 2;
    for (let field = 0; field < count; field++) {
      const length = row.readInt32BE(at);
      at += 4;
      this.#oldStarts[field] = base + at;
      this.#oldLengths[field] = length;
      if (length > 0) at += length;
    }
  }
}

function hasUnchanged(message: Buffer, start: number): boolean {
  let at = start + 2;
  for (let left = message.readUInt16BE(start); left > 0; left--) {
    const kind = message[at++];
    if (kind === unchangedKind) return true;
    if (kind === binaryKind || kind === textKind) at += 4 + message.readUInt32BE(at);
  }
  return false;
}

function expectKind(message: Buffer, at: number, kind: number): void {
  if (message[at] !== kind) throw new RangeError(`expected ${String.fromCharCode(kind)} at byte ${at}`);
}

function readRelation(message: Buffer): RelationMessage {
  const reader = new ByteReader(message, 1);
  const oid = reader.u32();
  // An empty namespace means pg_catalog.
  const schema = reader.cstring() || 'pg_catalog';
  const name = reader.cstring();
  const identity = String.fromCharCode(reader.u8());
  if (!/^[dnfi]$/.test(identity)) throw new RangeError(`unknown replica identity ${identity}`);
  const columns: { name: string; typeOid: number; typmod: number; key: boolean }[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    const key = (reader.u8() & 1) !== 0;
    columns.push({ key, name: reader.cstring(), typeOid: reader.u32(), typmod: reader.i32() });
  }
  return { oid, schema, name, identity: identity as RelationMessage['identity'], columns };
}
