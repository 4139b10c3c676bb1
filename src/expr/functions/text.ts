// Functions of text. Positions and lengths count characters (code points), from 1.
import type { PgType } from '../../data/index.ts';
import { evaluationFailed } from '../errors.ts';
import { capitals, unicodeLower, unicodeUpper } from '../letters.ts';
import { routine, type Routine } from '../routine.ts';
import { textOf } from '../text-io.ts';

const surrogate = /[\ud800-\udfff]/;
const count = (text: string): number => (surrogate.test(text) ? [...text].length : text.length);
const unpad = (text: string): string => text.replace(/ +$/, '');

/** Characters from `from` (inclusive) to `to` (exclusive), counted from 0. */
function slice(text: string, from: number, to: number): string {
  return surrogate.test(text) ? [...text].slice(from, to).join('') : text.slice(from, to);
}

function substring(text: string, from: number, length?: number): string {
  if (length !== undefined && length < 0) return evaluationFailed('22011', 'negative substring length not allowed');
  return slice(text, Math.max(0, from - 1), length === undefined ? Infinity : Math.max(0, from - 1 + length));
}

const left = (text: string, n: number): string => slice(text, 0, n < 0 ? Math.max(0, count(text) + n) : n);
const right = (text: string, n: number): string => slice(text, n < 0 ? -n : Math.max(0, count(text) - n), Infinity);

function trimStart(text: string, set = ' '): string {
  const members = new Set(set);
  let cut = 0;
  for (const char of text) {
    if (!members.has(char)) break;
    cut += char.length;
  }
  return text.slice(cut);
}

function trimEnd(text: string, set = ' '): string {
  const members = new Set(set);
  const chars = [...text];
  let end = chars.length;
  while (end > 0 && members.has(chars[end - 1] as string)) end -= 1;
  return chars.slice(0, end).join('');
}

/** The part of `fill`, repeated, that has `missing` characters. */
function filler(fill: string, missing: number): string {
  const chars = [...fill];
  return Array.from({ length: missing }, (_, i) => chars[i % chars.length]).join('');
}

const LENGTH_MAX = 268_435_455;

function pad(text: string, wanted: number, fill: string, join: (text: string, filler: string) => string): string {
  if (wanted > LENGTH_MAX) return evaluationFailed('54000', 'requested length too large');
  const missing = Math.max(0, wanted) - count(text);
  if (missing <= 0) return slice(text, 0, Math.max(0, wanted));
  return fill === '' ? text : join(text, filler(fill, missing));
}
const lpad = (text: string, wanted: number, fill = ' '): string => pad(text, wanted, fill, (a, b) => b + a);
const rpad = (text: string, wanted: number, fill = ' '): string => pad(text, wanted, fill, (a, b) => a + b);

function position(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? 0 : count(text.slice(0, at)) + 1;
}

function splitPart(text: string, separator: string, field: number): string {
  if (field === 0) return evaluationFailed('22023', 'field position must not be zero');
  const parts = text === '' ? [] : separator === '' ? [text] : text.split(separator);
  return parts[field < 0 ? parts.length + field : field - 1] ?? '';
}

function repeat(text: string, times: number): string {
  const bytes = Buffer.byteLength(text) * Math.max(0, times);
  return bytes > 1_073_741_819 || text.length * times > LENGTH_MAX ? evaluationFailed('54000',
    'requested length too large') : text.repeat(Math.max(0, times));
}

function overlay(text: string, by: string, from: number, length = count(by)): string {
  if (from <= 0) return evaluationFailed('22011', 'negative substring length not allowed');
  return substring(text, 1, from - 1) + by + substring(text, from + length);
}

function translate(text: string, from: string, to: string): string {
  const source = [...from];
  const target = [...to];
  return [...text].map((char) => {
    const at = source.indexOf(char);
    return at < 0 ? char : (target[at] ?? '');
  }).join('');
}

function ascii(text: string): number {
  return text.codePointAt(0) ?? 0;
}

function chr(code: number): string {
  if (code === 0) return evaluationFailed('54000', 'null character not permitted');
  if (code < 0) return evaluationFailed('54000', 'character number must be positive');
  if (code > 0x10ffff) return evaluationFailed('54000', 'requested character too large for encoding: ' + String(code));
  if (code >= 0xd800 && code <= 0xdfff) return evaluationFailed('54000', 'requested character not valid for encoding: ' + String(code));
  return String.fromCodePoint(code);
}

/** Output functions of the arguments' types; concat writes booleans as t and f. */
const writers = (types: readonly PgType[]): ((value: any) => string)[] => types.map((type) => (type.name === 'unknown' ? String : textOf(type)));

const concat = (types: readonly PgType[]): Routine['call'] => {
  const text = writers(types);
  return (...values: unknown[]) => values.map((value, i) => (value === null ? '' : (text[i] as (v: unknown) => string)(value))).join('');
};

const concatWs = (types: readonly PgType[]): Routine['call'] => {
  const text = writers(types);
  return (separator: string | null, ...values: unknown[]) =>
    separator === null ? null : values.flatMap((value, i) => (value === null ? [] : [(text[i + 1] as (v: unknown) =>
      string)(value)])).join(separator);
};

const length = 'Number of characters';

/** A LIKE pattern with another escape character than the backslash. */
function likeEscape(pattern: string, escape: string): string {
  if (escape === '') return pattern.replaceAll('\\', '\\\\');
  if ([...escape].length > 1) return evaluationFailed('22025', 'invalid escape string');
  let out = '';
  let escaped = false;
  for (const char of pattern) {
    const starts: boolean = char === escape && !escaped;
    out += starts ? '\\' : char === '\\' && !escaped ? '\\\\' : char;
    escaped = starts;
  }
  return out;
}

export const textFunctions: Routine[] = [
  routine('lower', 'text -> text', unicodeLower, 'Lower case, after Unicode', { collate: 'icu' }),
  routine('upper', 'text -> text', unicodeUpper, 'Upper case, after Unicode', { collate: 'icu' }),
  routine('initcap', 'text -> text', capitals, 'Each word with a capital, the rest lower case; only ASCII letters', { collate: 'C' }),
  routine('length', 'text -> int4', count, length),
  routine('length', 'bpchar -> int4', (text: string) => count(unpad(text)), 'Number of characters without the padding'),
  ...['char_length', 'character_length'].flatMap((name) => [
    routine(name, 'text -> int4', count, length),
    routine(name, 'bpchar -> int4', (text: string) => count(unpad(text)), 'Number of characters without the padding'),
  ]),
  routine('octet_length', 'text -> int4', (text: string) => Buffer.byteLength(text), 'Number of bytes in UTF-8'),
  routine('octet_length', 'bpchar -> int4', (text: string) => Buffer.byteLength(text), 'Number of bytes in UTF-8'),
  routine('btrim', 'text -> text', (text: string) => trimEnd(trimStart(text)), 'Without spaces at both ends; also `trim(x)`'),
  routine('btrim', 'text, text -> text', (text: string, set: string) => trimEnd(trimStart(text, set), set),
    'Without characters of a set at both ends; also `trim(set from x)`'),
  routine('ltrim', 'text -> text', (text: string) => trimStart(text), 'Without spaces at the start'),
  routine('ltrim', 'text, text -> text', trimStart, 'Without characters of a set at the start'),
  routine('rtrim', 'text -> text', (text: string) => trimEnd(text), 'Without spaces at the end'),
  routine('rtrim', 'text, text -> text', trimEnd, 'Without characters of a set at the end'),
  ...['substring', 'substr'].flatMap((name) => [
    routine(name, 'text, int4 -> text', substring, 'From a position on'),
    routine(name, 'text, int4, int4 -> text', substring, 'So many characters from a position on; also `substring(x from 2 for 3)`'),
  ]),
  routine('left', 'text, int4 -> text', left, 'The first characters, or all but the last if negative'),
  routine('right', 'text, int4 -> text', right, 'The last characters, or all but the first if negative'),
  routine('replace', 'text, text, text -> text', (text: string, from: string, to: string) => (from === '' ? text : text.replaceAll(from, () => to)),
    'Every occurrence of one text replaced by another'),
  routine('translate', 'text, text, text -> text', translate, 'Each character of the first set replaced by that of the second'),
  routine('overlay', 'text, text, int4 -> text', overlay, 'A part overwritten from a position on'),
  routine('overlay', 'text, text, int4, int4 -> text', overlay, 'So many characters replaced from a position on'),
  routine('split_part', 'text, text, int4 -> text', splitPart, 'The n-th part between separators, from the end if negative'),
  routine('concat', 'any -> text', () => null, 'The text forms of all arguments, without NULLs', { strict: false, variadic: true,
    specialise: concat }),
  routine('concat_ws', 'text, any -> text', () => null, 'The text forms with a separator between them, without NULLs', { strict: false,
    variadic: true, specialise: concatWs }),
  routine('position', 'text, text -> int4', position, 'Where a part begins, 0 if nowhere; written `position(part in x)`'),
  routine('strpos', 'text, text -> int4', position, 'Where a part begins, 0 if nowhere'),
  routine('like_escape', 'text, text -> text', likeEscape, 'The pattern of `x like p escape c`'),
  routine('starts_with', 'text, text -> bool', (text: string, part: string) => text.startsWith(part), 'Begins with'),
  routine('lpad', 'text, int4 -> text', lpad, 'Filled with spaces at the start, or cut, to a length'),
  routine('lpad', 'text, int4, text -> text', lpad, 'Filled at the start, or cut, to a length'),
  routine('rpad', 'text, int4 -> text', rpad, 'Filled with spaces at the end, or cut, to a length'),
  routine('rpad', 'text, int4, text -> text', rpad, 'Filled at the end, or cut, to a length'),
  routine('reverse', 'text -> text', (text: string) => [...text].reverse().join(''), 'Characters in reverse order'),
  routine('repeat', 'text, int4 -> text', repeat, 'Repeated so many times'),
  routine('ascii', 'text -> int4', ascii, 'The code point of the first character'),
  routine('chr', 'int4 -> text', chr, 'The character of a code point'),
];
