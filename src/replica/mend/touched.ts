// What the stream has done to a table's rows behind a snapshot of it.
import { assert } from '../../base/index.ts';
import type { StreamReader } from '../../bus/index.ts';
import { type Batch, Before, Op, type Position, type Relation, tableAddress } from '../../data/index.ts';
import { Image } from '../rules/image.ts';
import { sameKey } from './mendable.ts';

/**
 * `whole`: the stream has carried the row as it was then, or that it went: with that alone it is right at the target. `part`: only some of its
 * values, so that the others are still what they were there.
 */
export type Touch = 'whole' | 'part';

export class Touched {
  readonly #reader: StreamReader;
  readonly #relation: Relation;
  readonly #fields: readonly number[];
  readonly #keys = new Map<string, Touch>();
  /** Rows of which only a part came under a new key: old one → the new one's texts. */
  readonly #moves = new Map<string, readonly string[]>();
  readonly #after: Image;
  readonly #before: Image;
  #position: Position;
  #emptied = false;
  /** The table has had another shape meanwhile. */
  reshaped = false;

  /** @param reader At `position`, where the snapshot stands. */
  constructor(reader: StreamReader, position: Position, relation: Relation, fields: readonly number[]) {
    this.#reader = reader;
    this.#position = position;
    this.#relation = relation;
    this.#fields = fields;
    this.#after = new Image(relation);
    this.#before = new Image(relation);
  }

  /** Goes on to `position` at least. What lies a little behind it may be seen too: it will come to the target by itself. */
  async advance(position: Position): Promise<void> {
    while (this.#position < position && !this.reshaped) {
      const run = await this.#reader.next(true);
      assert(run, 'a reader closed while it is read');
      for (const batch of run.batches) {
        if (batch.relation.oid !== this.#relation.oid) continue;
        if (batch.relation.version === this.#relation.version) this.#see(batch);
        else this.reshaped = true;
      }
      if (run.truncate?.relations.some((relation) => tableAddress(relation) === tableAddress(this.#relation))) this.#emptied = true;
      if (!run.open) this.#position = run.position;
    }
  }

  of(key: string): Touch | undefined {
    return this.#emptied ? 'whole' : this.#keys.get(key);
  }

  /** The texts of the key that a row has now of which the stream has carried only a part; undefined when nothing of it is left to be brought. */
  partOf(texts: readonly string[]): readonly string[] | undefined {
    const key = sameKey(this.#relation, this.#fields, texts);
    const next = this.#moves.get(key);
    if (next) return this.partOf(next);
    return this.of(key) === 'part' ? texts : undefined;
  }

  get size(): number {
    return this.#keys.size;
  }

  close(): void {
    this.#reader.close();
  }

  #see(batch: Batch): void {
    for (let row = 0; row < batch.count; row++) {
      const hasBefore = batch.befores[row] !== Before.none;
      if (hasBefore) this.#before.load(batch.before, row, batch.formats);
      const old = hasBefore ? this.#textsOf(this.#before) : undefined;
      let now: readonly string[] | undefined;
      if (batch.ops[row] !== Op.delete) {
        this.#after.load(batch.after, row, batch.formats, hasBefore ? this.#before : undefined);
        now = this.#textsOf(this.#after);
        this.#mark(now, batch.partial[row] === 1 ? 'part' : 'whole');
      }
      if (old === undefined || (now && this.#keyOf(now) === this.#keyOf(old))) continue;
      this.#mark(old, 'whole');
      if (now && batch.partial[row] === 1) this.#moves.set(this.#keyOf(old), now);
    }
  }

  #mark(texts: readonly string[], touch: Touch): void {
    const key = this.#keyOf(texts);
    this.#moves.delete(key);
    if (touch === 'whole' || !this.#keys.has(key)) this.#keys.set(key, touch);
  }

  #keyOf(texts: readonly string[]): string {
    return sameKey(this.#relation, this.#fields, texts);
  }

  #textsOf(image: Image): string[] {
    return this.#fields.map((field) => (image.isNull(field) || image.isUnchanged(field) ? '' : image.text(field)));
  }
}
