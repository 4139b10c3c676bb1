// A field in PostgreSQL's binary form, so that the sink copies it as it is. The commonest values are made without a text in between; all others are
// read as text and turned into the binary form by the type's codec.
import { ByteWriter, MillraceError } from '../../base/index.ts';
import type { PgType } from '../../data/index.ts';
import { typeCodec } from '../pg-types/codec.ts';
import type { CellReader } from './cell.ts';
import type { ConnectSchema } from './connect-schema.ts';
import { Token } from './json-scan.ts';
import { put32, readBase64Integer, readInteger, readIsoTimestamp, writeNumeric } from './quick.ts';
import { refuse } from './value-text.ts';

/** Whether fields of this type are binary here. The text of money depends on the server that prints it. */
export const isBinaryHere = (type: PgType): boolean => type.oid !== 0 && type.name !== 'money' && type.name !== '_money' && typeCodec(type).binary;

/** Types whose binary form is their text. */
const textual = new Set(['text', 'varchar', 'bpchar', 'name', 'json', 'xml', 'unknown']);

/** Appends the value if it is an ordinary one; false, with nothing appended, if not. */
type Quick = (bytes: Buffer, start: number, end: number, out: ByteWriter) => boolean;

export function binaryCell(type: PgType, schema: ConnectSchema | undefined, text: CellReader): CellReader {
  if (textual.has(type.name)) return text;
  if (type.name === 'jsonb') return jsonb(text);
  const quick = quickFor(type, schema);
  const codec = typeCodec(type);
  const scratch = new ByteWriter(256);
  return (bytes, start, end, out) => {
    if (quick?.(bytes, start, end, out) === true) return undefined;
    scratch.truncate();
    const verdict = text(bytes, start, end, scratch);
    if (verdict !== undefined) return verdict;
    try {
      codec.encodeText(scratch.view().toString(), out);
      return undefined;
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'VALUE_INVALID') return refuse('malformed');
      throw error;
    }
  };
}

/** The version 1 in front of the text. */
const jsonb = (text: CellReader): CellReader => (bytes, start, end, out) => {
  out.u8(1);
  return text(bytes, start, end, out);
};

const EPOCH_2000_US = 946_684_800_000_000;
const EPOCH_2000_DAYS = 10_957;
const DAY_US = 86_400_000_000;
const TWO_32 = 4_294_967_296;

/** A safe integer as 64 bits. */
function writeI64(out: ByteWriter, value: number): boolean {
  if (!Number.isSafeInteger(value)) return false;
  const high = Math.floor(value / TWO_32);
  out.reserve(8);
  put32(out.buffer, out.length, high | 0);
  put32(out.buffer, out.length + 4, (value - high * TWO_32) | 0);
  out.advance(8);
  return true;
}

function writeI32(out: ByteWriter, value: number): true {
  out.reserve(4);
  put32(out.buffer, out.length, value);
  out.advance(4);
  return true;
}

const integer = (size: 2 | 4 | 8): Quick => {
  const limit = size === 2 ? 32_768 : 2_147_483_648;
  return (bytes, start, end, out) => {
    const value = readInteger(bytes, start, end);
    if (size === 8) return writeI64(out, value);
    if (!(value >= -limit && value < limit)) return false;
    if (size === 4) return writeI32(out, value);
    out.i16(value);
    return true;
  };
};

const boolean: Quick = (bytes, start, _end, out) => {
  const isTrue = bytes[start] === Token.true;
  if (!isTrue && bytes[start] !== Token.false) return false;
  out.u8(isTrue ? 1 : 0);
  return true;
};

const float = (size: 4 | 8): Quick => (bytes, start, end, out) => {
  if (bytes[start] === Token.string) return false;
  const value = Number(bytes.toString('latin1', start, end));
  if (size === 4) out.f32(value);
  else out.f64(value);
  return true;
};

const hexDigits = new Int8Array(256).fill(-1);
for (const [value, char] of [...'0123456789abcdef'].entries()) hexDigits[char.charCodeAt(0)] = value;

/** `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"` as PostgreSQL and Java print it. */
const uuid: Quick = (bytes, start, end, out) => {
  if (end - start !== 38) return false;
  out.reserve(16);
  const { buffer, length } = out;
  let at = start + 1;
  for (let i = 0; i < 16; i++) {
    if ((i === 4 || i === 6 || i === 8 || i === 10) && bytes[at++] !== 0x2d) return false;
    const [high, low] = [hexDigits[bytes[at] as number] as number, hexDigits[bytes[at + 1] as number] as number];
    if (high < 0 || low < 0) return false;
    buffer[length + i] = high * 16 + low;
    at += 2;
  }
  out.advance(16);
  return true;
};

/** Microseconds of a count in the schema's unit; undefined for what is no count. */
function unitOf(schema: ConnectSchema): number | undefined {
  const unit = /^(?:io\.debezium\.time\.(Micro)?|org\.apache\.kafka\.connect\.data\.)(?:Timestamp|Time)$/.exec(schema.name ?? '');
  return unit ? (unit[1] === undefined ? 1000 : 1) : undefined;
}

function quickFor(type: PgType, schema: ConnectSchema | undefined): Quick | undefined {
  if (schema === undefined) return undefined;
  const isWhole = /^int/.test(schema.type) && schema.name === undefined;
  if (isWhole && type.name === 'int2') return integer(2);
  if (isWhole && type.name === 'int4') return integer(4);
  if (isWhole && type.name === 'int8') return integer(8);
  if (schema.type === 'boolean' && type.name === 'bool') return boolean;
  if (schema.type === 'double' && type.name === 'float8') return float(8);
  if (schema.type === 'float' && type.name === 'float4') return float(4);
  if (type.name === 'uuid' && schema.type === 'string') return uuid;
  if (type.name === 'numeric' && schema.name === 'org.apache.kafka.connect.data.Decimal') {
    const scale = Number(schema.parameters?.['scale'] ?? 0);
    return (bytes, start, end, out) => bytes[start] === Token.string && writeNumeric(out, readBase64Integer(bytes, start, end), scale);
  }
  if (type.name === 'date' && /^int/.test(schema.type)) {
    return (bytes, start, end, out) => {
      const days = readInteger(bytes, start, end);
      // Far days are looked at more closely: some of them are infinite.
      if (!(Math.abs(days) < 1_000_000)) return false;
      return writeI32(out, days - EPOCH_2000_DAYS);
    };
  }
  const unit = unitOf(schema);
  if (type.name === 'timestamp' && unit !== undefined) return (bytes, start, end, out) => writeMoment(out, readInteger(bytes, start, end) * unit);
  if (type.name === 'time' && unit !== undefined) {
    return (bytes, start, end, out) => {
      const us = readInteger(bytes, start, end) * unit;
      return us >= 0 && us <= DAY_US && writeI64(out, us);
    };
  }
  if ((type.name === 'timestamptz' && schema.name === 'io.debezium.time.ZonedTimestamp') || (type.name === 'timestamp' && schema.name === 'io.debezium.time.IsoTimestamp')) {
    return (bytes, start, end, out) => writeMoment(out, readIsoTimestamp(bytes, start, end));
  }
  return undefined;
}

/** @param us Since 1970; what is no safe integer is left to the slow way, and so is every moment out of PostgreSQL's range. */
const writeMoment = (out: ByteWriter, us: number): boolean => Number.isSafeInteger(us) && us > -200_000_000_000_000_000 && writeI64(out, us - EPOCH_2000_US);
