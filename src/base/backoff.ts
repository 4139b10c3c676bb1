import type { Random } from './random.ts';

/** Exponential backoff with jitter: each delay is drawn from [d/2, d], d doubling from `firstMs` up to `maxMs`. */
export class Backoff {
  #attempt = 0;
  readonly #random: Random;
  readonly #firstMs: number;
  readonly #maxMs: number;

  constructor(random: Random, firstMs = 100, maxMs = 10_000) {
    this.#random = random;
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return ceiling / 2 + (this.#random.next() * ceiling) / 2;
  }

  /** Call after a success. */
  reset(): void {
    this.#attempt = 0;
  }
}
