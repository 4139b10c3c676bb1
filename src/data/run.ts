// Run: the element of a stream, consecutive transactions of one source.
import { assert } from '../base/index.ts';
import { type Batch, batchBytes } from './batch.ts';
import type { Position } from './position.ts';
import type { Origin } from './origin.ts';
import type { Relation } from './relation.ts';

/** A transaction of the source, or the part of it that lies in this run. */
export interface Transaction {
  readonly xid: number;
  /** Where its commit record lies; the order of commits. */
  readonly commit: Position;
  /** The position of a consumer that has it: just behind its commit record. */
  readonly end: Position;
  /** Commit time, microseconds since 1970-01-01 UTC. */
  readonly timeUs: bigint;
  /** The first sequence number of its rows in this run. Its rows end where the next transaction's begin. */
  readonly firstSeq: number;
}

/** A TRUNCATE. It carries all its relations, since truncating a parent of a foreign key alone fails. */
export interface Truncate {
  readonly relations: readonly Relation[];
  readonly cascade: boolean;
  readonly restartIdentity: boolean;
}

/**
 * Consecutive transactions of one source, one batch a relation, each row with its sequence number in the run.
 * A change of a relation's shape and a TRUNCATE end a run, also within a transaction, and so does a size limit: then `open` is true,
 * the last transaction goes on in the next run, and no consumer may commit before a run that is not open.
 */
export interface Run {
  readonly transactions: readonly Transaction[];
  readonly batches: readonly Batch[];
  /** Happens after all rows of the run. */
  readonly truncate?: Truncate;
  readonly open: boolean;
  /** Of all its transactions; absent: they were made at the source. */
  readonly origin?: Origin;
  /** Where a consumer stands that has this run: the end of its last whole transaction (the position before it, if it has none). */
  readonly position: Position;
}

export const runRows = (run: Run): number => run.batches.reduce((sum, batch) => sum + batch.count, 0);

export const runBytes = (run: Run): number => run.batches.reduce((sum, batch) => sum + batchBytes(batch), 64 + run.transactions.length * 48);

/** The transaction that the row with this sequence number belongs to (binary search). */
export function transactionOf(run: Run, seq: number): Transaction {
  let low = 0;
  let high = run.transactions.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((run.transactions[middle] as Transaction).firstSeq <= seq) low = middle;
    else high = middle - 1;
  }
  const found = run.transactions[low];
  assert(found, 'a row without a transaction');
  return found;
}

/** Index of the first row of a batch whose sequence number is at least `seq`. */
export function firstRowFrom(batch: Batch, seq: number): number {
  let low = 0;
  let high = batch.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((batch.seqs[middle] as number) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows `from` to the end as a batch of its own, without copying row bytes. */
export function batchFrom(batch: Batch, from: number): Batch {
  if (from === 0) return batch;
  return {
    relation: batch.relation,
    count: batch.count - from,
    formats: batch.formats,
    ops: batch.ops.subarray(from),
    seqs: batch.seqs.subarray(from),
    befores: batch.befores.subarray(from),
    partial: batch.partial.subarray(from),
    after: { bytes: batch.after.bytes, offsets: batch.after.offsets.subarray(from) },
    before: { bytes: batch.before.bytes, offsets: batch.before.offsets.subarray(from) },
  };
}

/**
 * The part of a run that a consumer at `position` does not have: transactions whose end is behind it. Undefined when it has all of it.
 * Runs may be grouped differently each time the source is read, so a consumer's position can lie inside one.
 */
export function runAfter(run: Run, position: Position): Run | undefined {
  const { transactions } = run;
  const first = transactions.findIndex((transaction) => transaction.end > position);
  if (first === 0) return run;
  if (first < 0) return run.position > position ? { ...run, transactions: [], batches: [] } : undefined;
  const seq = (transactions[first] as Transaction).firstSeq;
  const batches = run.batches.map((batch) => batchFrom(batch, firstRowFrom(batch, seq))).filter((batch) => batch.count > 0);
  return { ...run, transactions: transactions.slice(first), batches };
}
