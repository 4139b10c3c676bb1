// Image: one row of a batch, before or after its change. It looks into the bytes and decodes only what it is asked for.
import type { ByteWriter } from '../../base/index.ts';
import { type TypeCodec, typeCodec } from '../../codec/index.ts';
import { Format, locateFields, NULL_FIELD, type Relation, type RowBlock, Unchanged, UNCHANGED_FIELD } from '../../data/index.ts';

const notDecoded: unique symbol = Symbol('not decoded');

/** Made once for a relation, then loaded with row after row. */
export class Image {
  readonly relation: Relation;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #values: unknown[];
  readonly #codecs: readonly TypeCodec[];
  #bytes: Buffer = Buffer.alloc(0);
  #formats: Uint8Array = new Uint8Array(0);
  /** Whose values stand for unchanged ones. */
  #older: Image | undefined;

  constructor(relation: Relation) {
    const width = relation.columns.length;
    this.relation = relation;
    this.#starts = new Int32Array(width);
    this.#lengths = new Int32Array(width);
    this.#values = Array.from({ length: width }, () => notDecoded);
    this.#codecs = relation.columns.map((column) => typeCodec(column.type));
  }

  /** Looks at row `row` of a block. Where `older` is given (the full image before the change) its values fill the unchanged fields. */
  load(block: RowBlock, row: number, formats: Uint8Array, older?: Image): void {
    this.#bytes = block.bytes;
    this.#formats = formats;
    this.#older = older;
    this.#values.fill(notDecoded);
    locateFields(block.bytes, block.offsets[row] as number, block.offsets[row + 1] as number, this.#starts, this.#lengths);
  }

  isUnchanged(field: number): boolean {
    return this.#lengths[field] === UNCHANGED_FIELD && (this.#older?.isUnchanged(field) ?? true);
  }

  isNull(field: number): boolean {
    return this.#lengths[field] === NULL_FIELD || (this.#lengths[field] === UNCHANGED_FIELD && (this.#older?.isNull(field) ?? false));
  }

  /** The value in JavaScript (see codec), null, or Unchanged. Asked twice, it is the same object. */
  value(field: number): unknown {
    const known = this.#values[field];
    if (known !== notDecoded) return known;
    return (this.#values[field] = this.#decode(field));
  }

  #decode(field: number): unknown {
    const length = this.#lengths[field] as number;
    if (length === NULL_FIELD) return null;
    if (length === UNCHANGED_FIELD) return this.#older ? this.#older.value(field) : Unchanged;
    const start = this.#starts[field] as number;
    const codec = this.#codecs[field] as TypeCodec;
    if (this.#formats[field] === Format.text) return codec.decodeText(this.#bytes.toString('utf8', start, start + length));
    return codec.decode(this.#bytes, start, start + length);
  }

  /** PostgreSQL's text of a value that is neither NULL nor unchanged. */
  text(field: number): string {
    const length = this.#lengths[field] as number;
    if (length === UNCHANGED_FIELD && this.#older) return this.#older.text(field);
    const start = this.#starts[field] as number;
    if (this.#formats[field] === Format.text) return this.#bytes.toString('utf8', start, start + length);
    return (this.#codecs[field] as TypeCodec).toText(this.#bytes, start, start + length);
  }

  /** Appends the field as it is, with its length word. Answers whether it is unchanged. */
  copy(field: number, out: ByteWriter): boolean {
    const length = this.#lengths[field] as number;
    if (length === UNCHANGED_FIELD && this.#older) return this.#older.copy(field, out);
    out.i32(length);
    const start = this.#starts[field] as number;
    if (length > 0) out.bytes(this.#bytes, start, start + length);
    return length === UNCHANGED_FIELD;
  }

  /** Appends the field in the wanted form, with its length word. Answers whether it is unchanged. */
  copyAs(field: number, format: number, out: ByteWriter): boolean {
    if (this.#formats[field] === format || this.isNull(field) || this.isUnchanged(field)) return this.copy(field, out);
    const at = out.length;
    out.i32(0);
    if (format === Format.text) out.text(this.text(field));
    else (this.#codecs[field] as TypeCodec).encodeText(this.text(field), out);
    out.patchI32(at, out.length - at - 4);
    return false;
  }
}
