// bool, the integers, oid and its like, the floats, money, pg_lsn.
import type { ByteWriter } from '../../base/index.ts';
import { fixed, type ValueForm, textual, wanted } from './value-form.ts';

export const bool: ValueForm = {
  jsType: 'boolean',
  read: (bytes, start, end) => {
    fixed(start, end, 1);
    return bytes[start] !== 0;
  },
  parse: boolOf,
  write: (value, out) => void out.u8(wanted(value, 'boolean', 'a boolean') ? 1 : 0),
  writeText: (text, out) => void out.u8(boolOf(text) ? 1 : 0),
  text: (bytes, start, end) => {
    fixed(start, end, 1);
    return bytes[start] === 0 ? 'f' : 't';
  },
};

function boolOf(text: string): boolean {
  switch (text.trim().toLowerCase()) {
    case 't': case 'true': case 'y': case 'yes': case 'on': case '1':
      return true;
    case 'f': case 'false': case 'n': case 'no': case 'off': case '0':
      return false;
    default:
      throw new RangeError('not a boolean');
  }
}

/** A whole number in [min, max] from its digits; RangeError for anything else. */
function wholeOf(text: string, min: number, max: number): number {
  const trimmed = text.trim();
  let at = trimmed.startsWith('-') || trimmed.startsWith('+') ? 1 : 0;
  if (at === trimmed.length) throw new RangeError('not a whole number');
  let value = 0;
  for (; at < trimmed.length; at++) {
    const digit = trimmed.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) throw new RangeError('not a whole number');
    value = value * 10 + digit;
  }
  return within(trimmed.startsWith('-') ? -value : value, min, max);
}

function within(value: number, min: number, max: number): number {
  if (!Number.isInteger(value)) throw new RangeError('not a whole number');
  if (value < min || value > max) throw new RangeError(`out of range: ${min} to ${max}`);
  return value === 0 ? 0 : value;
}

/** A number or bigint as a whole number in [min, max]. */
function whole(value: unknown, min: number, max: number): number {
  return within(typeof value === 'bigint' ? Number(value) : wanted(value, 'number', 'a number'), min, max);
}

type Get = (bytes: Buffer, at: number) => number;
type Put = (out: ByteWriter, value: number) => void;

function integer(size: number, min: number, max: number, get: Get, put: Put): ValueForm {
  const read = (bytes: Buffer, start: number, end: number): number => {
    fixed(start, end, size);
    return get(bytes, start);
  };
  return {
    jsType: 'number',
    read,
    parse: (text) => wholeOf(text, min, max),
    write: (value, out) => put(out, whole(value, min, max)),
    writeText: (text, out) => put(out, wholeOf(text, min, max)),
    text: (bytes, start, end) => String(read(bytes, start, end)),
  };
}

export const int2 = integer(2, -32_768, 32_767, (bytes, at) => bytes.readInt16BE(at), (out, value) => out.i16(value));
export const int4 = integer(4, -2_147_483_648, 2_147_483_647, (bytes, at) => bytes.readInt32BE(at), (out, value) => out.i32(value));
/** oid, xid, cid. */
export const oid = integer(4, 0, 4_294_967_295, (bytes, at) => bytes.readUInt32BE(at), (out, value) => out.u32(value));

function bigOf(text: string, signed: boolean): bigint {
  const trimmed = text.trim();
  const digits = trimmed.startsWith('-') || trimmed.startsWith('+') ? 1 : 0;
  if (digits === trimmed.length) throw new RangeError('not a whole number');
  for (let at = digits; at < trimmed.length; at++) {
    const code = trimmed.charCodeAt(at);
    if (code < 48 || code > 57) throw new RangeError('not a whole number');
  }
  return bigWithin(trimmed.startsWith('-') ? -BigInt(trimmed.slice(1)) : BigInt(trimmed.slice(digits)), signed);
}

function bigWithin(value: bigint, signed: boolean): bigint {
  if ((signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value) throw new RangeError('out of range of 64 bits');
  return value;
}

const readInt8 = (bytes: Buffer, start: number, end: number): bigint => {
  fixed(start, end, 8);
  return bytes.readBigInt64BE(start);
};

export const int8: ValueForm = {
  jsType: 'bigint',
  read: readInt8,
  parse: (text) => bigOf(text, true),
  write: (value, out) => {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw new RangeError('not a whole number that a double holds exactly');
      out.i64(BigInt(value));
    } else {
      out.i64(bigWithin(wanted(value, 'bigint', 'a bigint or number'), true));
    }
  },
  writeText: (text, out) => void out.i64(bigOf(text, true)),
  text: (bytes, start, end) => readInt8(bytes, start, end).toString(),
};

/** xid8: a 64-bit counter without sign, as text. */
export const xid8: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 8);
    return bytes.readBigUInt64BE(start).toString();
  },
  (text, out) => void out.u64(bigOf(text, false)),
);

export const pgLsn: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 8);
    return `${bytes.readUInt32BE(start).toString(16).toUpperCase()}/${bytes.readUInt32BE(start + 4).toString(16).toUpperCase()}`;
  },
  (text, out) => {
    const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text.trim());
    if (!match) throw new RangeError('not an LSN');
    out.u32(parseInt(match[1] as string, 16)).u32(parseInt(match[2] as string, 16));
  },
);

/** money as text of the C locale ($1,234.50): the binary form does not tell the server's lc_monetary. */
export const money: ValueForm = textual(
  (bytes, start, end) => {
    const cents = readInt8(bytes, start, end);
    const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
    return `${cents < 0n ? '-' : ''}$${digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',')}.${digits.slice(-2)}`;
  },
  (text, out) => {
    const match = /^(-?)\$?(-?)([\d,]+)(?:\.(\d{1,2}))?$/.exec(text.trim());
    if (!match) throw new RangeError('not an amount of money in the C locale');
    const cents = BigInt((match[3] as string).replaceAll(',', '') + (match[4] ?? '').padEnd(2, '0'));
    out.i64(bigWithin(match[1] || match[2] ? -cents : cents, true));
  },
);
