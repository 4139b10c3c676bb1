// The members of an object in the order in which one writer always writes them. Finding them is then a comparison of what stands between the
// values; what is spelled otherwise, with blanks or other escapes, is scanned.
import { Scan, skipValue, Token } from './json-scan.ts';

const CLOSE_BRACE = 0x7d;

/** Finds its way through an object that begins at `start`. Returns the place behind it, or −1 if it is not spelled in the usual way. */
export interface Walker {
  walk(bytes: Buffer, start: number, end: number): number;
}

export class Layout implements Walker {
  readonly names: readonly string[];
  /** Of the object that was found last: the value of member i is `bytes[starts[i]..ends[i])`. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** What finds its way through members that are objects themselves; undefined: they are skipped. */
  readonly inner: (Walker | undefined)[];
  readonly #between: readonly Buffer[];
  readonly #scan = new Scan();
  #bytes: Buffer | undefined;
  #start = -1;

  constructor(names: readonly string[]) {
    this.names = names;
    this.starts = new Int32Array(names.length);
    this.ends = new Int32Array(names.length);
    this.inner = names.map(() => undefined);
    this.#between = names.map((name, i) => Buffer.from(`${i === 0 ? '{' : ','}${JSON.stringify(name)}:`));
  }

  indexOf(name: string): number {
    return this.names.indexOf(name);
  }

  /**
   * Whether the object in `bytes[start..end)` has these members and no others, in this order. What was found last is found at once. Throws RangeError
   * for what is not JSON.
   */
  find(bytes: Buffer, start: number, end: number): boolean {
    if (this.#start === start && this.#bytes === bytes) return true;
    return this.walk(bytes, start, end) === end || this.#scanAll(bytes, start, end);
  }

  /** As `find` for an object whose end is not known. */
  walk(bytes: Buffer, start: number, end: number): number {
    const between = this.#between;
    this.#start = -1;
    let at = start;
    for (let i = 0; i < between.length; i++) {
      const spelled = between[i] as Buffer;
      const { length } = spelled;
      for (let k = 0; k < length; k++) if (bytes[at + k] !== spelled[k]) return -1;
      at += length;
      if (at >= end) return -1;
      this.starts[i] = at;
      const inner = this.inner[i];
      const behind = inner !== undefined && bytes[at] === Token.object ? inner.walk(bytes, at, end) : -1;
      this.ends[i] = at = behind < 0 ? skipValue(bytes, at, end) : behind;
    }
    if (at >= end || bytes[at] !== CLOSE_BRACE || between.length === 0) return -1;
    this.#bytes = bytes;
    this.#start = start;
    return at + 1;
  }

  #scanAll(bytes: Buffer, start: number, end: number): boolean {
    const scan = this.#scan.open(bytes, start, end);
    let index = 0;
    while (scan.next()) {
      if (index >= this.names.length || scan.key() !== this.names[index]) return false;
      this.starts[index] = scan.valueStart;
      this.ends[index++] = scan.valueEnd;
    }
    if (index !== this.names.length) return false;
    this.#bytes = bytes;
    this.#start = start;
    return true;
  }
}

/** The names of an object's members in their order. */
export function memberNames(bytes: Buffer, start: number, end: number): string[] {
  const names: string[] = [];
  const scan = new Scan().open(bytes, start, end);
  while (scan.next()) names.push(scan.key());
  return names;
}
