// Lets a part stand still at an exact position: for `verify`, and to mend rows.
import { type Clock, MillraceError } from '../base/index.ts';
import { asPosition, type Position } from '../data/index.ts';
import type { Feed } from '../flow/index.ts';
import type { Gatherer } from './gather.ts';
import type { PartProgress } from './progress.ts';

export interface HoldsOptions {
  readonly replica: string;
  readonly feed: Feed;
  readonly clock: Clock;
}

export class Holds {
  readonly #options: HoldsOptions;
  readonly #progress: Pick<PartProgress, 'applied'>;
  /** What reads the stream now; undefined while none does for all tables. */
  readonly #reading: () => Gatherer | undefined;
  #hold: { goal: Position; until: number; reached: () => void; passed: (at: Position) => void; broken: () => void } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: HoldsOptions, progress: Pick<PartProgress, 'applied'>, reading: () => Gatherer | undefined) {
    this.#options = options;
    this.#progress = progress;
    this.#reading = reading;
  }

  get goal(): Position | undefined {
    return this.#hold?.goal;
  }

  /** See Part.hold. */
  async hold(position: Position | 'now', ms: number): Promise<void> {
    const { clock, replica, feed: { source } } = this.#options;
    const untilMs = clock.monotonic() + ms;
    while (!this.#reading() && clock.monotonic() < untilMs) await clock.sleep(50);
    const { applied } = this.#progress;
    const goal = position === 'now' ? asPosition(0n) : position;
    const idle = new MillraceError('VERIFY_IMPOSSIBLE', `replica "${replica}" does not stream from "${source.name}" at the moment`);
    const gatherer = this.#reading();
    if (!gatherer) throw idle;
    if (position === 'now' && this.#hold) throw new MillraceError('VERIFY_IMPOSSIBLE', `replica "${replica}" stands still for another comparison at the moment`, { hint: 'try again' });
    this.#hold?.broken();
    return new Promise((resolve, reject) => {
      const passed = (at: Position): void => {
        const text = source.formatPosition;
        reject(new MillraceError('VERIFY_IMPOSSIBLE', `replica "${replica}" stands at ${text(at)}, past ${text(goal)} already`));
      };
      this.#hold = { goal, until: clock.monotonic() + ms, reached: resolve, passed: position === 'now' ? () => undefined : passed, broken: () => reject(idle) };
      gatherer.hold = goal;
      if (position !== 'now' && applied !== undefined && applied > goal) passed(applied);
      // An idle source may have nothing to say for long: the reader that waits for it stands still already.
      else if (applied === goal || (position === 'now' && gatherer.isIdle)) resolve();
      this.#wake?.();
    });
  }

  release(): void {
    this.#hold?.broken();
    this.#hold = undefined;
    const gatherer = this.#reading();
    if (gatherer) gatherer.hold = undefined;
    this.#wake?.();
  }

  /** What was gathered before the hold was set may have gone past it. */
  applied(position: Position): void {
    if (this.#hold && position > this.#hold.goal) this.#hold.passed(position);
    else if (this.#hold && position === this.#hold.goal) this.#hold.reached();
  }

  /** At a hold: waits for its release or its end. False when there is no hold, so that the reader was closed by someone else. */
  async standStill(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const hold = this.#hold;
    if (!hold) return false;
    const { applied } = this.#progress;
    if (applied !== undefined && applied > hold.goal) hold.passed(applied);
    hold.reached();
    const timeout = clock.sleep(Math.max(0, hold.until - clock.monotonic()), signal);
    await Promise.race([timeout, new Promise<void>((resolve) => (this.#wake = resolve))]);
    this.#wake = undefined;
    if (this.#hold === hold && clock.monotonic() >= hold.until) this.release();
    return true;
  }
}
