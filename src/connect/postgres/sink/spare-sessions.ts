// Sessions for work beside the commits. One that has done its work is kept for a moment, since the next table is loaded soon: to connect costs more
// than to copy a small table.
import type { Clock } from '../../../base/index.ts';
import type { Session } from './session.ts';

const spareMs = 3000;

export class SpareSessions {
  readonly #open: () => Promise<Session>;
  readonly #clock: Clock;
  readonly #all = new Set<Session>();
  readonly #spare = new Set<Session>();
  #closing = new AbortController();

  constructor(open: () => Promise<Session>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /** The work must leave no transaction open, unless it throws. */
  async use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#take() ?? (await this.#open());
    this.#all.add(session);
    try {
      const result = await work(session);
      this.#keep(session);
      return result;
    } catch (error) {
      this.#all.delete(session);
      await session.connection.close();
      throw error;
    }
  }

  #take(): Session | undefined {
    for (const session of this.#spare) {
      this.#spare.delete(session);
      if (!session.connection.closed) return session;
      this.#all.delete(session);
    }
    return undefined;
  }

  #keep(session: Session): void {
    this.#spare.add(session);
    void this.#clock.sleep(spareMs, this.#closing.signal).then(async () => {
      // It may have been used since, and be kept again: then it is new soon enough.
      if (!this.#spare.delete(session)) return;
      this.#all.delete(session);
      await session.connection.close();
    });
  }

  /** Ends all, also those that are at work. */
  destroy(): void {
    for (const { connection } of this.#all) connection.destroy();
    this.#all.clear();
    this.#spare.clear();
    this.#closing.abort();
    this.#closing = new AbortController();
  }
}
