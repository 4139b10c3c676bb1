// The sink of a replica with `transactions: split` and `parallel: N`: N lanes, each a sink with a session of its own, commit an epoch together.
//
// What makes it exactly once: a lane's rows commit with its note that it has its share of this epoch. No lane begins an epoch before all have the
// one before and the position has moved behind it. So after a crash at most one epoch is begun. It is applied again first, shared as it was,
// whatever `parallel` says by then, up to exactly the same place; lanes that have their share leave it out.
import { assert, MillraceError } from '../../../base/index.ts';
import { type Origin, type Position, tableAddress } from '../../../data/index.ts';
import { type Committed, type ConsumerPosition, type Piece, TablesRefused, type TableStep } from '../../../flow/index.ts';
import { forgetLoads } from './bookkeeping.ts';
import { type Begun, LaneFence, readBegun } from './lanes.ts';
import { grantHint } from './references.ts';
import { mayBeShared, shareOut, type Sharing, sharedOtherwise, type SharingLimits, shareTables } from './sharing.ts';
import { PostgresSink, type PostgresSinkOptions } from './sink.ts';

export interface ParallelSinkOptions extends PostgresSinkOptions {
  /** How many sessions write at a time. */
  readonly lanes: number;
  readonly sharing?: SharingLimits;
}

const usualLimits: SharingLimits = { rowsMin: 1000, tableRowsMin: 100 };
const nothing: Committed = { rows: 0, deadLetters: 0 };

interface LaneSink {
  readonly sink: PostgresSink;
  readonly fence: LaneFence;
}

export class ParallelSink extends PostgresSink {
  readonly #options: ParallelSinkOptions;
  readonly #lanes: LaneSink[] = [];
  #begun = new Map<string, Begun>();
  /** An epoch was left begun: only who opens the sink again can go on. */
  #torn = false;

  constructor(options: ParallelSinkOptions) {
    super(options);
    this.#options = options;
  }

  override async open(): Promise<readonly ConsumerPosition[]> {
    const positions = await super.open();
    this.#begun = await readBegun(this.openSession, this.#options.consumer);
    this.#torn = false;
    return positions.map((position) => {
      const begun = this.#begun.get(position.part);
      return begun ? { ...position, begun: begun.position } : position;
    });
  }

  override async close(): Promise<void> {
    await Promise.all(this.#lanes.splice(0).map(({ sink }) => sink.close()));
    await super.close();
  }

  override tablesChanged(): void {
    super.tablesChanged();
    for (const { sink } of this.#lanes) sink.tablesChanged();
  }

  override async commit(part: string, position: Position, steps: readonly TableStep[], origin?: Origin): Promise<Committed> {
    this.#mustBeWhole();
    const begun = this.#begun.get(part);
    assert(!begun || begun.position === position, 'an epoch that is begun must be ended first');
    const sharing = begun?.sharing ?? (await this.#sharingOf(part, position, steps));
    if (!sharing) return super.commit(part, position, steps, origin);
    const shares = await this.#shares(part, steps, sharing);
    if (!begun && shares.filter((share) => share.length > 0).length < 2) return super.commit(part, position, steps, origin);
    this.#torn = true;
    const outcomes = await Promise.allSettled(shares.map((share, lane) => (share.length === 0 || begun?.done.has(lane) ? Promise.resolve(nothing) : this.#commitLane(lane, sharing, part, position, share, origin))));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    await super.commit(part, position, []);
    this.#torn = false;
    this.#begun.delete(part);
    const all = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : nothing));
    const sum = all.reduce((a, b) => ({ rows: a.rows + b.rows, deadLetters: a.deadLetters + b.deadLetters }));
    if (sum.deadLetters > 0) this.lettersChanged();
    return sum;
  }

  override async commitPieces(part: string, pieces: () => AsyncIterable<Piece<TableStep>>): Promise<Committed> {
    this.#mustBeWhole();
    assert(!this.#begun.has(part), 'an epoch that is begun must be ended first');
    return super.commitPieces(part, pieces);
  }

  override async join(part: string, position: Position, applied: Position): Promise<void> {
    this.#mustBeWhole();
    assert(!this.#begun.has(part), 'an epoch that is begun must be ended first');
    await super.join(part, position, applied);
  }

  #mustBeWhole(): void {
    if (this.#torn) throw new MillraceError('TARGET_BUSY', 'an epoch has been committed by some sessions and not by others', { hint: 'open the sink again and go on from its positions' });
  }

  /** How an epoch is shared; undefined where one session takes it whole, as all do that do not move the position. */
  async #sharingOf(part: string, position: Position, steps: readonly TableStep[]): Promise<Sharing | undefined> {
    const { lanes, sharing = usualLimits } = this.#options;
    if (lanes < 2 || !mayBeShared(steps, sharing) || position <= (this.fence.get(part)?.position ?? position)) return undefined;
    const known = await this.lookAt(steps);
    for (const step of steps) {
      for (const write of step.kind === 'rows' ? step.writes : []) {
        if (!known.replicaRole && write.rows?.length !== 0 && known.layoutOf(write).shape.dependent) throw dependent(tableAddress(write.target), this.#options.connect.user);
      }
    }
    return shareTables(steps, lanes, sharing, known);
  }

  async #shares(part: string, steps: readonly TableStep[], sharing: Sharing): Promise<TableStep[][]> {
    const known = await this.lookAt(steps);
    const otherwise = sharedOtherwise(steps, sharing, known);
    if (otherwise.length > 0) {
      // Which of its rows are there cannot be told.
      await forgetLoads(this.openSession.connection, this.#options.consumer, part, otherwise);
      throw new MillraceError('TARGET_BUSY', `the key of ${otherwise.join(', ')} is another one than when a part of its rows was committed`, { hint: 'nothing: the table is read again' });
    }
    return shareOut(steps, sharing, known);
  }

  async #commitLane(lane: number, sharing: Sharing, part: string, position: Position, share: readonly TableStep[], origin: Origin | undefined): Promise<Committed> {
    for (let i = this.#lanes.length; i <= lane; i++) {
      const fence = new LaneFence(this.fence, i);
      this.#lanes.push({ fence, sink: new PostgresSink(this.#options, { fence, database: () => this.database }) });
    }
    const { sink, fence } = this.#lanes[lane] as LaneSink;
    fence.sharing = sharing;
    return sink.commit(part, position, share, origin);
  }
}

/** Why a table cannot be written by several sessions. */
const dependent = (address: string, user: string): TablesRefused => new TablesRefused('target', [address], new MillraceError('TARGET_MISMATCH',
  `${address} has foreign keys or triggers that the role may not switch off, so its rows can only be written in the source's order, by one session: not with \`parallel\``,
  { hint: `${grantHint(user)}; or drop them at the target; or set \`parallel: 1\`` }));
