// Collects the changes of a source into runs: where a run ends, and what is still open.
import { assert } from '../base/index.ts';
import { BatchBuilder, Format } from './batch.ts';
import type { Origin } from './origin.ts';
import { asPosition, type Position } from './position.ts';
import type { Relation } from './relation.ts';
import type { Run, Transaction, Truncate } from './run.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface OpenTransaction {
  xid: number;
  commit: Position;
  timeUs: bigint;
  origin: Origin | undefined;
  /** It has its place in the run: it has done something, or has ended. */
  entered: boolean;
}

/** Hands a finished run to `emit`. The order of calls is the order of the source: begin, rows, commit, begin, … */
export class RunBuilder {
  readonly #emit: (run: Run) => void;
  readonly #openBytesMax: number;
  #batches = new Map<number, BatchBuilder>();
  /** The batches of the run before, for their sizes. */
  #before = new Map<number, BatchBuilder>();
  #transactions: Writable<Transaction>[] = [];
  #open: OpenTransaction | undefined;
  /** Of the run. */
  #origin: Origin | undefined;
  #position: Position;
  #seq = 0;
  #bytesClosed = 0;
  #lastBuilder: BatchBuilder | undefined;

  constructor(position: Position, emit: (run: Run) => void, openBytesMax = 4 << 20) {
    this.#position = position;
    this.#emit = emit;
    this.#openBytesMax = openBytesMax;
  }

  get inTransaction(): boolean {
    return this.#open !== undefined;
  }

  /** Of the open transaction. */
  get xid(): number | undefined {
    return this.#open?.xid;
  }

  get empty(): boolean {
    return this.#transactions.length === 0;
  }

  /** Commit time of the newest transaction, microseconds since 1970-01-01 UTC. */
  get committedUs(): bigint {
    return this.#transactions.at(-1)?.timeUs ?? 0n;
  }

  /** Bytes of the run so far, near enough for limits. */
  get bytes(): number {
    return this.#bytesClosed + (this.#lastBuilder?.bytes ?? 0);
  }

  begin(xid: number, commit: Position, timeUs: bigint): void {
    assert(!this.#open, 'a transaction begins inside another');
    this.#open = { xid, commit, timeUs, origin: undefined, entered: false };
  }

  /** The open transaction was not made at the source. Counts before its first row. */
  origin(origin: Origin): void {
    if (this.#open && !this.#open.entered) this.#open.origin = origin;
  }

  /** Transactions of different origins are not in one run. */
  #enter(): void {
    const open = this.#open as OpenTransaction;
    open.entered = true;
    if (open.origin !== this.#origin && this.#transactions.length > 0) this.#finish(undefined, false);
    this.#origin = open.origin;
    this.#addTransaction();
  }

  /** The builder of a relation's batch in the current run; a relation with a new shape ends the run first. */
  batch(relation: Relation): BatchBuilder {
    if (this.#open?.entered === false) this.#enter();
    if (this.#lastBuilder?.relation === relation) return this.#lastBuilder;
    let builder = this.#batches.get(relation.oid);
    if (builder && builder.relation !== relation) {
      this.flush();
      builder = undefined;
    }
    if (!builder) this.#batches.set(relation.oid, (builder = new BatchBuilder(relation, likelyFormats(relation), this.#before.get(relation.oid))));
    this.#lastBuilder = builder;
    this.#bytesClosed = 0;
    for (const other of this.#batches.values()) if (other !== builder) this.#bytesClosed += other.bytes;
    return builder;
  }

  /** The sequence number for the next row. */
  nextSeq(): number {
    return this.#seq++;
  }

  /** Call it after each row: a transaction larger than the limit is cut into open runs. */
  rowAdded(): void {
    if (this.bytes > this.#openBytesMax) this.flush();
  }

  truncate(truncate: Truncate): void {
    if (this.#open?.entered === false) this.#enter();
    this.#finish(truncate);
  }

  commit(end: Position): void {
    if (this.#open?.entered === false) this.#enter();
    const last = this.#transactions.at(-1);
    assert(this.#open && last, 'a commit without a transaction');
    last.end = end;
    this.#open = undefined;
    this.#position = end;
  }

  /** Ends the run, if it has anything. Within a transaction the run is open. */
  flush(): void {
    if (this.#transactions.length > 0) this.#finish(undefined);
  }

  #addTransaction(): void {
    const { xid, commit, timeUs } = this.#open as OpenTransaction;
    // The end is known only at the commit; until then the next possible position stands for it.
    this.#transactions.push({ xid, commit, end: asPosition(commit + 1n), timeUs, firstSeq: this.#seq });
  }

  /** @param open Whether the open transaction is in this run. */
  #finish(truncate: Truncate | undefined, open = this.#open?.entered === true): void {
    const batches = [...this.#batches.values()].map((builder) => builder.build());
    const run: Run = {
      transactions: this.#transactions,
      batches,
      ...(truncate ? { truncate } : {}),
      open,
      ...(this.#origin === undefined ? {} : { origin: this.#origin }),
      position: this.#position,
    };
    this.#before = this.#batches;
    this.#batches = new Map();
    this.#transactions = [];
    this.#lastBuilder = undefined;
    this.#bytesClosed = 0;
    this.#seq = 0;
    if (open) this.#addTransaction();
    this.#emit(run);
  }
}

/** The formats of columns until a value has shown them: a column may have none but NULLs and unchanged values, which are then read from the target. */
const likelyFormats = (relation: Relation): Uint8Array => Uint8Array.from(relation.columns, (column) => (column.type.binary ? Format.binary : Format.text));
