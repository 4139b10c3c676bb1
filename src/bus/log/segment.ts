// A segment: one file of the log, what is known of it, and its sparse index.
import { join } from 'node:path';

/** A place where a reader may start: everything up to `key` lies before it. */
export interface IndexEntry {
  readonly key: bigint;
  readonly ordinal: number;
  readonly offset: number;
}

const indexBytesBetween = 256 << 10;

export class Segment {
  readonly path: string;
  readonly startKey: bigint;
  /** Ordinal of its first frame. Ordinals count frames since the log was opened; they are not stored. */
  readonly firstOrdinal: number;
  readonly headerSize: number;
  /** Where the next frame goes, written or not. */
  size: number;
  /** Bytes that are in the file. */
  written = 0;
  readonly #index: IndexEntry[];

  constructor(folder: string, startKey: bigint, firstOrdinal: number, headerSize: number) {
    this.path = join(folder, segmentName(startKey));
    this.startKey = startKey;
    this.firstOrdinal = firstOrdinal;
    this.headerSize = headerSize;
    this.size = headerSize;
    this.#index = [{ key: startKey, ordinal: firstOrdinal, offset: headerSize }];
  }

  /** Tells that a whole frame or a drop ended at `size`, so that a reader may start there. */
  boundary(key: bigint, nextOrdinal: number): void {
    const last = this.#index.at(-1) as IndexEntry;
    if (this.size - last.offset >= indexBytesBetween) this.#index.push({ key, ordinal: nextOrdinal, offset: this.size });
  }

  /** The last place at or before `key`. */
  placeOfKey(key: bigint): IndexEntry {
    return this.#last((entry) => entry.key <= key);
  }

  /** The last place at or before the frame with this ordinal. */
  placeOfOrdinal(ordinal: number): IndexEntry {
    return this.#last((entry) => entry.ordinal <= ordinal);
  }

  #last(fits: (entry: IndexEntry) => boolean): IndexEntry {
    let low = 0;
    let high = this.#index.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (fits(this.#index[middle] as IndexEntry)) low = middle;
      else high = middle - 1;
    }
    return this.#index[low] as IndexEntry;
  }
}

/** Names sort as keys do. */
export const segmentName = (startKey: bigint): string => `${startKey.toString(16).padStart(16, '0')}.log`;
export const segmentNamePattern = /^[0-9a-f]{16}\.log$/;
