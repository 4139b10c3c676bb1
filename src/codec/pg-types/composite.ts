// Composites: int32 count of attributes, each with its type's OID, length and bytes. In JavaScript: PostgreSQL's text.
import { ByteReader } from '../../base/index.ts';
import { field } from './array.ts';
import { type ValueForm, textual } from './value-form.ts';
import { LiteralCursor, quoteDoubled } from './literal.ts';

export interface Attribute {
  readonly form: ValueForm;
  readonly oid: number;
}

export function composite(attributes: readonly Attribute[]): ValueForm {
  const form = textual(
    (bytes, start, end) => {
      const reader = new ByteReader(bytes, start);
      if (reader.i32() !== attributes.length) throw new RangeError(`${attributes.length} attributes wanted`);
      const parts = attributes.map((attribute) => {
        reader.u32();
        const length = reader.i32();
        if (length === -1) return '';
        if (length < 0 || reader.at + length > end) throw new RangeError('it is cut off');
        reader.at += length;
        return quoteDoubled(attribute.form.text(bytes, reader.at - length, reader.at), '(),');
      });
      if (reader.at !== end) throw new RangeError('bytes are left over');
      return `(${parts.join(',')})`;
    },
    (text, out) => {
      const cursor = new LiteralCursor(text);
      cursor.blanks();
      cursor.expect('(');
      out.i32(attributes.length);
      for (const [i, attribute] of attributes.entries()) {
        if (i > 0) cursor.expect(',');
        const item = cursor.item('(),', true);
        out.u32(attribute.oid);
        field(out, item.quoted || item.text !== '' ? item.text : null, () => attribute.form.writeText(item.text, out));
      }
      cursor.expect(')');
      cursor.end();
    },
  );
  return attributes.some((attribute) => attribute.form.textOnly) ? { ...form, textOnly: true } : form;
}
