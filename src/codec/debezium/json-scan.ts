// JSON by offsets into its bytes: members and elements are found, not built. A value that is skipped is checked only as far as finding its end
// needs. All functions throw RangeError where the bytes are not JSON; none reads past `end`.
import type { ByteWriter } from '../../base/index.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** First bytes of values. */
export const Token = { string: QUOTE, object: OPEN_BRACE, array: OPEN_BRACKET, true: 0x74, false: 0x66, null: 0x6e } as const;

/** From here on the native search is faster than a loop. */
const LONG = 96;

function notJson(at: number): RangeError {
  return new RangeError(`not JSON at byte ${at}`);
}

export function skipSpace(bytes: Buffer, at: number, end: number): number {
  let next = at;
  while (next < end) {
    const byte = bytes[next] as number;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    next += 1;
  }
  return next;
}

/** The string whose opening quote stands at `at`; returns the place behind its closing quote. */
function skipString(bytes: Buffer, at: number, end: number): number {
  let next = at + 1;
  const near = Math.min(end, next + LONG);
  while (next < near) {
    const byte = bytes[next] as number;
    if (byte === QUOTE) return next + 1;
    next += byte === BACKSLASH ? 2 : 1;
  }
  while (next < end) {
    const quote = bytes.indexOf(QUOTE, next);
    if (quote < 0 || quote >= end) break;
    let first = quote;
    while (first > next && bytes[first - 1] === BACKSLASH) first -= 1;
    next = quote + 1;
    if ((quote - first) % 2 === 0) return next;
  }
  throw new RangeError(`a string that begins at byte ${at} does not end`);
}

/** The value that begins at `at`; returns the place behind it. */
export function skipValue(bytes: Buffer, at: number, end: number): number {
  if (at >= end) throw notJson(at);
  const first = bytes[at] as number;
  if (first === QUOTE) return skipString(bytes, at, end);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return skipNested(bytes, at, end);
  if (first === Token.null || first === Token.true) return skipWord(bytes, at, end, first === Token.null ? 'null' : 'true');
  if (first === Token.false) return skipWord(bytes, at, end, 'false');
  return skipNumber(bytes, at, end);
}

function skipNested(bytes: Buffer, at: number, end: number): number {
  let depth = 0;
  let next = at;
  while (next < end) {
    const byte = bytes[next] as number;
    if (byte === QUOTE) {
      next = skipString(bytes, next, end);
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return next + 1;
    }
    next += 1;
  }
  throw new RangeError(`an object or array that begins at byte ${at} does not end`);
}

function skipWord(bytes: Buffer, at: number, end: number, word: string): number {
  if (at + word.length > end) throw notJson(at);
  for (let i = 1; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) throw notJson(at);
  return at + word.length;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function skipDigits(bytes: Buffer, at: number, end: number): number {
  let next = at;
  while (next < end && isDigit(bytes[next])) next += 1;
  if (next === at) throw notJson(at);
  return next;
}

function skipNumber(bytes: Buffer, at: number, end: number): number {
  let whole = at;
  while (whole < end && isDigit(bytes[whole])) whole += 1;
  const behind = bytes[whole];
  if (whole > at && (bytes[at] !== 0x30 || whole === at + 1) && whole < end && behind !== 0x2e && behind !== 0x65 && behind !== 0x45) return whole;
  let next = bytes[at] === 0x2d ? at + 1 : at;
  if (bytes[next] === 0x30 && next < end) next += 1;
  else next = skipDigits(bytes, next, end);
  if (next < end && bytes[next] === 0x2e) next = skipDigits(bytes, next + 1, end);
  if (next < end && (bytes[next] === 0x65 || bytes[next] === 0x45)) {
    next += 1;
    if (next < end && (bytes[next] === 0x2b || bytes[next] === 0x2d)) next += 1;
    next = skipDigits(bytes, next, end);
  }
  return next;
}

/** The members of an object, or the elements of an array, one after the other. `next` sets the offsets of the one it stands at. */
export class Scan {
  bytes: Buffer = Buffer.alloc(0);
  /** With the quotes; elements of an array have none. */
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  #at = 0;
  #end = 0;
  #close: number = CLOSE_BRACE;
  #first = true;

  /** Begins with the object or array that stands at `at`. */
  open(bytes: Buffer, at: number, end: number): this {
    const byte = at < end ? bytes[at] : undefined;
    if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) throw new RangeError(`neither object nor array at byte ${at}`);
    this.bytes = bytes;
    this.#at = at + 1;
    this.#end = end;
    this.#close = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
    this.#first = true;
    return this;
  }

  /** Behind the value that it stood at last, or behind the closing bracket once `next` has returned false. */
  get end(): number {
    return this.#at;
  }

  next(): boolean {
    const { bytes } = this;
    const end = this.#end;
    let at = skipSpace(bytes, this.#at, end);
    if (at >= end) throw notJson(at);
    if (bytes[at] === this.#close) {
      this.#at = at + 1;
      return false;
    }
    if (!this.#first) {
      if (bytes[at] !== COMMA) throw notJson(at);
      at = skipSpace(bytes, at + 1, end);
    }
    this.#first = false;
    if (this.#close === CLOSE_BRACE) {
      if (at >= end || bytes[at] !== QUOTE) throw notJson(at);
      this.keyStart = at;
      this.keyEnd = at = skipString(bytes, at, end);
      at = skipSpace(bytes, at, end);
      if (at >= end || bytes[at] !== COLON) throw notJson(at);
      at = skipSpace(bytes, at + 1, end);
    }
    this.valueStart = at;
    this.#at = this.valueEnd = skipValue(bytes, at, end);
    return true;
  }

  key(): string {
    return stringAt(this.bytes, this.keyStart, this.keyEnd);
  }
}

/** The text of the string token `bytes[start..end)`. */
export function stringAt(bytes: Buffer, start: number, end: number): string {
  const raw = bytes.toString('utf8', start, end);
  if (!raw.includes('\\')) return raw.slice(1, -1);
  try {
    return JSON.parse(raw) as string;
  } catch {
    throw notJson(start);
  }
}

/** The value `bytes[start..end)` as JavaScript has it; numbers become doubles. For what is read once. */
export function valueAt(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    throw notJson(start);
  }
}

/** Appends the text of the string token `bytes[start..end)`. */
export function writeStringAt(out: ByteWriter, bytes: Buffer, start: number, end: number): void {
  const last = end - 1;
  let at = start + 1;
  if (last - at > LONG && bytes.subarray(at, last).indexOf(BACKSLASH) < 0) {
    out.bytes(bytes, at, last);
    return;
  }
  // An escape never takes less room than what it stands for.
  out.reserve(last - at);
  const target = out.buffer;
  let to = out.length;
  while (at < last) {
    const byte = bytes[at] as number;
    if (byte !== BACKSLASH) {
      target[to++] = byte;
      at += 1;
      continue;
    }
    const letter = bytes[at + 1] as number;
    if (letter === 0x75) {
      // A pair of surrogates is one character, so that both are decoded together.
      let behind = at + 6;
      while (behind + 6 <= last && bytes[behind] === BACKSLASH && bytes[behind + 1] === 0x75) behind += 6;
      to += target.write(stringAt(Buffer.concat([quote, bytes.subarray(at, behind), quote]), 0, behind - at + 2), to);
      at = behind;
    } else {
      const plain = escapes[letter];
      if (plain === undefined) throw notJson(at);
      target[to++] = plain;
      at += 2;
    }
  }
  out.advance(to - out.length);
}

/** Appends bytes that are few. */
export function writeShort(out: ByteWriter, bytes: Buffer, start: number, end: number): void {
  out.reserve(end - start);
  const target = out.buffer;
  let to = out.length;
  for (let at = start; at < end; at++) target[to++] = bytes[at] as number;
  out.advance(end - start);
}

const quote = Buffer.from('"');
/** Letter behind a backslash → byte. */
const escapes: Record<number, number | undefined> = { 0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9 };
