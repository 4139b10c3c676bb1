// point, line, lseg, box, path, polygon, circle: doubles one after the other; path and polygon start with their count of points.
import type { ByteWriter } from '../../base/index.ts';
import { float8Text } from '../../data/index.ts';
import { fixed, type ValueForm, textual } from './value-form.ts';
import { float8 } from './floats.ts';

const number = (bytes: Buffer, at: number): string => float8Text(bytes.readDoubleBE(at));
const pair = (bytes: Buffer, at: number): string => `(${number(bytes, at)},${number(bytes, at + 8)})`;

/** The numbers in a text that otherwise has nothing but brackets, commas and blanks. */
function numbers(text: string): string[] {
  const found = text.replace(/[()[\]<>{},\s]+/g, ' ').trim().split(' ');
  return found[0] === '' ? [] : found;
}

function writeNumbers(found: readonly string[], out: ByteWriter): void {
  for (const item of found) float8.writeText(item, out);
}

/** A shape of `count` numbers. */
function shape(count: number, text: (bytes: Buffer, at: number) => string): ValueForm {
  return textual(
    (bytes, start, end) => {
      fixed(start, end, count * 8);
      return text(bytes, start);
    },
    (value, out) => {
      const found = numbers(value);
      if (found.length !== count) throw new RangeError(`${count} numbers are wanted`);
      writeNumbers(found, out);
    },
  );
}

export const point: ValueForm = shape(2, pair);
export const line: ValueForm = shape(3, (bytes, at) => `{${number(bytes, at)},${number(bytes, at + 8)},${number(bytes, at + 16)}}`);
export const lseg: ValueForm = shape(4, (bytes, at) => `[${pair(bytes, at)},${pair(bytes, at + 16)}]`);
export const box: ValueForm = shape(4, (bytes, at) => `${pair(bytes, at)},${pair(bytes, at + 16)}`);
export const circle: ValueForm = shape(3, (bytes, at) => `<${pair(bytes, at)},${number(bytes, at + 16)}>`);

function points(bytes: Buffer, start: number, end: number): string {
  const count = bytes.readInt32BE(start);
  if (count < 0) throw new RangeError('negative count');
  fixed(start, end, 4 + count * 16);
  return Array.from({ length: count }, (_, i) => pair(bytes, start + 4 + i * 16)).join(',');
}

function writePoints(text: string, out: ByteWriter): void {
  const found = numbers(text);
  if (found.length % 2 !== 0 || found.length === 0) throw new RangeError('pairs of numbers are wanted');
  out.i32(found.length / 2);
  writeNumbers(found, out);
}

export const polygon: ValueForm = textual((bytes, start, end) => `(${points(bytes, start, end)})`, writePoints);

/** A path is closed `(…)` or open `[…]`: its first byte. */
export const path: ValueForm = textual(
  (bytes, start, end) => {
    const inner = points(bytes, start + 1, end);
    return bytes[start] === 0 ? `[${inner}]` : `(${inner})`;
  },
  (text, out) => writePoints(text, out.u8(text.trim().startsWith('[') ? 0 : 1)),
);
