// Ranges: a byte of flags, then the finite bounds with length and bytes. Multiranges: int32 count, ranges with length. In JavaScript: text.
import { ByteReader, type ByteWriter } from '../../base/index.ts';
import { field } from './array.ts';
import { type ValueForm, textual } from './value-form.ts';
import { LiteralCursor, quoteDoubled } from './literal.ts';

const EMPTY = 0x01;
const LOWER_INCLUSIVE = 0x02;
const UPPER_INCLUSIVE = 0x04;
const LOWER_INFINITE = 0x08;
const UPPER_INFINITE = 0x10;

const special = '()[],';

export function range(subtype: ValueForm): ValueForm {
  const form = textual(
    (bytes, start, end) => rangeText(subtype, new ByteReader(bytes, start), end),
    (text, out) => {
      const cursor = new LiteralCursor(text);
      writeRange(subtype, cursor, out);
      cursor.end();
    },
  );
  return subtype.textOnly ? { ...form, textOnly: true } : form;
}

function rangeText(subtype: ValueForm, reader: ByteReader, end: number): string {
  const flags = reader.u8();
  const bound = (infinite: number): string => {
    if (flags & (infinite | EMPTY)) return '';
    const length = reader.i32();
    if (length < 0 || reader.at + length > end) throw new RangeError('it is cut off');
    reader.at += length;
    return quoteDoubled(subtype.text(reader.bytes, reader.at - length, reader.at), special);
  };
  const lower = bound(LOWER_INFINITE);
  const upper = bound(UPPER_INFINITE);
  if (reader.at !== end) throw new RangeError('bytes are left over');
  if (flags & EMPTY) return 'empty';
  return `${flags & LOWER_INCLUSIVE ? '[' : '('}${lower},${upper}${flags & UPPER_INCLUSIVE ? ']' : ')'}`;
}

/** The server brings ranges of whole numbers and dates into its normal form `[a,b)` as it reads them. */
function writeRange(subtype: ValueForm, cursor: LiteralCursor, out: ByteWriter): void {
  cursor.blanks();
  if (cursor.text.slice(cursor.at, cursor.at + 5).toLowerCase() === 'empty') {
    cursor.at += 5;
    out.u8(EMPTY);
    return;
  }
  let flags = 0;
  if (cursor.skip('[')) flags |= LOWER_INCLUSIVE;
  else cursor.expect('(');
  const lower = cursor.item(special, true);
  cursor.expect(',');
  const upper = cursor.item(special, true);
  if (cursor.skip(']')) flags |= UPPER_INCLUSIVE;
  else cursor.expect(')');
  const infinite = (item: { text: string; quoted: boolean }): boolean => !item.quoted && item.text === '';
  if (infinite(lower)) flags = (flags & ~LOWER_INCLUSIVE) | LOWER_INFINITE;
  if (infinite(upper)) flags = (flags & ~UPPER_INCLUSIVE) | UPPER_INFINITE;
  out.u8(flags);
  for (const item of [lower, upper]) {
    if (!infinite(item)) field(out, item.text, () => subtype.writeText(item.text, out));
  }
}

export function multirange(subtype: ValueForm): ValueForm {
  const form = textual(
    (bytes, start, end) => {
      const reader = new ByteReader(bytes, start);
      const count = reader.i32();
      if (count < 0 || count * 5 > end - reader.at) throw new RangeError('it is cut off');
      const parts: string[] = [];
      for (let i = 0; i < count; i++) {
        const length = reader.i32();
        if (length < 0 || reader.at + length > end) throw new RangeError('it is cut off');
        parts.push(rangeText(subtype, reader, reader.at + length));
      }
      if (reader.at !== end) throw new RangeError('bytes are left over');
      return `{${parts.join(',')}}`;
    },
    (text, out) => {
      const cursor = new LiteralCursor(text);
      const at = out.length;
      let count = 0;
      cursor.blanks();
      cursor.expect('{');
      cursor.blanks();
      out.i32(0);
      if (!cursor.skip('}')) {
        do {
          field(out, '', () => writeRange(subtype, cursor, out));
          count += 1;
          cursor.blanks();
        } while (cursor.skip(','));
        cursor.expect('}');
      }
      cursor.end();
      out.patchI32(at, count);
    },
  );
  return subtype.textOnly ? { ...form, textOnly: true } : form;
}
