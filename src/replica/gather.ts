// Gathers runs into epochs: as much as is there, up to a limit, always whole transactions, and never past a hold.
import type { Clock } from '../base/index.ts';
import { AbandonedTransaction, type StreamReader } from '../bus/index.ts';
import { asPosition, batchFrom, type Origin, firstRowFrom, type Position, type Run, runAfter, runBytes, runRows, type Transaction } from '../data/index.ts';

export interface Gathered {
  readonly runs: readonly Run[];
  /** Where the consumer stands once these are applied. */
  readonly position: Position;
  readonly rows: number;
  /** Of all runs; see Run. */
  readonly origin?: Origin | undefined;
  /** The rest of a transaction is missing that is too large to be gathered whole: read it by `pieces`, from where the epoch begins. */
  readonly tooLarge: boolean;
}

export interface GatherLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** An epoch has rows of about this many tables at the most, unless one transaction has: each takes locks of the target, of which there is a limited number. */
  readonly tablesMax: number;
  /** A transaction that would make an epoch larger than this is given out in pieces of `bytesMax`. */
  readonly wholeBytesMax: number;
  /**
   * An epoch of changes that are late already waits for more of them, since large epochs cost less a row: by a tenth of their age, up to
   * this. With few rows it does not wait, so that a source whose clock is wrong has no slow replica.
   */
  readonly lingerMsMax: number;
  readonly lingerRowsMin: number;
  /** Whether changes of an origin are left out. */
  readonly leavesOut?: (origin: Origin) => boolean;
}

/** Whether a run has a transaction, whole or begun, that does not end at or before `position`. */
const passes = (run: Run, position: Position): boolean => run.position > position || (run.open && (run.transactions.at(-1)?.commit ?? 0n) >= position);

/** Whether the transaction that a run goes on with ends in it, at or before `position`: then the run can be cut behind it. */
function endsBefore({ transactions, open }: Run, position: Position): boolean {
  const [first] = transactions;
  return first !== undefined && first.end <= position && (transactions.length > 1 || !open);
}

/** The part of a run up to the transactions that end at or before `position`, as a run that is not open. */
function runUpTo(run: Run, position: Position): Run {
  if (!passes(run, position)) return run;
  const cut = run.transactions.findIndex((transaction) => transaction.end > position);
  if (cut < 0) return { ...run, position };
  const seq = run.transactions[cut]?.firstSeq ?? 0;
  const batches = run.batches.map((batch) => ({ ...batchFrom(batch, 0), count: firstRowFrom(batch, seq) })).filter((batch) => batch.count > 0);
  return { transactions: run.transactions.slice(0, cut), batches, ...(run.origin === undefined ? {} : { origin: run.origin }), open: false, position };
}

/** The transactions at the beginning of a run that have rows of no more than `left` tables that are not among `known`; undefined: all. */
function roomFor({ batches, transactions }: Run, known: ReadonlySet<number>, left: number): readonly Transaction[] | undefined {
  const begins = batches.filter((batch) => batch.count > 0 && !known.has(batch.relation.oid)).map((batch) => batch.seqs[0] as number).sort((a, b) => a - b);
  const tooMany = begins[left];
  return tooMany === undefined ? undefined : transactions.filter((_, i) => (transactions[i + 1]?.firstSeq ?? Infinity) <= tooMany);
}

/** Whether a run changes something, or begins a transaction that may. */
const counts = (run: Run): boolean => run.batches.length > 0 || run.truncate !== undefined || run.open;

const originOf = (runs: readonly Run[]): Origin | undefined => runs.find(counts)?.origin;

export class Gatherer {
  readonly #reader: StreamReader;
  readonly #limits: GatherLimits;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** A run, or the rest of one, that was read but not yet given out. */
  #left: Run | undefined;
  #isIdle = false;
  /** No transaction that ends behind this position is given out. */
  hold: Position | undefined;

  constructor(reader: StreamReader, limits: GatherLimits, clock: Clock, signal: AbortSignal) {
    this.#reader = reader;
    this.#limits = limits;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Nothing is gathered or given out: what comes next will meet the hold. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /**
   * The next epoch behind `from`; waits until something is there. Undefined when the reader was closed, or when the hold is reached: then
   * `from` is as far as one can go without passing it.
   */
  next(from: Position): Promise<Gathered | undefined> {
    return this.#gather(from, true);
  }

  /** What is there already behind `from`, as the next epoch; undefined when that is nothing. */
  ahead(from: Position): Promise<Gathered | undefined> {
    return this.#gather(from, false);
  }

  async #gather(from: Position, waits: boolean): Promise<Gathered | undefined> {
    const runs: Run[] = [];
    let [rows, bytes, position] = [0, 0, from];
    let lingers = waits;
    const tables = new Set<number>();
    for (;;) {
      const whole = runs.length === 0 || runs.at(-1)?.open === false;
      if (whole && (rows >= this.#limits.rowsMax || bytes >= this.#limits.bytesMax || tables.size >= this.#limits.tablesMax)) break;
      if (!whole && bytes > this.#limits.wholeBytesMax) return { runs: [], position: from, rows, tooLarge: true };
      this.#isIdle = waits && runs.length === 0;
      const read: Run | undefined = this.#left ?? (await this.#reader.next(runs.length === 0 ? waits : !whole));
      this.#isIdle = false;
      this.#left = undefined;
      if (!read) {
        if (!whole) return undefined; // closed inside a transaction: nothing of it may be applied
        const waitMs = lingers && rows >= this.#limits.lingerRowsMin && !this.#signal.aborted ? this.#lingerMs(runs) : 0;
        if (waitMs < 1) break;
        lingers = false;
        await this.#clock.sleep(waitMs, this.#signal);
        continue;
      }
      let run = whole ? runAfter(this.#own(read), position) : this.#own(read);
      if (!run) continue;
      // One commit has one origin.
      if (whole && runs.some(counts) && counts(run) && run.origin !== originOf(runs)) {
        this.#left = run;
        break;
      }
      if (this.hold !== undefined && (whole || endsBefore(run, this.hold)) && passes(run, this.hold)) {
        this.#left = run;
        run = runUpTo(run, this.hold);
        if (whole && run.position <= position && run.batches.length === 0) break;
      }
      const room = whole ? roomFor(run, tables, this.#limits.tablesMax - tables.size) : undefined;
      const fits: Transaction | undefined = room?.at(-1) ?? (room && runs.length === 0 && run.transactions.length > 1 ? run.transactions[0] : undefined);
      if (room && (fits || runs.length > 0)) {
        this.#left ??= run;
        if (!fits) break;
        run = runUpTo(run, fits.end);
      }
      runs.push(run);
      for (const batch of run.batches) tables.add(batch.relation.oid);
      rows += runRows(run);
      bytes += runBytes(run);
      if (!run.open) position = run.position;
      if (room && fits) break;
    }
    return runs.length === 0 ? undefined : { runs, position, rows, origin: originOf(runs), tooLarge: false };
  }

  /** Everything behind `from` up to `end`, where a transaction ends, as one epoch of any size; undefined when the reader was closed before that. */
  async upTo(from: Position, end: Position): Promise<Gathered | undefined> {
    const runs: Run[] = [];
    let [rows, position] = [0, from];
    while (position < end) {
      const read = await this.#reader.next(true);
      if (!read) return undefined;
      const whole = runs.at(-1)?.open !== true;
      const run = whole ? runAfter(this.#own(read), position) : this.#own(read);
      if (!run) continue;
      const cut = runUpTo(run, end);
      runs.push(cut);
      rows += runRows(cut);
      if (!cut.open) position = cut.position;
    }
    return { runs, position, rows, origin: originOf(runs), tooLarge: false };
  }

  /** A run without what is left out. */
  #own(run: Run): Run {
    if (run.origin === undefined || this.#limits.leavesOut?.(run.origin) !== true) return run;
    const { transactions, open, position } = run;
    return { transactions, batches: [], open, position };
  }

  /**
   * An epoch behind `from` in pieces, the last of which is the first that ends a transaction. `position` is where the epoch ends, in the last
   * piece, and no more than that in the others. Throws AbandonedTransaction when the reader is closed before that.
   */
  async *pieces(from: Position): AsyncGenerator<Omit<Gathered, 'tooLarge'>, void> {
    for (let inside = false; ; ) {
      const runs: Run[] = [];
      let [rows, bytes] = [0, 0];
      while (runs.length === 0 || (runs.at(-1)?.open && rows < this.#limits.rowsMax && bytes < this.#limits.bytesMax)) {
        const read = await this.#reader.next(true);
        if (!read) throw new AbandonedTransaction();
        const run = inside ? this.#own(read) : runAfter(this.#own(read), from);
        if (!run) continue;
        inside = true;
        runs.push(run);
        rows += runRows(run);
        bytes += runBytes(run);
      }
      const last = runs.at(-1) as Run;
      yield { runs, rows, origin: originOf(runs), position: last.open ? asPosition(last.transactions.at(-1)?.commit ?? from) : last.position };
      if (!last.open) return;
    }
  }

  #lingerMs(runs: readonly Run[]): number {
    const oldest = runs.find((run) => run.transactions.length > 0)?.transactions[0];
    return oldest ? Math.min(this.#limits.lingerMsMax, (this.#clock.now() - Number(oldest.timeUs / 1000n)) / 10) : 0;
  }
}
