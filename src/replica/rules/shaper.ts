// Shaper: makes rows of the target from images of the source's row.
import type { ByteWriter } from '../../base/index.ts';
import type { Image } from './image.ts';
import type { ChangeFacts } from './making.ts';

/** What became of a row: left out, there with all its values, or there with unchanged ones. */
export const Shaped = { out: 0, whole: 1, partial: 2 } as const;
export type Shaped = (typeof Shaped)[keyof typeof Shaped];

/** All functions throw MillraceError for a row that they cannot make; what they have appended by then is void. */
export interface Shaper {
  /** Whether it may leave rows out. */
  readonly selective: boolean;
  /** Form of each target column's bytes, when the source's fields have `formats`. */
  formats(formats: Uint8Array): Uint8Array;
  /** Appends the target row; nothing when it is left out. */
  shape(image: Image, facts: ChangeFacts, out: ByteWriter): Shaped;
  /** Whether the row of a full image is at the target. */
  selects(image: Image): boolean;
  /**
   * Appends a row of the target that has only its key, everything else is `rest` (a length word: NULL or unchanged). The image may be one of
   * the key only, unless the replica identity is full.
   */
  key(image: Image, facts: ChangeFacts, rest: number, out: ByteWriter): void;
}
