// The consumer's rows in millrace.positions: who may write (fence), how far it is (epoch, position).
import { MillraceError } from '../../../base/index.ts';
import { asEpoch, type Epoch, formatLsn, parseLsn, type Position, type SourceIdentity } from '../../../data/index.ts';
import type { ConsumerPosition } from '../../../flow/index.ts';
import { type ConnectOptions, describePgError, PgConnection, PgError } from '../../../wire/index.ts';
import type { Session } from './session.ts';

export const text = (...values: (string | null)[]): (Buffer | null)[] => values.map((value) => (value === null ? null : Buffer.from(value)));

// Raising the fence waits for a commit of a predecessor that is under way; a plain read would return the old epoch.
const take = `insert into millrace.positions as p (consumer, part, fence) values ($1, '', 1)
  on conflict (consumer, part) do update set fence = p.fence + 1, updated_at = pg_catalog.now() returning fence::text`;
const takeAgain = `update millrace.positions set fence = fence + 1, updated_at = pg_catalog.now() where consumer = $1 and part = '' and fence = $2::int8 returning fence::text`;
const takeParts = `update millrace.positions set fence = $2::int8 where consumer = $1 and part <> ''
  returning part, epoch::text, position, system_id, timeline::text`;

// The divisions fail with 22012 when no row matches, so that what follows in the pipeline fails too.
const advance = `with p as (update millrace.positions set epoch = epoch + 1, position = $5, system_id = $6, timeline = $7::int4, updated_at = pg_catalog.now()
  where consumer = $1 and part = $2 and fence = $3::int8 and epoch = $4::int8 returning 1) select 1 / count(*) from p`;
const first = `with f as (select 1 from millrace.positions where consumer = $1 and part = '' and fence = $3::int8 for share),
  p as (insert into millrace.positions (consumer, part, fence, epoch, position, system_id, timeline)
    select $1, $2, $3::int8, $4::int8 + 1, $5, $6, $7::int4 from f on conflict do nothing returning 1) select 1 / count(*) from p`;
/** Sessions that block this one and wait for their client: whoever raises the fence is the owner now, and theirs may be gone without a word. */
const breakOff = `select pg_catalog.pg_terminate_backend(b.pid) from pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) b(pid)
  join pg_catalog.pg_stat_activity a using (pid) where a.wait_event_type = 'Client' and a.usename = current_user`;
// What looks at the fence only at its end holds this lock until then: it keeps rows and tables from a successor, and its process may be gone
// without a word. Two numbers: "mill" in ASCII, and the consumer.
const longKey = 0x6d696c6c;
const markLong = `select pg_catalog.pg_advisory_xact_lock_shared(${longKey}, pg_catalog.hashtext($1))`;
const endLong = `select pg_catalog.pg_terminate_backend(l.pid) from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
  where l.locktype = 'advisory' and l.objsubid = 2 and l.classid = ${longKey}::pg_catalog.oid and l.objid::int8 = pg_catalog.hashtext($1)::int8 & 4294967295
    and a.datname = pg_catalog.current_database() and a.usename = current_user and l.pid <> pg_catalog.pg_backend_pid()`;
/** How long a predecessor's session may hold the row before it is looked at. */
const patienceMs = 2000;
const hold = `with f as (select 1 from millrace.positions where consumer = $1 and part = '' and fence = $2::int8 for share) select 1 / count(*) from f`;

export class Fence {
  readonly consumer: string;
  /** Our number; a higher one in the row means that another process has taken over. */
  #fence = '';
  readonly #positions = new Map<string, ConsumerPosition>();

  constructor(consumer: string) {
    this.consumer = consumer;
  }

  get number(): string {
    return this.#fence;
  }

  get(part: string): ConsumerPosition | undefined {
    return this.#positions.get(part);
  }

  /**
   * Raises the fence and reads the positions. With `again` only if it is still ours: after a broken connection another process may have
   * taken over meanwhile, and must not be pushed out. Then throws a retriable error when the positions are not those that were left there, or
   * that the commit under way would have made (`pending`): whoever goes on without reading the stream again would leave a gap.
   */
  async raise(session: Session, again: boolean, pending?: { readonly part: string; readonly epoch: bigint }): Promise<readonly ConsumerPosition[]> {
    const { connection } = session;
    const begun = await connection.query('begin; select pg_catalog.pg_backend_pid()');
    const pid = String(begun.at(-1)?.rows[0]?.[0]);
    const watch = setInterval(() => void this.#breakOff(connection.options, pid), patienceMs);
    try {
      const [row] = again
        ? await connection.rows<{ fence: string }>(takeAgain, [this.consumer, this.#fence])
        : await connection.rows<{ fence: string }>(take, [this.consumer]);
      if (!row) throw (await this.#isOlder(session)) ? this.#movedBack(session) : fenced(this.consumer);
      const parts = await connection.rows<{ part: string; epoch: string; position: string; system_id: string; timeline: string }>(takeParts, [this.consumer, row.fence]);
      await connection.query('commit');
      this.#fence = row.fence;
      const left = (part: string, epoch: string): boolean => String(this.#positions.get(part)?.epoch ?? 0n) === epoch || (part === pending?.part && String(pending.epoch) === epoch);
      const isMoved = again && (parts.some(({ part, epoch }) => !left(part, epoch)) || [...this.#positions.keys()].some((part) => !parts.some((one) => one.part === part)));
      this.#positions.clear();
      if (isMoved) throw this.#movedBack(session);
      for (const { part, epoch, position, system_id, timeline } of parts) {
        this.#positions.set(part, { part, epoch: asEpoch(BigInt(epoch)), position: parseLsn(position), identity: { systemId: system_id, timeline: Number(timeline) } });
      }
      return [...this.#positions.values()];
    } catch (error) {
      if (!connection.closed) await connection.query('rollback').catch(() => undefined);
      throw describePgError(error, connection.where);
    } finally {
      clearInterval(watch);
    }
  }

  async #isOlder({ connection }: Session): Promise<boolean> {
    const [row] = await connection.rows<{ fence: string }>(`select fence::text from millrace.positions where consumer = $1 and part = ''`, [this.consumer]);
    return BigInt(row?.fence ?? 0) < BigInt(this.#fence);
  }

  #movedBack({ connection }: Session): MillraceError {
    return new MillraceError('TARGET_BUSY', `the position of "${this.consumer}" in the target is not the one that was left there`, {
      where: connection.where, detail: 'the target was restored from an older state, or lost commits that it had confirmed (synchronous_commit = off)',
      hint: 'nothing: the stream is read again from the position that the target has',
    });
  }

  /** A half-open connection would keep its transaction, and so our row, until the server notices that nobody is there. */
  async #breakOff(options: ConnectOptions, pid: string): Promise<void> {
    try {
      const connection = await PgConnection.connect(options);
      await connection.rows(breakOff, [pid]).finally(() => void connection.close());
    } catch {
      // Then `lock_timeout` ends the wait, and it is tried again.
    }
  }

  /** Early in a transaction that may take long and advances or holds the fence only at its end. */
  markLong(session: Session): void {
    session.track({ what: 'other', promise: session.execute(markLong, text(this.consumer)) });
  }

  /** Ends what a predecessor has left of such transactions. To be called by who has raised the fence and has none of its own under way. */
  async endLong({ connection }: Session): Promise<void> {
    await connection.rows(endLong, [this.consumer]);
  }

  /** First statement of a commit: moves the position, or fails. */
  advance(session: Session, part: string, position: Position, identity: SourceIdentity): void {
    const known = this.#positions.get(part);
    const params = text(this.consumer, part, this.#fence, String(known?.epoch ?? 0n), formatLsn(position), identity.systemId, String(identity.timeline));
    session.track({ what: 'fence', promise: session.execute(known ? advance : first, params) });
  }

  /** The commit went through. */
  advanced(part: string, position: Position, identity: SourceIdentity): Epoch {
    const epoch = asEpoch((this.#positions.get(part)?.epoch ?? 0n) + 1n);
    this.#positions.set(part, { part, epoch, position, identity });
    return epoch;
  }

  /** Last statement before the commit of something that moves no position. */
  hold(session: Session): void {
    session.track({ what: 'fence', promise: session.execute(hold, text(this.consumer, this.#fence)) });
  }
}

export const fenced = (consumer: string): MillraceError => new MillraceError('FENCED', `another process has taken over "${consumer}"`);

export const isFenced = (error: unknown): boolean => error instanceof PgError && error.code === '22012';
