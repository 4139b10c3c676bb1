// Avro's binary form → the JSON that the same record would be, from bytes to bytes, and its Connect schema: so that everything behind it is one.
// A schema is compiled once into functions that read a value and append its JSON.
import { ByteWriter, MillraceError } from '../../base/index.ts';
import type { ConnectSchema, ConnectType, Prefix } from './connect-schema.ts';

/** An Avro schema as its JSON has it: a name, a union, or an object. */
export type AvroSchema = string | readonly AvroSchema[] | AvroObject;

interface AvroObject {
  readonly type: AvroSchema;
  readonly name?: string;
  readonly namespace?: string;
  readonly fields?: readonly { readonly name: string; readonly type: AvroSchema; readonly default?: unknown }[];
  readonly items?: AvroSchema;
  readonly values?: AvroSchema;
  readonly symbols?: readonly string[];
  readonly size?: number;
  readonly logicalType?: string;
  readonly scale?: number;
  readonly precision?: number;
  readonly 'connect.name'?: string;
  readonly 'connect.type'?: string;
  readonly 'connect.parameters'?: Readonly<Record<string, string>>;
  readonly 'connect.default'?: unknown;
}

/** Where a value is read. Reading past the end throws RangeError. */
class Cursor {
  bytes: Buffer = Buffer.alloc(0);
  at = 0;

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new RangeError(`Avro value is cut off at byte ${this.at}`);
    this.at += 1;
    return byte;
  }

  /** A zigzag number below 2^53. */
  small(): number {
    const value = this.long();
    return typeof value === 'number' ? value : Number(value);
  }

  /** Seven bits a byte, the lowest first. */
  long(): number | bigint {
    const start = this.at;
    let value = 0;
    let unit = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      unit *= 128;
    }
    this.at = start;
    let big = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, (big >> 1n) ^ -(big & 1n));
    }
    throw new RangeError(`no Avro number at byte ${start}`);
  }

  /** Moves over that many bytes; returns where they begin. */
  skip(length: number): number {
    const start = this.at;
    if (!(length >= 0) || start + length > this.bytes.length) throw new RangeError(`Avro value is cut off at byte ${start}`);
    this.at = start + length;
    return start;
  }
}

type Transcribe = (from: Cursor, out: ByteWriter) => void;

interface Compiled {
  readonly write: Transcribe;
  readonly schema: ConnectSchema;
}

const HEX = '0123456789abcdef';
const nullText = Buffer.from('null');
const trueText = Buffer.from('true');
const falseText = Buffer.from('false');

/** UTF-8 text as a JSON string. */
function writeText(bytes: Buffer, start: number, end: number, out: ByteWriter): void {
  out.reserve((end - start) * 6 + 2);
  const target = out.buffer;
  let to = out.length;
  target[to++] = 0x22;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) target[to++] = byte;
    else if (byte >= 0x20) {
      target[to++] = 0x5c;
      target[to++] = byte;
    } else to += target.write(`\\u00${HEX[byte >> 4]}${HEX[byte & 15]}`, to, 'latin1');
  }
  target[to++] = 0x22;
  out.advance(to - out.length);
}

const transcribeString: Transcribe = (from, out) => {
  const length = from.small();
  const start = from.skip(length);
  writeText(from.bytes, start, start + length, out);
};

const transcribeBytes: Transcribe = (from, out) => writeBase64(from, from.small(), out);

function writeBase64(from: Cursor, length: number, out: ByteWriter): void {
  const start = from.skip(length);
  out.text(`"${from.bytes.toString('base64', start, start + length)}"`);
}

const transcribeLong: Transcribe = (from, out) => void out.text(String(from.long()));

/** Infinite ones as JsonConverter writes them. */
const writeFloat = (value: number, out: ByteWriter): void =>
  void out.text(Number.isFinite(value) ? (Object.is(value, -0) ? '-0.0' : String(value)) : `"${value}"`);

const primitives: Readonly<Record<string, Compiled>> = {
  null: { write: (_from, out) => void out.bytes(nullText), schema: { type: 'string', optional: true } },
  boolean: { write: (from, out) => void out.bytes(from.byte() === 1 ? trueText : falseText), schema: { type: 'boolean' } },
  int: { write: transcribeLong, schema: { type: 'int32' } },
  long: { write: transcribeLong, schema: { type: 'int64' } },
  float: { write: (from, out) => writeFloat(from.bytes.readFloatLE(from.skip(4)), out), schema: { type: 'float' } },
  double: { write: (from, out) => writeFloat(from.bytes.readDoubleLE(from.skip(8)), out), schema: { type: 'double' } },
  bytes: { write: transcribeBytes, schema: { type: 'bytes' } },
  string: { write: transcribeString, schema: { type: 'string' } },
};

const invalid = (schema: unknown): MillraceError =>
  new MillraceError('PROTOCOL_VIOLATION', 'a schema of the registry is no Avro schema that Kafka Connect makes', { detail: JSON.stringify(schema)?.slice(0, 200) ?? String(schema), hint: 'look at the subject in the registry' });

class Compiler {
  readonly #named = new Map<string, Compiled>();

  compile(schema: AvroSchema, namespace: string): Compiled {
    if (typeof schema === 'string') {
      const known = primitives[schema] ?? this.#named.get(schema) ?? this.#named.get(`${namespace}.${schema}`);
      if (!known) throw invalid(schema);
      return known;
    }
    if (Array.isArray(schema)) return this.#union(schema as readonly AvroSchema[], namespace);
    const object = schema as AvroObject;
    const { type } = object;
    if (type === 'record') return this.#record(object, namespace);
    if (type === 'array' && object.items !== undefined) return this.#array(object, this.compile(object.items, namespace));
    if (type === 'map' && object.values !== undefined) return this.#map(object, this.compile(object.values, namespace));
    if (type === 'enum' && object.symbols) return this.#name(object, namespace, enumOf(object));
    if (type === 'fixed') return this.#name(object, namespace, { write: (from, out) => writeBase64(from, object.size ?? 0, out), schema: { type: 'bytes' } });
    const inner = this.compile(type, namespace);
    return { write: inner.write, schema: { ...inner.schema, ...meaningOf(object, inner.schema.type) } };
  }

  #name(object: AvroObject, namespace: string, compiled: Compiled): Compiled {
    const named = { write: compiled.write, schema: { ...compiled.schema, ...meaningOf(object, compiled.schema.type) } };
    const name = object.name ?? '';
    this.#named.set(name, named);
    this.#named.set(`${object.namespace ?? namespace}.${name}`, named);
    return named;
  }

  #record(object: AvroObject, outer: string): Compiled {
    const namespace = object.namespace ?? outer;
    const fields: { readonly before: Buffer; readonly compiled: Compiled }[] = [];
    const schemas: ConnectSchema[] = [];
    const compiled: Compiled = {
      write: (from, out) => {
        for (const { before, compiled: field } of fields) {
          out.bytes(before);
          field.write(from, out);
        }
        if (fields.length === 0) out.u8(0x7b);
        out.u8(0x7d);
      },
      schema: { type: 'struct', fields: schemas },
    };
    const named = this.#name(object, namespace, compiled);
    for (const field of object.fields ?? []) {
      const inner = this.compile(field.type, namespace);
      fields.push({ before: Buffer.from(`${fields.length === 0 ? '{' : ','}${JSON.stringify(field.name)}:`), compiled: inner });
      schemas.push({ ...inner.schema, field: field.name, ...(field.default === undefined || field.default === null ? {} : { default: field.default }) });
    }
    return named;
  }

  #union(branches: readonly AvroSchema[], namespace: string): Compiled {
    const compiled = branches.map((branch) => this.compile(branch, namespace));
    const value = compiled.find((_, i) => branches[i] !== 'null');
    if (!value) throw invalid(branches);
    return {
      write: (from, out) => {
        const branch = compiled[from.small()];
        if (!branch) throw new RangeError(`no such branch of an Avro union before byte ${from.at}`);
        branch.write(from, out);
      },
      schema: { ...value.schema, ...(branches.includes('null') ? { optional: true } : {}) },
    };
  }

  #array(object: AvroObject, items: Compiled): Compiled {
    return { write: blocks(0x5b, 0x5d, items.write), schema: { type: 'array', items: items.schema, ...meaningOf(object, 'array') } };
  }

  #map(object: AvroObject, values: Compiled): Compiled {
    const entry: Transcribe = (from, out) => {
      transcribeString(from, out);
      out.u8(0x3a);
      values.write(from, out);
    };
    return { write: blocks(0x7b, 0x7d, entry), schema: { type: 'map', ...meaningOf(object, 'map') } };
  }
}

/** Arrays and maps: blocks of a count and as many items, until a count of 0. A negative count has the block's size behind it. */
const blocks = (open: number, close: number, item: Transcribe): Transcribe => (from, out) => {
  out.u8(open);
  let isFirst = true;
  for (let count = from.small(); count !== 0; count = from.small()) {
    if (count < 0) from.long();
    for (let left = Math.abs(count); left > 0; left--) {
      if (!isFirst) out.u8(0x2c);
      isFirst = false;
      item(from, out);
    }
  }
  out.u8(close);
};

function enumOf(object: AvroObject): Compiled {
  const spelled = (object.symbols ?? []).map((symbol) => Buffer.from(JSON.stringify(symbol)));
  const write: Transcribe = (from, out) => {
    const symbol = spelled[from.small()];
    if (!symbol) throw new RangeError(`no such symbol of an Avro enum before byte ${from.at}`);
    out.bytes(symbol);
  };
  return { write, schema: { type: 'string' } };
}

/** What Connect has written beside the type. */
function meaningOf(object: AvroObject, type: ConnectType): Partial<ConnectSchema> {
  const parameters = object['connect.parameters'];
  const connectType = object['connect.type'];
  const name = object['connect.name'] ?? (object.logicalType === 'decimal' ? 'org.apache.kafka.connect.data.Decimal' : undefined);
  const scale = object.scale === undefined ? {} : { scale: String(object.scale) };
  const isDecimal = name === 'org.apache.kafka.connect.data.Decimal';
  return {
    ...(connectType === 'int8' || connectType === 'int16' ? { type: connectType } : { type }),
    ...(name === undefined ? {} : { name }),
    ...(parameters || isDecimal ? { parameters: { ...(isDecimal ? scale : {}), ...parameters } } : {}),
    ...(object['connect.default'] === undefined ? {} : { default: object['connect.default'] }),
  };
}

/** Schemas of a registry by their ids, compiled. */
export class AvroSchemas {
  readonly #byId = new Map<number, { readonly write: Transcribe; readonly prefix: Prefix }>();
  readonly #cursor = new Cursor();

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  /** Throws PROTOCOL_VIOLATION for what is no schema. */
  add(id: number, schema: AvroSchema): void {
    const { write, schema: connect } = new Compiler().compile(schema, '');
    this.#byId.set(id, { write, prefix: { bytes: Buffer.alloc(0), schema: connect } });
  }

  /** The schema of a framed document; undefined if it was not added. */
  prefixOf(bytes: Buffer): Prefix | undefined {
    return this.#byId.get(schemaIdOf(bytes) ?? -1)?.prefix;
  }

  /** Appends the framed document as JSON. Throws RangeError when it does not follow its schema, or that is not known. */
  transcribe(bytes: Buffer, out: ByteWriter): void {
    const id = schemaIdOf(bytes) ?? -1;
    const known = this.#byId.get(id);
    if (!known) throw new RangeError(`the schema ${id} is not known`);
    this.#cursor.bytes = bytes;
    this.#cursor.at = 5;
    known.write(this.#cursor, out);
    if (this.#cursor.at !== bytes.length) throw new RangeError(`${bytes.length - this.#cursor.at} bytes follow the Avro value`);
  }
}

/** The id of a document as serializers for Confluent's registry frame it: a zero byte, four bytes of id. Undefined: it is not framed. */
export const schemaIdOf = (bytes: Buffer | null): number | undefined => (bytes !== null && bytes.length >= 5 && bytes[0] === 0 ? bytes.readUInt32BE(1) : undefined);
