// What a part knows of its source's tables: which there were at the start, and up to where a snapshot has their changes already.
import type { Logger } from '../base/index.ts';
import { batchFrom, type Position, type Relation, type Run, tableAddress } from '../data/index.ts';

export class SourceTables {
  readonly #logger: Logger;
  /** OID → address. */
  readonly #tables = new Map<number, string>();
  /** Tables whose snapshot is newer than the position: their changes up to it are in it already. */
  readonly #snapshots = new Map<string, Position>();
  readonly #passedOver = new Set<string>();

  constructor(relations: readonly Relation[], logger: Logger) {
    this.#logger = logger;
    for (const relation of relations) this.add(relation);
  }

  add(relation: Relation): void {
    this.#tables.set(relation.oid, tableAddress(relation));
  }

  /** The target has what committed before `position`. */
  loaded(relation: Relation, position: Position): void {
    this.#snapshots.set(tableAddress(relation), position);
  }

  /** The position of the newest snapshot: from there on all tables show the same moment. */
  get consistentFrom(): bigint {
    return [...this.#snapshots.values()].reduce((a, b) => (a > b ? a : b), 0n);
  }

  /** Whether changes may be in a snapshot already. */
  get someLoaded(): boolean {
    return this.#snapshots.size > 0;
  }

  /** The position has passed every snapshot. */
  forgetSnapshots(): void {
    this.#snapshots.clear();
  }

  /** A table that is new, or has a new name, is read at the next start; until then its changes are passed over, since its earlier rows are not there. */
  withoutNew(run: Run): Run {
    const isKnown = (relation: Relation): boolean => {
      const address = tableAddress(relation);
      const known = this.#tables.get(relation.oid) === address;
      if (!known && !this.#passedOver.has(address)) {
        this.#passedOver.add(address);
        this.#logger.warn('a table is new or has a new name: it is read at the next start', { table: address });
      }
      return known;
    };
    if (run.batches.every((batch) => isKnown(batch.relation)) && (run.truncate?.relations ?? []).every(isKnown)) return run;
    const { truncate, ...rest } = run;
    const relations = truncate?.relations.filter(isKnown) ?? [];
    return { ...rest, batches: run.batches.filter((batch) => isKnown(batch.relation)), ...(truncate && relations.length > 0 ? { truncate: { ...truncate, relations } } : {}) };
  }

  /** A run without the rows that a table's snapshot has already. */
  withoutLoaded(run: Run): Run {
    if (this.#snapshots.size === 0) return run;
    const batches = run.batches.flatMap((batch) => {
      const loaded = this.#snapshots.get(tableAddress(batch.relation));
      if (loaded === undefined) return [batch];
      const firstNew = run.transactions.find((transaction) => transaction.end > loaded);
      if (!firstNew) return [];
      let from = 0;
      while (from < batch.count && (batch.seqs[from] as number) < firstNew.firstSeq) from += 1;
      return from === batch.count ? [] : [batchFrom(batch, from)];
    });
    const last = run.transactions.at(-1);
    const { truncate, ...rest } = run;
    const relations = truncate?.relations.filter((relation) => {
      const loaded = this.#snapshots.get(tableAddress(relation));
      return loaded === undefined || (last !== undefined && last.end > loaded);
    });
    return truncate && relations && relations.length > 0 ? { ...rest, batches, truncate: { ...truncate, relations } } : { ...rest, batches };
  }
}
