// Lanes: sessions that commit one epoch together, each its share of the rows, in transactions of their own. A lane notes in millrace.lanes, in the
// same transaction as its rows, that it has its share of the epoch that comes next for the position; when all have, the position is moved.
// So an epoch of which some shares are there and others are not shows as rows of millrace.lanes that are one epoch ahead of the position.
import { assert, MillraceError } from '../../../base/index.ts';
import { asEpoch, type Epoch, formatLsn, parseLsn, type Position } from '../../../data/index.ts';
import type { ConsumerPosition } from '../../../flow/index.ts';
import { Fence, text } from './fence.ts';
import type { Session } from './session.ts';
import type { Sharing } from './sharing.ts';

/** An epoch that some lanes have, and others do not. */
export interface Begun {
  readonly position: Position;
  readonly sharing: Sharing;
  /** The lanes that have their share. */
  readonly done: ReadonlySet<number>;
}

// Fails with 22012 when another process has taken over.
const note = `with f as (select 1 from millrace.positions where consumer = $1 and part = '' and fence = $4::int8 for share),
  l as (insert into millrace.lanes (consumer, part, lane, epoch, position, sharing) select $1, $2, $3::int4, $5::int8, $6, $7::jsonb from f
    on conflict (consumer, part, lane) do update set epoch = excluded.epoch, position = excluded.position, sharing = excluded.sharing returning 1)
  select 1 / count(*) from l`;

/** What a lane's commits are bound to: the fence of the sink that they belong to. */
export class LaneFence extends Fence {
  readonly #main: Fence;
  readonly #lane: number;
  /** How the epoch is shared that is being committed. */
  sharing: Sharing | undefined;

  constructor(main: Fence, lane: number) {
    super(main.consumer);
    this.#main = main;
    this.#lane = lane;
  }

  override get(part: string): ConsumerPosition | undefined {
    return this.#main.get(part);
  }

  /** A lane has no fence of its own. What became of a commit whose answer did not come is seen by who opens the sink again. */
  override async raise(session: Session, _again: boolean, pending?: object): Promise<readonly ConsumerPosition[]> {
    if (pending) throw new MillraceError('CONNECTION_LOST', 'the connection to the target broke', { where: session.connection.where });
    return Promise.resolve([]);
  }

  override advance(session: Session, part: string, position: Position): void {
    assert(this.sharing, 'a lane that has no share');
    const params = text(this.consumer, part, String(this.#lane), this.#main.number, String(this.#next(part)), formatLsn(position), JSON.stringify(this.sharing));
    session.track({ what: 'fence', promise: session.execute(note, params) });
  }

  override advanced(part: string): Epoch {
    return this.#next(part);
  }

  #next(part: string): Epoch {
    return asEpoch((this.#main.get(part)?.epoch ?? 0n) + 1n);
  }
}

/** The epochs that were begun, by part. */
export async function readBegun({ connection }: Session, consumer: string): Promise<Map<string, Begun>> {
  const rows = await connection.rows<Record<'part' | 'lane' | 'position' | 'sharing', string>>(
    `select l.part, l.lane::text as lane, l.position, l.sharing::text as sharing from millrace.lanes l join millrace.positions p using (consumer, part)
     where consumer = $1 and l.epoch = p.epoch + 1 order by 1, 2`, [consumer]);
  const begun = new Map<string, Begun>();
  for (const [part, lanes] of Map.groupBy(rows, (row) => row.part)) {
    const [first] = lanes as [(typeof lanes)[number]];
    assert(lanes.every(({ position }) => position === first.position), 'lanes of one epoch end at different places');
    begun.set(part, { position: parseLsn(first.position), sharing: JSON.parse(first.sharing) as Sharing, done: new Set(lanes.map(({ lane }) => Number(lane))) });
  }
  return begun;
}
