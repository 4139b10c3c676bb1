// A table whose ranges of keys were read in snapshots of different moments: which changes the target has already, row by row.
import { assert, MillraceError } from '../base/index.ts';
import { type Batch, BatchBuilder, Before, keyOfTuple, Op, type Position, rangeKey, type Relation, type Run, tableAddress, transactionOf } from '../data/index.ts';
import type { LoadedChunk } from '../flow/index.ts';

/**
 * A row moved to a range that was read before the move, out of one that was read behind it, and the source did not send all of it (a large value
 * that did not change): it is nowhere at the target. The table has to be read again.
 */
export class RowNotSent extends MillraceError {
  readonly relation: Relation;

  constructor(relation: Relation) {
    super('SERVER_ERROR', `rows of ${tableAddress(relation)} moved between its chunks while it was read`, { retriable: true, hint: 'nothing: the table is read again' });
    this.relation = relation;
  }
}

export class Chunks {
  readonly oldest: Position;
  readonly newest: Position;
  /** Ascending; a range ends where the next begins. */
  readonly #chunks: readonly LoadedChunk[];

  /** @param chunks They cover all keys. */
  constructor(chunks: readonly LoadedChunk[]) {
    this.#chunks = chunks.toSorted(({ keys: { from: a } }, { keys: { from: b } }) => (a === b ? 0 : a === undefined || (b !== undefined && a < b) ? -1 : 1));
    const positions = chunks.map((chunk) => chunk.position);
    this.oldest = positions.reduce((a, b) => (a < b ? a : b));
    this.newest = positions.reduce((a, b) => (a > b ? a : b));
  }

  /**
   * The changes of a batch that the target does not have. What an update did to a row counts at both of its keys: where only the old one is in a
   * snapshot from behind the change, an insert remains; where only the new one is, a delete.
   */
  withoutLoaded(batch: Batch, run: Run): Batch[] {
    if (run.transactions.every(({ end }) => end > this.newest)) return [batch];
    if (run.transactions.every(({ end }) => end <= this.oldest)) return [];
    const { relation, formats } = batch;
    const key = rangeKey(relation);
    assert(key, 'chunks of a table whose keys have no order');
    const rest = new BatchBuilder(relation, formats);
    for (let row = 0; row < batch.count; row++) {
      const { end } = transactionOf(run, batch.seqs[row] as number);
      const has = ({ bytes, offsets }: Batch['after']): boolean | undefined =>
        offsets[row] === offsets[row + 1] ? undefined : end <= this.#positionOf(keyOfTuple(bytes, offsets[row] as number, key, formats));
      const hasNew = has(batch.after);
      const hasOld = has(batch.before) ?? hasNew;
      const op = batch.ops[row] as Op;
      if (hasOld && (hasNew ?? true)) continue;
      if (hasOld && batch.partial[row] === 1) throw new RowNotSent(relation);
      if (hasNew !== undefined && !(hasNew && !hasOld)) rest.after.bytes(batch.after.bytes, batch.after.offsets[row], batch.after.offsets[row + 1]);
      if (!hasOld) rest.before.bytes(batch.before.bytes, batch.before.offsets[row], batch.before.offsets[row + 1]);
      const left = op !== Op.update || hasOld === hasNew ? op : hasOld ? Op.insert : Op.delete;
      rest.add(left, batch.seqs[row] as number, hasOld ? Before.none : (batch.befores[row] as Before), left !== Op.delete && batch.partial[row] === 1);
    }
    return rest.count === 0 ? [] : [rest.build()];
  }

  #positionOf(key: bigint): Position {
    let [low, high] = [0, this.#chunks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const { from } = (this.#chunks[middle] as LoadedChunk).keys;
      if (from === undefined || from <= key) low = middle;
      else high = middle - 1;
    }
    return (this.#chunks[low] as LoadedChunk).position;
  }
}
