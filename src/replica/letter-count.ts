// The number of open dead letters of a replica, for status. It is counted, not kept: people replay and drop letters from other processes.
import type { Clock } from '../base/index.ts';

/** How soon after commits that may have changed the number it is counted, and how often while there are letters. */
const recountAfterMs = 200;
const recountEveryMs = 2000;

export class LetterCount {
  /** As last counted. */
  open = 0;
  readonly #count: () => Promise<number>;
  readonly #clock: Clock;
  readonly #stopped: AbortSignal;
  #changed = false;
  #watched = false;
  #wake = new AbortController();

  constructor(count: () => Promise<number>, clock: Clock, stopped: AbortSignal) {
    this.#count = count;
    this.#clock = clock;
    this.#stopped = stopped;
  }

  async start(): Promise<void> {
    this.open = await this.#count();
    this.committed(0);
  }

  /** A commit wrote so many letters. It may have closed others. */
  committed(written: number): void {
    if (written === 0 && this.open === 0) return;
    this.#changed = true;
    this.#wake.abort();
    if (!this.#watched) void this.#watch();
  }

  async #watch(): Promise<void> {
    const stopped = this.#stopped;
    this.#watched = true;
    while (!stopped.aborted && (this.#changed || this.open > 0)) {
      this.#wake = new AbortController();
      if (this.#changed) await this.#clock.sleep(recountAfterMs, stopped);
      else await this.#clock.sleep(recountEveryMs, AbortSignal.any([stopped, this.#wake.signal]));
      this.#changed = false;
      try {
        if (!stopped.aborted) this.open = await this.#count();
      } catch {
        // That the target is away shows elsewhere.
        await this.#clock.sleep(recountEveryMs, stopped);
        this.#changed = true;
      }
    }
    this.#watched = false;
  }
}
