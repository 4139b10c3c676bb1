// A limit on how much passes in a second, for all who share it.
import type { Clock } from './clock.ts';

export class TokenBucket {
  readonly #perSec: number;
  readonly #clock: Clock;
  /** When all that was taken so far has been paid for, on the monotonic clock. */
  #paidAtMs = 0;

  constructor(perSec: number, clock: Clock) {
    this.#perSec = perSec;
    this.#clock = clock;
  }

  /** Takes `amount` and waits until the rate allows the next. Who has not taken for a while saves nothing up. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonic();
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs) + (amount * 1000) / this.#perSec;
    if (this.#paidAtMs > nowMs) await this.#clock.sleep(this.#paidAtMs - nowMs, signal);
  }
}
