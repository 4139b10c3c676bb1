// What happens at the target for each change of a batch, from the images before and after it: insert, update, delete, change of the key, nothing.
import { assert, MillraceError } from '../../base/index.ts';
import { type Batch, BatchBuilder, Before, NULL_FIELD, Op, opNames, type Relation, type Run, transactionOf, UNCHANGED_FIELD } from '../../data/index.ts';
import type { TableRule } from '../spec.ts';
import { Image } from './image.ts';
import type { ChangeFacts } from './making.ts';
import { Shaped, type Shaper } from './shaper.ts';

export interface Written {
  readonly batch: Batch;
  /** Rows of the source's batch that could not be made. */
  readonly rejected: readonly { readonly row: number; readonly error: MillraceError }[];
}

/** Turns batches of a source table into batches in the layout of its target. */
export class ChangeWriter {
  readonly #source: string;
  /** The target's columns as a relation, for the batches. */
  readonly #relation: Relation;
  readonly #shaper: Shaper;
  readonly #deletes: TableRule['deletes'];
  readonly #appendOnly: boolean;
  readonly #after: Image;
  readonly #before: Image;

  constructor(source: string, from: Relation, target: Relation, shaper: Shaper, rule: TableRule | undefined) {
    this.#source = source;
    this.#relation = target;
    this.#shaper = shaper;
    this.#deletes = rule?.deletes ?? 'hard';
    this.#appendOnly = rule?.appendOnly ?? false;
    this.#after = new Image(from);
    this.#before = new Image(from);
  }

  /** `run` tells the commit times; a row that a snapshot read has none. */
  write(batch: Batch, run: Run | undefined): Written {
    const out = new BatchBuilder(this.#relation, this.#shaper.formats(batch.formats));
    const rejected: { row: number; error: MillraceError }[] = [];
    for (let row = 0; row < batch.count; row++) {
      const [after, before] = [out.after.length, out.before.length];
      try {
        this.#change(batch, row, run, out);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        out.after.truncate(after);
        out.before.truncate(before);
        rejected.push({ row, error });
      }
    }
    return { batch: out.build(), rejected };
  }

  #change(batch: Batch, row: number, run: Run | undefined, out: BatchBuilder): void {
    const op = batch.ops[row] as Op;
    const seq = batch.seqs[row] as number;
    const kind = batch.befores[row] as Before;
    const facts = factsOf(this.#source, op, seq, run);
    if (this.#appendOnly && (op === Op.update || (op === Op.delete && this.#deletes !== 'ignore'))) throw notAppended(op);
    if (kind !== Before.none) this.#before.load(batch.before, row, batch.formats);
    switch (op) {
      case Op.read:
      case Op.insert:
        this.#after.load(batch.after, row, batch.formats);
        if (this.#shaper.shape(this.#after, facts, out.after) !== Shaped.out) out.add(op, seq, Before.none, false);
        return;
      case Op.update:
        this.#after.load(batch.after, row, batch.formats, kind === Before.full ? this.#before : undefined);
        return this.#update(kind, facts, seq, out);
      case Op.delete:
        assert(kind !== Before.none, 'a delete without its key');
        if (kind === Before.full && this.#shaper.selective && !this.#shaper.selects(this.#before)) return;
        return this.#delete(this.#before, facts, seq, out);
    }
  }

  #update(kind: Before, facts: ChangeFacts, seq: number, out: BatchBuilder): void {
    const shaped = this.#shaper.shape(this.#after, facts, out.after);
    const wasOut = kind === Before.full && this.#shaper.selective && !this.#shaper.selects(this.#before);
    if (shaped === Shaped.out) {
      if (!wasOut) this.#delete(kind === Before.none ? this.#after : this.#before, facts, seq, out);
    } else if (wasOut) {
      out.add(Op.insert, seq, Before.none, false);
    } else {
      out.add(Op.update, seq, kind === Before.none ? kind : this.#old(this.#before, facts, out), shaped === Shaped.partial);
    }
  }

  #delete(image: Image, facts: ChangeFacts, seq: number, out: BatchBuilder): void {
    if (this.#deletes === 'ignore') return;
    if (this.#deletes === 'hard') {
      out.add(Op.delete, seq, this.#old(image, facts, out), false);
      return;
    }
    this.#shaper.key(image, { ...facts, deleted: true }, UNCHANGED_FIELD, out.after);
    out.add(Op.update, seq, Before.none, true);
  }

  /** Appends what identifies the old row at the target: its key, or all of it where there is none. */
  #old(image: Image, facts: ChangeFacts, out: BatchBuilder): Before {
    if (this.#relation.key.length > 0) {
      this.#shaper.key(image, facts, NULL_FIELD, out.before);
      return Before.key;
    }
    const shaped = this.#shaper.shape(image, facts, out.before);
    assert(shaped === Shaped.whole, 'a full old row has unchanged values');
    return Before.full;
  }
}

function factsOf(source: string, op: Op, seq: number, run: Run | undefined): ChangeFacts {
  const transaction = run && run.transactions.length > 0 ? transactionOf(run, seq) : undefined;
  return { source, op: opNames[op], committedUs: op === Op.read ? undefined : transaction?.timeUs, commit: transaction?.commit, deleted: false };
}

const notAppended = (op: Op): MillraceError =>
  new MillraceError('RULE_INVALID', `${op === Op.update ? 'an update' : 'a delete'} came for a table that is declared appendOnly`, {
    hint: 'give the table a key (or replica identity full) and take appendOnly away',
  });
