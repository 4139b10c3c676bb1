// The types whose binary form is text, bytes, or text behind a version byte: text and its like, bytea, json, jsonb, jsonpath, "char".
import { isUtf8 } from 'node:buffer';
import { type ByteWriter } from '../../base/index.ts';
import { fixed, type ValueForm, textual } from './value-form.ts';
import { parseJson, jsonText } from './json-value.ts';

/** UTF-8 bytes as a string; bytes that are none are refused, since a string could not give them back. */
function utf8(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) throw new RangeError('not UTF-8');
  return text;
}

/** Up to here a loop beats a call into the runtime. */
const SHORT = 32;

/** False, and nothing written, when a character is none of 1 to 127. */
function writeAscii(text: string, out: ByteWriter): boolean {
  out.reserve(SHORT);
  const { buffer, length } = out;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0 || code > 127) return false;
    buffer[length + at] = code;
  }
  out.advance(text.length);
  return true;
}

/** A string as UTF-8. PostgreSQL stores no zero character, and half a surrogate pair has no bytes. */
export function writeUtf8(text: string, out: ByteWriter): void {
  if (text.length <= SHORT && writeAscii(text, out)) return;
  if (!text.isWellFormed()) throw new RangeError('it has half of a surrogate pair');
  if (text.includes('\0')) throw new RangeError('PostgreSQL stores no zero character');
  out.text(text);
}

export const text: ValueForm = textual(utf8, writeUtf8);

/** ltree, jsonpath and others: a version byte 1, then text. */
export const versionedText: ValueForm = textual(
  (bytes, start, end) => {
    version(bytes, start, end);
    return utf8(bytes, start + 1, end);
  },
  (value, out) => writeUtf8(value, out.u8(1)),
);

function version(bytes: Buffer, start: number, end: number): void {
  if (end <= start || bytes[start] !== 1) throw new RangeError('unknown version of the binary form');
}

/** "char": one byte. Bytes above 127 are written \ooo, and zero as nothing. */
export const char: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 1);
    const byte = bytes[start] as number;
    return byte === 0 ? '' : byte < 128 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`;
  },
  (value, out) => {
    const octal = /^\\([0-3][0-7]{2})$/.exec(value);
    if (octal) out.u8(parseInt(octal[1] as string, 8));
    else if (value.length <= 1 && (value === '' || value.charCodeAt(0) < 128)) out.u8(value === '' ? 0 : value.charCodeAt(0));
    else throw new RangeError('one ASCII character is wanted');
  },
);

export const bytea: ValueForm = {
  jsType: 'Buffer',
  // A copy: what user code keeps must not hold the whole batch in memory.
  read: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
  parse: byteaOf,
  write: (value, out) => {
    if (!(value instanceof Uint8Array)) throw new RangeError('a Buffer or Uint8Array is wanted');
    out.bytes(value);
  },
  writeText: (value, out) => void out.bytes(byteaOf(value)),
  text: (bytes, start, end) => `\\x${bytes.toString('hex', start, end)}`,
};

/** The hex and the escape form. */
function byteaOf(value: string): Buffer {
  if (value.startsWith('\\x')) {
    const digits = value.slice(2);
    const bytes = Buffer.from(digits, 'hex');
    if (bytes.length * 2 !== digits.length) throw new RangeError('not hexadecimal');
    return bytes;
  }
  if (!value.isWellFormed()) throw new RangeError('it has half of a surrogate pair');
  const source = Buffer.from(value);
  const out = Buffer.alloc(source.length);
  let length = 0;
  for (let at = 0; at < source.length; at++) {
    let byte = source[at] as number;
    if (byte === 0x5c) {
      const octal = /^[0-3][0-7]{2}/.exec(source.toString('latin1', at + 1, at + 4));
      if (octal) byte = parseInt(octal[0], 8);
      else if (source[at + 1] !== 0x5c) throw new RangeError('not the escape form');
      at += octal ? 3 : 1;
    }
    out[length++] = byte;
  }
  return out.subarray(0, length);
}

/** json (no version byte) and jsonb. A string is a JSON string here, never JSON text: `writeText` takes that. */
export function json(binary: boolean): ValueForm {
  const from = (bytes: Buffer, start: number, end: number): number => {
    if (!binary) return start;
    version(bytes, start, end);
    return start + 1;
  };
  return {
    jsType: 'Json',
    ownsStrings: true,
    read: (bytes, start, end) => parseJson(utf8(bytes, from(bytes, start, end), end)),
    parse: parseJson,
    write: (value, out) => writeUtf8(jsonText(value), binary ? out.u8(1) : out),
    writeText: (value, out) => {
      JSON.parse(value);
      writeUtf8(value, binary ? out.u8(1) : out);
    },
    text: (bytes, start, end) => utf8(bytes, from(bytes, start, end), end),
  };
}
