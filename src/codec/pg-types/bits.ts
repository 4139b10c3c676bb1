// bit, varbit, uuid, tid, pg_snapshot.
import { ByteReader } from '../../base/index.ts';
import { fixed, type ValueForm, textual } from './value-form.ts';

/** bit and varbit: int32 count of bits, then the bytes. Text: 0 and 1. */
export const bits: ValueForm = textual(
  (bytes, start, end) => {
    const count = bytes.readInt32BE(start);
    if (count < 0 || end - start !== 4 + Math.ceil(count / 8)) throw new RangeError('bits and bytes do not fit');
    let out = '';
    for (let at = start + 4; at < end; at++) out += (bytes[at] as number).toString(2).padStart(8, '0');
    return out.slice(0, count);
  },
  (text, out) => {
    if (!/^[01]*$/.test(text)) throw new RangeError('0 and 1 are wanted');
    out.i32(text.length);
    for (let at = 0; at < text.length; at += 8) out.u8(parseInt(text.slice(at, at + 8).padEnd(8, '0'), 2));
  },
);

export const uuid: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 16);
    const hex = bytes.toString('hex', start, end);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
  (text, out) => {
    const braced = text.startsWith('{') && text.endsWith('}');
    let nibbles = 0;
    let byte = 0;
    for (let at = braced ? 1 : 0; at < text.length - (braced ? 1 : 0); at++) {
      const code = text.charCodeAt(at);
      // PostgreSQL takes a hyphen after any four digits.
      if (code === 45 && nibbles > 0 && nibbles % 4 === 0) continue;
      const digit = code <= 57 ? code - 48 : (code | 32) - 87;
      if (digit < 0 || digit > 15 || (code > 57 && digit < 10) || ++nibbles > 32) throw new RangeError('not a uuid');
      byte = (byte << 4) | digit;
      if (nibbles % 2 === 0) {
        out.u8(byte);
        byte = 0;
      }
    }
    if (nibbles !== 32) throw new RangeError('not a uuid');
  },
);

/** tid: `(block,offset)`. */
export const tid: ValueForm = textual(
  (bytes, start, end) => {
    fixed(start, end, 6);
    return `(${bytes.readUInt32BE(start)},${bytes.readUInt16BE(start + 4)})`;
  },
  (text, out) => {
    const match = /^\((\d{1,10}),(\d{1,5})\)$/.exec(text.trim());
    if (!match || Number(match[1]) > 0xffffffff || Number(match[2]) > 0xffff) throw new RangeError('not a tid');
    out.u32(Number(match[1])).i16((Number(match[2]) << 16) >> 16);
  },
);

/** pg_snapshot: int32 count, xmin, xmax and the count of xids in progress. Text: `xmin:xmax:xid,xid`. */
export const snapshot: ValueForm = textual(
  (bytes, start, end) => {
    const reader = new ByteReader(bytes, start);
    const count = reader.i32();
    if (count < 0) throw new RangeError('negative count');
    fixed(start, end, 20 + count * 8);
    const low = reader.i64();
    const high = reader.i64();
    return `${low}:${high}:${Array.from({ length: count }, () => reader.i64()).join(',')}`;
  },
  (text, out) => {
    const match = /^(\d{1,19}):(\d{1,19}):((?:\d{1,19},)*\d{1,19})?$/.exec(text.trim());
    if (!match) throw new RangeError('not a snapshot');
    const open = match[3]?.split(',') ?? [];
    out.i32(open.length);
    for (const xid of [match[1] as string, match[2] as string, ...open]) out.i64(BigInt(xid));
  },
);
