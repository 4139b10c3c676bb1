// Arrays: int32 dimensions, int32 whether NULLs are in it, the element's OID, for each dimension length and lower bound, the elements.
// In JavaScript they are nested arrays; lower bounds are kept by the text form and dropped by the JavaScript form.
import { ByteWriter } from '../../base/index.ts';
import type { ValueForm } from './value-form.ts';
import { isBlank, LiteralCursor, quoteBackslash } from './literal.ts';

/** PostgreSQL's own limit. */
const DIMENSIONS_MAX = 6;

interface Shape {
  readonly lengths: readonly number[];
  readonly lowers: readonly number[];
  /** Where the first element's length word is. */
  readonly at: number;
  readonly count: number;
}

export interface ArrayElement {
  readonly form: ValueForm;
  readonly oid: number;
  readonly delimiter: string;
  /** The element's JavaScript form may itself be an array (json, a domain over an array): then only one dimension is told apart. */
  readonly mayBeArray: boolean;
}

function shapeOf(bytes: Buffer, start: number, end: number): Shape {
  const dimensions = bytes.readInt32BE(start);
  if (dimensions < 0 || dimensions > DIMENSIONS_MAX) throw new RangeError(`an array of ${dimensions} dimensions`);
  let at = start + 12;
  const lengths: number[] = [];
  const lowers: number[] = [];
  let count = dimensions === 0 ? 0 : 1;
  for (let i = 0; i < dimensions; i++) {
    const length = bytes.readInt32BE(at);
    if (length < 0) throw new RangeError('a negative length');
    lengths.push(length);
    lowers.push(bytes.readInt32BE(at + 4));
    count *= length;
    at += 8;
  }
  // Each element has a length word: a count beyond the bytes is nonsense that must not allocate.
  if (at > end || count * 4 > end - at) throw new RangeError('it is cut off');
  return { lengths, lowers, at, count };
}

/** Calls `each` for every element in order: its bytes' place, or −1 for NULL. */
function elements(bytes: Buffer, shape: Shape, end: number, each: (from: number, to: number) => void): void {
  let at = shape.at;
  for (let i = 0; i < shape.count; i++) {
    const length = at + 4 <= end ? bytes.readInt32BE(at) : NaN;
    at += 4;
    if (!(length >= -1) || at + length > end) throw new RangeError('it is cut off');
    if (length < 0) each(-1, -1);
    else each(at, (at += length));
  }
  if (at !== end) throw new RangeError('bytes are left over');
}

export function array(element: ArrayElement): ValueForm {
  const { form, delimiter, mayBeArray } = element;
  const special = `{}${delimiter}`;

  const text = (bytes: Buffer, start: number, end: number): string => {
    const shape = shapeOf(bytes, start, end);
    const items: string[] = [];
    elements(bytes, shape, end, (from, to) => items.push(from < 0 ? 'NULL' : quoteBackslash(form.text(bytes, from, to), special)));
    if (shape.count === 0) return '{}';
    const bounds = shape.lowers.some((lower) => lower !== 1)
      ? `${shape.lengths.map((length, i) => `[${shape.lowers[i]}:${(shape.lowers[i] as number) + length - 1}]`).join('')}=`
      : '';
    let level = items;
    for (const length of shape.lengths.toReversed()) level = grouped(level, length).map((group) => `{${group.join(delimiter)}}`);
    return bounds + (level[0] as string);
  };

  const writeText = (value: string, out: ByteWriter): void => {
    const { lengths, lowers, items } = parseLiteral(value, delimiter);
    header(out, element.oid, lengths, lowers, items.includes(null));
    for (const item of items) field(out, item, () => form.writeText(item as string, out));
  };

  return {
    jsType: `(${form.jsType} | null)[]`,
    ...(form.textOnly ? { textOnly: true } : {}),
    read: (bytes, start, end) => {
      const shape = shapeOf(bytes, start, end);
      if (mayBeArray && shape.lengths.length > 1) return text(bytes, start, end);
      const items: unknown[] = [];
      elements(bytes, shape, end, (from, to) => items.push(from < 0 ? null : form.read(bytes, from, to)));
      return shape.count === 0 ? [] : nest(items, shape.lengths);
    },
    parse: (value) => {
      const { lengths, items } = parseLiteral(value, delimiter);
      if (mayBeArray && lengths.length > 1) return value;
      return nest(items.map((item) => (item === null ? null : form.parse(item))), lengths);
    },
    write: (value, out) => {
      if (!Array.isArray(value)) throw new RangeError('an array is wanted');
      const lengths = mayBeArray ? (value.length === 0 ? [] : [value.length]) : lengthsOf(value);
      const items = (lengths.length === 0 ? [] : mayBeArray ? value : value.flat(lengths.length - 1)) as unknown[];
      header(out, element.oid, lengths, lengths.map(() => 1), items.some((item) => item === null || item === undefined));
      for (const item of items) {
        field(out, item, () => (typeof item === 'string' && !form.ownsStrings ? form.writeText(item, out) : form.write(item, out)));
      }
    },
    writeText,
    text,
  };
}

/** int2vector and oidvector: arrays in binary, numbers between blanks in text. Their lower bound is 0. */
export function vector(element: ArrayElement): ValueForm {
  const inner = array(element);
  return {
    ...inner,
    jsType: 'number[]',
    parse: (value) => (value.trim() === '' ? [] : value.trim().split(/\s+/).map((item) => element.form.parse(item))),
    write: (value, out) => {
      if (!Array.isArray(value)) throw new RangeError('an array is wanted');
      header(out, element.oid, [value.length], [0], false);
      for (const item of value) field(out, item, () => element.form.write(item, out));
    },
    writeText: (value, out) => {
      const items = value.trim() === '' ? [] : value.trim().split(/\s+/);
      header(out, element.oid, [items.length], [0], false);
      for (const item of items) field(out, item, () => element.form.writeText(item, out));
    },
    text: (bytes, start, end) => (inner.read(bytes, start, end) as number[]).join(' '),
  };
}

function header(out: ByteWriter, oid: number, lengths: readonly number[], lowers: readonly number[], nulls: boolean): void {
  out.i32(lengths.length).i32(nulls ? 1 : 0).u32(oid);
  for (const [i, length] of lengths.entries()) out.i32(length).i32(lowers[i] as number);
}

/** A length word and what `write` adds behind it. */
export function field(out: ByteWriter, value: unknown, write: () => void): void {
  if (value === null || value === undefined) {
    out.i32(-1);
    return;
  }
  const at = out.length;
  out.i32(0);
  write();
  out.patchI32(at, out.length - at - 4);
}

function grouped<T>(items: readonly T[], size: number): T[][] {
  const out: T[][] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}

function nest(items: unknown[], lengths: readonly number[]): unknown[] {
  let level = items;
  for (let i = lengths.length - 1; i > 0; i--) level = grouped(level, lengths[i] as number);
  return level;
}

/** The lengths of nested arrays; RangeError when they are not rectangular, which PostgreSQL does not store. */
function lengthsOf(value: readonly unknown[]): number[] {
  const lengths: number[] = [];
  for (let at: unknown = value; Array.isArray(at); at = at[0]) lengths.push(at.length);
  const fits = (level: unknown, depth: number): boolean =>
    Array.isArray(level) ? level.length === lengths[depth] && level.every((inner) => fits(inner, depth + 1)) : depth === lengths.length;
  if (lengths.length > DIMENSIONS_MAX) throw new RangeError(`more than ${DIMENSIONS_MAX} dimensions`);
  if (!fits(value, 0)) throw new RangeError('nested arrays must be of one length');
  return lengths.includes(0) ? [] : lengths;
}

interface Literal {
  readonly lengths: number[];
  readonly lowers: number[];
  readonly items: (string | null)[];
  /** How deep the items stand; −1 before the first. */
  depth: number;
}

/** Reads `{a,"b c",NULL}`, nested, with `[0:1]=` in front or not. */
function parseLiteral(text: string, delimiter: string): Omit<Literal, 'depth'> {
  const cursor = new LiteralCursor(text);
  cursor.blanks();
  const bounds: [number, number][] = [];
  const declared = /^((?:\[[+-]?\d+(?::[+-]?\d+)?\])+)\s*=\s*/.exec(text.slice(cursor.at));
  if (declared) {
    for (const [, low, high] of (declared[1] as string).matchAll(/\[([+-]?\d+)(?::([+-]?\d+))?\]/g)) {
      bounds.push(high === undefined ? [1, Number(low)] : [Number(low), Number(high)]);
    }
    cursor.at += declared[0].length;
  }
  const literal: Literal = { lengths: [], lowers: [], items: [], depth: -1 };
  parseLevel(cursor, 0, literal, delimiter);
  cursor.end();
  const { items, lengths } = literal;
  if (items.length !== lengths.reduce((product, length) => product * length, 1)) throw new RangeError('nested arrays must be of one length');
  if (items.length === 0) return { lengths: [], lowers: [], items };
  if (declared && (bounds.length !== lengths.length || bounds.some(([low, high], i) => high - low + 1 !== lengths[i]))) {
    throw new RangeError('its bounds do not fit what it holds');
  }
  return { lengths, lowers: lengths.map((_, i) => bounds[i]?.[0] ?? 1), items };
}

function parseLevel(cursor: LiteralCursor, depth: number, into: Literal, delimiter: string): void {
  if (depth === DIMENSIONS_MAX) throw new RangeError(`more than ${DIMENSIONS_MAX} dimensions`);
  cursor.expect('{');
  cursor.blanks();
  let count = 0;
  if (!cursor.skip('}')) {
    do {
      cursor.blanks();
      if (cursor.next === '{') {
        parseLevel(cursor, depth + 1, into, delimiter);
      } else {
        if (into.depth >= 0 && into.depth !== depth) throw new RangeError('nested arrays must be of one length');
        into.depth = depth;
        into.items.push(item(cursor, delimiter));
      }
      count += 1;
      cursor.blanks();
    } while (cursor.skip(delimiter));
    cursor.expect('}');
  }
  if (into.lengths[depth] !== undefined && into.lengths[depth] !== count) throw new RangeError('nested arrays must be of one length');
  into.lengths[depth] = count;
}

function item(cursor: LiteralCursor, delimiter: string): string | null {
  const { text, quoted, solid } = cursor.item(`{}${delimiter}`, false);
  let end = text.length;
  while (end > solid && isBlank(text[end - 1])) end -= 1;
  if (quoted) return text.slice(0, end);
  if (end === 0) throw new RangeError('an element is missing');
  return end === 4 && text.slice(0, end).toLowerCase() === 'null' ? null : text.slice(0, end);
}
