// ValueForm: how one type's values look in PostgreSQL's binary form, its text form and in JavaScript. The parts that codec.ts joins into a
// TypeCodec; all of them may throw RangeError or MillraceError, which codec.ts turns into an error that names type and value.
import type { ByteWriter } from '../../base/index.ts';

export interface ValueForm {
  /** TypeScript type text of the JavaScript form. */
  readonly jsType: string;
  /** Binary form in `bytes[start..end)` → JavaScript form. */
  read(bytes: Buffer, start: number, end: number): unknown;
  /** Text form → JavaScript form. */
  parse(text: string): unknown;
  /** JavaScript form → binary form. A string comes here only when `ownsStrings`. */
  write(value: unknown, out: ByteWriter): void;
  /** Text form → binary form. */
  writeText(text: string, out: ByteWriter): void;
  /** Binary form → PostgreSQL's text form. */
  text(bytes: Buffer, start: number, end: number): string;
  /** A string is a value of its own, not the text form (json). */
  readonly ownsStrings?: true;
  /** Millrace does not know the binary form: only text passes. */
  readonly textOnly?: true;
}

/** A type whose JavaScript form is PostgreSQL's text. */
export function textual(text: ValueForm['text'], writeText: ValueForm['writeText'], jsType = 'string'): ValueForm {
  return {
    jsType,
    read: text,
    parse: (value) => value,
    write: (value, out) => writeText(wanted(value, 'string', 'a string'), out),
    writeText,
    text,
  };
}

/** `value` if its typeof is `type`; RangeError otherwise. */
export function wanted<T extends 'string' | 'number' | 'boolean' | 'bigint'>(
  value: unknown,
  type: T,
  name: string,
): T extends 'string' ? string : T extends 'number' ? number : T extends 'bigint' ? bigint : boolean {
  if (typeof value !== type) throw new RangeError(`${name} is wanted`);
  return value as never;
}

/** Fails unless exactly `count` bytes are there. */
export function fixed(start: number, end: number, count: number): void {
  if (end - start !== count) throw new RangeError(`${count} bytes wanted, ${end - start} there`);
}
