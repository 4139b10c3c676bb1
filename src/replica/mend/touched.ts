// What the stream does to a table's rows while some of them are read again.
import { assert } from '../../base/index.ts';
import type { StreamReader } from '../../bus/index.ts';
import { asPosition, type Batch, Before, Op, type Position, type Relation, type Run, tableAddress, transactionOf } from '../../data/index.ts';
import { Image } from '../rules/image.ts';
import { sameKey } from './mendable.ts';

/**
 * `whole`: the stream has carried the row as it was then, or that it went: with that alone it is right at the target. `part`: only some of its
 * values, so that the others are still what they were there.
 */
export type Touch = 'whole' | 'part';

const never = asPosition(0n);

/** Where the transactions end that have touched a row last, in each of the ways. */
interface Touches {
  whole: Position;
  part: Position;
}

export class Touched {
  readonly relation: Relation;
  readonly #reader: StreamReader;
  readonly #fields: readonly number[];
  readonly #keys = new Map<string, Touches>();
  /** Old key → the keys that rows got instead, where only a part of the row came along. */
  readonly #moves = new Map<string, { texts: readonly string[]; at: Position }[]>();
  readonly #after: Image;
  readonly #before: Image;
  #position: Position;
  #emptied = never;
  /** The table has another shape by now. */
  reshaped = false;

  /** @param reader At `position`. */
  constructor(reader: StreamReader, position: Position, relation: Relation, fields: readonly number[]) {
    this.relation = relation;
    this.#reader = reader;
    this.#position = position;
    this.#fields = fields;
    this.#after = new Image(relation);
    this.#before = new Image(relation);
  }

  get position(): Position {
    return this.#position;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Goes on to `position` at least. What lies a little behind it may be seen too: it will come to the target by itself. */
  async advance(position: Position): Promise<void> {
    while (this.#position < position && !this.reshaped) {
      const run = await this.#reader.next(true);
      assert(run, 'a reader closed while it is read');
      for (const batch of run.batches) {
        if (batch.relation.oid !== this.relation.oid) continue;
        if (batch.relation.version === this.relation.version) this.#see(batch, run);
        else this.reshaped = true;
      }
      if (run.truncate?.relations.some((relation) => tableAddress(relation) === tableAddress(this.relation))) this.#emptied = run.transactions.at(-1)?.end ?? run.position;
      if (!run.open) this.#position = run.position;
    }
  }

  /** What has happened to a row behind a position. */
  of(key: string, since: Position): Touch | undefined {
    const { whole, part } = this.#keys.get(key) ?? { whole: never, part: never };
    if (whole > since || this.#emptied > since) return 'whole';
    return part > since ? 'part' : undefined;
  }

  /** The keys that rows of a key have now, if only a part of them came along. */
  movedTo(key: string): (readonly string[])[] {
    return (this.#moves.get(key) ?? []).filter(({ texts, at }) => (this.#keys.get(this.#keyOf(texts))?.whole ?? never) < at).map(({ texts }) => texts);
  }

  /** Nobody will ask for what happened up to a position. */
  forget(position: Position): void {
    for (const [key, { whole, part }] of this.#keys) if (whole <= position && part <= position) this.#keys.delete(key);
  }

  close(): void {
    this.#reader.close();
  }

  #see(batch: Batch, run: Run): void {
    for (let row = 0; row < batch.count; row++) {
      const { end } = transactionOf(run, batch.seqs[row] as number);
      const hasBefore = batch.befores[row] !== Before.none;
      if (hasBefore) this.#before.load(batch.before, row, batch.formats);
      const old = hasBefore ? this.#textsOf(this.#before) : undefined;
      let now: readonly string[] | undefined;
      const isPart = batch.partial[row] === 1;
      if (batch.ops[row] !== Op.delete) {
        this.#after.load(batch.after, row, batch.formats, hasBefore ? this.#before : undefined);
        now = this.#textsOf(this.#after);
        this.#mark(this.#keyOf(now), isPart ? 'part' : 'whole', end);
      }
      const oldKey = old && this.#keyOf(old);
      if (oldKey === undefined || (now && this.#keyOf(now) === oldKey)) continue;
      this.#mark(oldKey, 'whole', end);
      if (now && isPart) this.#moves.set(oldKey, [...(this.#moves.get(oldKey) ?? []), { texts: now, at: end }]);
    }
  }

  #mark(key: string, touch: Touch, end: Position): void {
    let known = this.#keys.get(key);
    if (!known) this.#keys.set(key, (known = { whole: never, part: never }));
    known[touch] = end;
  }

  #keyOf(texts: readonly string[]): string {
    return sameKey(this.relation, this.#fields, texts);
  }

  #textsOf(image: Image): string[] {
    return this.#fields.map((field) => (image.isNull(field) || image.isUnchanged(field) ? '' : image.text(field)));
  }
}
