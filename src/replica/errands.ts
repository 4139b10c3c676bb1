// Errands: what others want to do to a target between two epochs of a part, while nothing is on its way there and the position stands still.
import { assert, type Clock, MillraceError } from '../base/index.ts';
import type { Position } from '../data/index.ts';

type Errand = (applied: Position) => Promise<void>;

export class Errands {
  readonly #clock: Clock;
  readonly #who: string;
  readonly #waiting: Errand[] = [];
  #wake: (() => void) | undefined;

  constructor(clock: Clock, who: string) {
    this.#clock = clock;
    this.#who = who;
  }

  /** Resolves with what `work` made of the position at its turn. Rejects with NOT_STREAMING when no turn comes within `ms`, or the signal aborts before. */
  async run<T>(work: (applied: Position) => Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
    let outcome: Promise<T> | undefined;
    const had = new AbortController();
    const errand: Errand = async (applied) => {
      outcome = work(applied);
      had.abort();
      await outcome.catch(() => undefined);
    };
    this.#waiting.push(errand);
    this.#wake?.();
    await this.#clock.sleep(ms, AbortSignal.any([had.signal, signal]));
    if (outcome) return outcome;
    this.#waiting.splice(this.#waiting.indexOf(errand), 1);
    throw new MillraceError('NOT_STREAMING', `${this.#who} does not stream at the moment`);
  }

  /** Resolves when there is an errand. Of several calls only the last one hears of it. */
  arrival(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => (this.#wake = resolve));
  }

  async do(applied: Position | undefined): Promise<void> {
    while (this.#waiting.length > 0) {
      assert(applied !== undefined, 'an errand before the first position');
      await (this.#waiting.shift() as Errand)(applied);
    }
  }
}
