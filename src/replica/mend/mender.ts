// Mends single rows of a target table: they are read again from a snapshot of the source and written between two epochs of the stream.
//
// The stream never waits for the source here. When the rows of a snapshot are written, the target is behind the snapshot's place in the stream;
// so rows that the stream has changed in between are left out: it has brought them whole, or, where it brought only a part of them, they are
// read again from a newer snapshot. Nothing is overtaken that way.
import { type Clock, MillraceError } from '../../base/index.ts';
import { type Batch, BatchBuilder, Before, Format, NULL_FIELD, Op, type Position, type Relation, type Run, tableAddress } from '../../data/index.ts';
import type { Feed, FeedMembership, Snapshot, TableStep } from '../../flow/index.ts';
import type { Errands } from '../errands.ts';
import type { PartProgress } from '../progress.ts';
import { Image } from '../rules/image.ts';
import type { Route } from '../rules/route.ts';
import type { Routes } from '../rules/routes.ts';
import type { ReplicaTarget } from '../target.ts';
import type { RowKey } from '../verify/compare.ts';
import { keyFields, sameKey } from './mendable.ts';
import { Touched } from './touched.ts';

export interface MenderOptions {
  readonly replica: string;
  readonly feed: Feed;
  readonly part: { readonly source: string; readonly errands: Errands; readonly progress: PartProgress; readonly routes: Routes | undefined };
  readonly target: Pick<ReplicaTarget, 'commit'>;
  readonly clock: Clock;
  /** Addresses at the source and at the target. */
  readonly from: string;
  readonly to: string;
  /** Whether rows that the source does not have go away: not where other source tables fill the target table too. */
  readonly deletes: boolean;
}

/** Rows are written in pieces of about this size. */
const pieceBytes = 4 << 20;
/** A snapshot is not used longer than this, nor when the stream has changed more rows of the table behind it. */
const snapshotMsMax = 5000;
const touchedMax = 200_000;
const roundsMax = 20;
const turnMsMax = 60_000;

interface Cut {
  readonly snapshot: Snapshot;
  readonly relation: Relation;
  readonly takenMs: number;
}

let menders = 0;

export class Mender {
  readonly #options: MenderOptions;
  readonly #signal: AbortSignal;
  readonly #name: string;
  #cut: Cut | undefined;
  /** Keeps what lies behind the snapshot in the log. */
  #membership: FeedMembership | undefined;
  /** Since the beginning, or since the table had its shape. */
  #touched: Touched | undefined;
  /** Keys that rows had after they moved and that have been read again. */
  readonly #followed = new Set<string>();

  constructor(options: MenderOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#name = `${options.replica}, resync ${(menders += 1)}`;
  }

  /** Reads the rows of all keys again. Returns their number. Throws RESYNC_IMPOSSIBLE, NOT_STREAMING; what was written until then stays. */
  async mend(pages: AsyncIterable<readonly RowKey[]>): Promise<number> {
    keyFields(this.#route());
    let rows = 0;
    try {
      this.#membership = this.#options.feed.join(this.#name);
      this.#watch();
      for await (const keys of pages) {
        let left = keys;
        for (let round = 0; left.length > 0; round++) {
          if (round === roundsMax) throw new MillraceError('NOT_STREAMING', `${left.length} rows of ${this.#options.from} change too often to be read again`, { hint: 'try again in a quieter moment' });
          if (round > 1) await this.#options.clock.sleep(50 * round, this.#signal);
          left = await this.#round(left, round > 0);
        }
        rows += keys.length;
      }
      return rows;
    } finally {
      this.#touched?.close();
      this.#membership?.leave();
      await this.#close();
    }
  }

  /** Reads what the stream does to the table from here on. */
  #watch(): Touched {
    const { part, feed, replica } = this.#options;
    const { applied } = part.progress;
    if (applied === undefined) throw new MillraceError('NOT_STREAMING', `replica "${replica}" has not begun`);
    const { end } = feed.stream;
    this.#touched?.close();
    this.#membership?.holds(applied);
    const route = this.#route();
    return (this.#touched = new Touched(feed.stream.read(end !== undefined && applied > end ? end : applied), applied, route.relation, keyFields(route)));
  }

  /** Returns the keys that need another round. */
  async #round(keys: readonly RowKey[], fresh: boolean): Promise<RowKey[]> {
    const cut = await this.#current(fresh);
    const { snapshot, relation } = cut;
    const fields = keyFields(this.#route());
    const missing = new Map(keys.map((key) => [sameKey(relation, fields, key.texts), key]));
    const left: RowKey[] = [];
    let [piece, bytes]: [Batch[], number] = [[], 0];
    const all = new Map(missing);
    for await (const batch of snapshot.read(relation, this.#signal, { fields, keys: keys.map((key) => key.texts) })) {
      for (const texts of keysOf(batch, fields)) missing.delete(sameKey(relation, fields, texts));
      piece.push(batch);
      bytes += batch.after.bytes.length;
      if (bytes < pieceBytes) continue;
      left.push(...await this.#write(cut, fields, piece, [], all));
      [piece, bytes] = [[], 0];
    }
    left.push(...await this.#write(cut, fields, piece, [...missing.values()], all));
    return [...new Map(left.map((key) => [sameKey(relation, fields, key.texts), key])).values()];
  }

  /** Writes rows of a snapshot, and that some are not in it, at the next turn. Returns the keys that need another round. */
  async #write(cut: Cut, fields: readonly number[], batches: readonly Batch[], gone: readonly RowKey[], all: ReadonlyMap<string, RowKey>): Promise<RowKey[]> {
    const { part, target, clock } = this.#options;
    const untilMs = clock.monotonic() + turnMsMax;
    const touched = this.#touched as Touched;
    for (;;) {
      // Most of it is read before its turn, which holds up the stream.
      await touched.advance(part.progress.applied ?? touched.position);
      const left = await part.errands.run(async (applied) => {
        if (part.progress.phase !== 'streaming' || applied < cut.snapshot.position) return undefined;
        const route = this.#route();
        await touched.advance(applied);
        if (route.relation.version !== cut.relation.version || touched.relation.version !== cut.relation.version || touched.reshaped) return [...all.values()];
        const steps = this.#steps(route, fields, batches, gone, applied, (texts) => touched.of(sameKey(cut.relation, fields, texts), cut.snapshot.position) === undefined);
        if (steps.length > 0) await target.commit(part.source, applied, steps);
        return [...all].flatMap(([key, wanted]) => [
          ...(touched.of(key, cut.snapshot.position) === 'part' ? [wanted] : []),
          ...touched.movedTo(key).filter((texts) => this.#follows(sameKey(cut.relation, fields, texts))).map((texts) => ({ texts, atTarget: false })),
        ]);
      }, turnMsMax, this.#signal);
      if (left) return left;
      if (clock.monotonic() > untilMs) throw new MillraceError('NOT_STREAMING', `replica "${this.#options.replica}" is behind its source`, { hint: 'try again when it has caught up' });
      await clock.sleep(20, this.#signal);
    }
  }

  /** A key is followed once. */
  #follows(key: string): boolean {
    const isNew = !this.#followed.has(key);
    this.#followed.add(key);
    return isNew;
  }

  #steps(
    route: Route, fields: readonly number[], batches: readonly Batch[], gone: readonly RowKey[], applied: Position, untouched: (texts: readonly string[]) => boolean,
  ): TableStep[] {
    const { relation } = route;
    const run = (batch: Batch): Run =>
      ({ transactions: [{ xid: 0, commit: applied, end: applied, timeUs: BigInt(Math.round(this.#options.clock.now())) * 1000n, firstSeq: 0 }], batches: [batch], open: false, position: applied });
    // That others are gone has come with the stream: a delete of one would only join the letters that wait for its row, and keep them.
    const left = gone.filter((key) => this.#options.deletes && key.atTarget && untouched(key.texts));
    const rows = batches.map((batch) => {
      const keys = keysOf(batch, fields);
      return only(batch, (row) => untouched(keys[row] as string[]));
    });
    const steps = (batch: Batch): TableStep[] => {
      const write = batch.count === 0 ? undefined : route.write(batch, run(batch));
      return write ? [{ kind: 'rows', writes: [write] }] : [];
    };
    // A row that the rules leave out is not at the target either.
    if (this.#options.deletes && (route.rule?.where !== undefined || route.rule?.row)) {
      for (const batch of rows) {
        for (const [row, texts] of keysOf(batch, fields).entries()) if (steps(only(batch, (at) => at === row)).length === 0) left.push({ texts, atTarget: true });
      }
    }
    return [...(left.length > 0 ? [deletesOf(relation, fields, left)] : []), ...rows].flatMap(steps);
  }

  #route(): Route {
    const { part, from, to } = this.#options;
    for (const relation of part.routes?.relations ?? []) {
      const route = tableAddress(relation) === from ? part.routes?.for(relation).find(({ target }) => tableAddress(target) === to) : undefined;
      if (route) return route;
    }
    throw new MillraceError('RESYNC_IMPOSSIBLE', `${from} does not go to ${to} at the moment`, { hint: 'see `millrace status`' });
  }

  async #current(fresh: boolean): Promise<Cut> {
    const { feed, clock } = this.#options;
    const known = this.#cut;
    if (known && !fresh && clock.monotonic() - known.takenMs < snapshotMsMax && (this.#touched?.size ?? 0) < touchedMax) return known;
    await this.#close();
    const { relation: wanted } = this.#route();
    let touched = this.#touched as Touched;
    if (touched.reshaped || touched.relation.version !== wanted.version) touched = this.#watch();
    const snapshot = await feed.source.snapshot([wanted], this.#signal);
    const relation = snapshot.relations.find((one) => one.oid === wanted.oid);
    if (!relation) {
      await snapshot.close();
      throw new MillraceError('RESYNC_IMPOSSIBLE', `${tableAddress(wanted)} is gone`);
    }
    touched.forget(snapshot.position);
    this.#membership?.holds(touched.position);
    return (this.#cut = { snapshot, relation, takenMs: clock.monotonic() });
  }

  async #close(): Promise<void> {
    const cut = this.#cut;
    this.#cut = undefined;
    await cut?.snapshot.close();
  }
}

/** Deletes of rows by their keys, as a source would send them. */
function deletesOf(relation: Relation, fields: readonly number[], keys: readonly RowKey[]): Batch {
  const out = new BatchBuilder(relation, new Uint8Array(relation.columns.length).fill(Format.text));
  for (const [seq, { texts }] of keys.entries()) {
    out.before.i16(relation.columns.length);
    for (const [field] of relation.columns.entries()) {
      const text = texts[fields.indexOf(field)];
      if (text === undefined) out.before.i32(NULL_FIELD);
      else {
        const bytes = Buffer.from(text);
        out.before.i32(bytes.length).bytes(bytes);
      }
    }
    out.add(Op.delete, seq, Before.key, false);
  }
  return out.build();
}

/** The keys of a batch's rows. */
function keysOf(batch: Batch, fields: readonly number[]): string[][] {
  const image = new Image(batch.relation);
  return Array.from({ length: batch.count }, (_, row) => {
    image.load(batch.after, row, batch.formats);
    return fields.map((field) => image.text(field));
  });
}

/** Some rows of a snapshot. */
function only(batch: Batch, takes: (row: number) => boolean): Batch {
  const out = new BatchBuilder(batch.relation, batch.formats);
  for (let row = 0; row < batch.count; row++) {
    if (!takes(row)) continue;
    out.after.bytes(batch.after.bytes, batch.after.offsets[row], batch.after.offsets[row + 1]);
    out.add(Op.read, out.count, Before.none, false);
  }
  return out.build();
}
