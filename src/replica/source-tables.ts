// What a part knows of its source's tables: which there were at the start, and up to where a snapshot has their changes already.
import type { Logger } from '../base/index.ts';
import { batchFrom, type Position, type Relation, type Run, tableAddress } from '../data/index.ts';
import type { LoadedChunk, SelectedTables } from '../flow/index.ts';
import { Chunks, RowNotSent } from './chunks.ts';

/** Whether nothing has to be begun anew because of other tables. */
export function sameTables(a: SelectedTables, b: SelectedTables): boolean {
  const nameOf = (relation: Relation): string => `${tableAddress(relation)} ${relation.unsent?.join() ?? ''} ${relation.partitions?.map(({ oid, since }) => `${oid}-${since}`).join() ?? ''}`;
  const known = new Map(a.relations.map((relation) => [relation.oid, nameOf(relation)]));
  return a === b || a.relations.length === b.relations.length && b.relations.every((relation) => known.get(relation.oid) === nameOf(relation) && a.since(relation) === b.since(relation));
}

export class SourceTables {
  readonly #logger: Logger;
  /** OID → address. */
  readonly #tables = new Map<number, string>();
  /** Address → the OID that had it last. */
  readonly #oids = new Map<string, number>();
  /** Tables whose snapshot is newer than the position: their changes up to it are in it already. */
  readonly #snapshots = new Map<string, Position>();
  /** Those of them whose chunks are from several snapshots. */
  readonly #chunks = new Map<string, Chunks>();
  readonly #passedOver = new Set<string>();
  /** Tables that are being read while the stream goes on: it is read again for them later. */
  readonly #joining = new Set<number>();

  constructor(relations: readonly Relation[], logger: Logger) {
    this.#logger = logger;
    for (const relation of relations) this.add(relation);
  }

  /** Passes over the changes of these tables. */
  join(relations: readonly Relation[]): void {
    for (const relation of relations) this.#joining.add(relation.oid);
  }

  get someJoining(): boolean {
    return this.#joining.size > 0;
  }

  /** The position of the oldest snapshot, or of a chunk from an older one. */
  get oldest(): Position | undefined {
    const all = [...this.#snapshots.values(), ...[...this.#chunks.values()].map((chunks) => chunks.oldest)];
    return all.length === 0 ? undefined : all.reduce((a, b) => (a < b ? a : b));
  }

  add(relation: Relation): void {
    const address = tableAddress(relation);
    const other = this.#oids.get(address);
    if (other !== undefined && this.#tables.get(other) === address) this.#tables.delete(other);
    this.#tables.set(relation.oid, address);
    this.#oids.set(address, relation.oid);
  }

  /** The target has what committed before `position`; of these chunks, if there are any, only what committed before theirs. */
  loaded(relation: Relation, position: Position, chunks: readonly LoadedChunk[] = []): void {
    const address = tableAddress(relation);
    this.#snapshots.set(address, position);
    if (chunks.some((chunk) => chunk.position !== position)) this.#chunks.set(address, new Chunks(chunks));
    else this.#chunks.delete(address);
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
    this.#chunks.clear();
  }

  /** A table that is new, or has a new name, is read when the source has told of it; until then its changes are passed over, since its earlier rows are not there. */
  withoutNew(run: Run): Run {
    const isKnown = (relation: Relation): boolean => {
      if (this.#joining.has(relation.oid)) return false;
      const address = tableAddress(relation);
      const known = this.#tables.get(relation.oid) === address;
      if (!known && !this.#passedOver.has(address)) {
        this.#passedOver.add(address);
        this.#logger.info('changes of a table that is new or has a new name are passed over until it is read', { table: address });
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
      const chunks = this.#chunks.get(tableAddress(batch.relation));
      if (chunks) return chunks.withoutLoaded(batch, run);
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
      const chunks = this.#chunks.get(tableAddress(relation));
      // Chunks from before and behind it: what would be left of the older ones cannot be told.
      if (chunks && last !== undefined && last.end > chunks.oldest && last.end <= chunks.newest) throw new RowNotSent(relation);
      return loaded === undefined || (last !== undefined && last.end > loaded);
    });
    return truncate && relations && relations.length > 0 ? { ...rest, batches, truncate: { ...truncate, relations } } : { ...rest, batches };
  }
}
