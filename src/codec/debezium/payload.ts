// A document of Kafka Connect: a payload, with or without its schema. A schema in front of JSON is parsed once: the bytes up to the payload are
// the same in every record of a shape, and are compared, not read. Avro becomes the JSON that it would be.
import { ByteWriter } from '../../base/index.ts';
import type { AvroSchemas } from './avro.ts';
import { checkedSchema, type Prefix } from './connect-schema.ts';
import { Scan, skipSpace, Token, valueAt } from './json-scan.ts';

const noBytes = Buffer.alloc(0);
const start = Buffer.from('{"schema":');
const between = Buffer.from(',"payload":');
function beginsWithSchema(bytes: Buffer): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[i] !== start[i]) return false;
  return true;
}

/** Shapes of one topic that are there in turn, before and after a schema change. */
const PREFIXES_MAX = 64;

export class Payload {
  bytes: Buffer = noBytes;
  /** The payload is `bytes[start..end)`. */
  start = 0;
  end = 0;
  prefix: Prefix | undefined;
  readonly #scan = new Scan();
  readonly #json = new ByteWriter(1024);

  /** `prefixes`: those of this topic, to which a new one is added. Throws RangeError for what is not JSON. */
  open(bytes: Buffer, prefixes: Prefix[]): this {
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
    this.prefix = undefined;
    if (beginsWithSchema(bytes)) this.#openWithSchema(bytes, prefixes);
    else this.start = skipSpace(bytes, 0, bytes.length);
    return this;
  }

  /** Throws RangeError for what does not follow its schema, or whose schema is not known. */
  openAvro(bytes: Buffer, schemas: AvroSchemas): this {
    this.#json.truncate();
    schemas.transcribe(bytes, this.#json);
    this.bytes = this.#json.view();
    this.start = 0;
    this.end = this.bytes.length;
    this.prefix = schemas.prefixOf(bytes);
    return this;
  }

  /** There is none. */
  close(): void {
    this.bytes = noBytes;
    this.start = this.end = 0;
    this.prefix = undefined;
  }

  #openWithSchema(bytes: Buffer, prefixes: Prefix[]): void {
    for (let i = 0; i < prefixes.length; i++) {
      const known = prefixes[i] as Prefix;
      const { length } = known.bytes;
      if (bytes.length <= length || bytes.compare(known.bytes, 0, length, 0, length) !== 0) continue;
      if (i > 0) {
        prefixes.splice(i, 1);
        prefixes.unshift(known);
      }
      this.#at(length, bytes.length - 1, known);
      return;
    }
    const scan = this.#scan.open(bytes, 0, bytes.length);
    scan.next();
    const [from, to] = [scan.valueStart, scan.valueEnd];
    // A document of a table with a column "schema" begins in the same way.
    if (bytes.length < to + between.length || bytes.compare(between, 0, between.length, to, to + between.length) !== 0) return;
    scan.next();
    const payload = scan.valueStart;
    if (bytes[from] === Token.null) {
      this.#at(payload, scan.valueEnd, undefined);
      return;
    }
    const known = { bytes: Buffer.from(bytes.subarray(0, payload)), schema: checkedSchema(valueAt(bytes, from, to)) };
    prefixes.unshift(known);
    if (prefixes.length > PREFIXES_MAX) prefixes.pop();
    this.#at(payload, scan.valueEnd, known);
  }

  #at(from: number, to: number, prefix: Prefix | undefined): void {
    this.start = from;
    this.end = to;
    this.prefix = prefix;
  }

  get isObject(): boolean {
    return this.bytes[this.start] === Token.object;
  }

  get isNull(): boolean {
    return this.bytes[this.start] === Token.null;
  }

  /** As UTF-8, for comparing keys. */
  text(): string {
    return this.bytes.toString('utf8', this.start, this.end).trim();
  }
}
