// The snapshots of a load: one after the other, so that none gets old. Each is closed when nobody reads in it any more.
import type { Clock } from '../base/index.ts';
import type { Snapshot } from '../flow/index.ts';

export interface Cut {
  readonly snapshot: Snapshot;
  readonly takenMs: number;
  readers: number;
}

export class Cuts {
  readonly #take: () => Promise<Snapshot>;
  readonly #clock: Clock;
  readonly #renewMs: number;
  readonly #open = new Set<Cut>();
  /** Undefined while a new one is taken. */
  #current: Cut | undefined;
  #taking: Promise<Cut> | undefined;

  /** @param renewMs A reader who comes later than this after a snapshot was taken gets a new one. */
  constructor(first: Snapshot, take: () => Promise<Snapshot>, clock: Clock, renewMs: number) {
    this.#take = take;
    this.#clock = clock;
    this.#renewMs = renewMs;
    this.#current = this.#opened(first);
  }

  /** Reads in the newest snapshot, or in a new one; until `leave` it stays open. */
  async enter(): Promise<Cut> {
    const { monotonic } = this.#clock;
    const current = this.#current;
    if (current && monotonic() - current.takenMs >= this.#renewMs) {
      this.#current = undefined;
      if (current.readers === 0) await this.#close(current);
    }
    const cut = this.#current ?? (await (this.#taking ??= this.#take().then((snapshot) => (this.#current = this.#opened(snapshot))).finally(() => (this.#taking = undefined))));
    cut.readers += 1;
    return cut;
  }

  async leave(cut: Cut): Promise<void> {
    cut.readers -= 1;
    if (cut.readers === 0 && cut !== this.#current) await this.#close(cut);
  }

  async close(): Promise<void> {
    await this.#taking?.catch(() => undefined);
    for (const cut of [...this.#open]) await this.#close(cut);
  }

  #opened(snapshot: Snapshot): Cut {
    const cut = { snapshot, takenMs: this.#clock.monotonic(), readers: 0 };
    this.#open.add(cut);
    return cut;
  }

  async #close(cut: Cut): Promise<void> {
    if (!this.#open.delete(cut)) return;
    await cut.snapshot.close();
  }
}
