// How long a stream that is late rests between two reads.

/** Behind by more than this, a stream rests: by a tenth of its age, within these bounds. */
const lateMs = 20;
const restMsMin = 2;
const restMsMax = 40;
/** From one read to the next, so much is remembered of the most that a read has brought. */
const memory = 0.9;

/**
 * A server that catches up sends every message by itself. While its peer has room, each is carried through the network stack at once, and a peer
 * that waits for it is woken up: that costs both sides more than the change. A server whose peer has no room only appends to what it will send. So
 * the stream is read in steps, as long as the sockets' buffers hold what is sent meanwhile. Where they did not, the server stood still for half of a
 * rest, and the read brought as much as others at the most (else it stood still for another reason): the next rest is shorter.
 */
export class Pace {
  #ageMs = 0;
  #longestMs = restMsMax;
  #sentUs: number | undefined;
  #gapUs = 0;
  #bytes = 0;
  #bytesMost = 0;

  /** A message of so many bytes was sent then, by the server's clock: the lower 32 bits of its time in microseconds. */
  sent(us: number, bytes: number): void {
    if (this.#sentUs !== undefined) this.#gapUs = Math.max(this.#gapUs, (us - this.#sentUs) >>> 0);
    this.#sentUs = us;
    this.#bytes += bytes;
  }

  /** How old a transaction was when the server sent it. */
  age(ms: number): void {
    this.#ageMs = ms;
  }

  /** All that was there has been read: how many milliseconds to rest now, 0 for none. */
  restMs(): number {
    this.#bytesMost = Math.max(this.#bytes, this.#bytesMost * memory);
    const stoodStill = this.#gapUs > this.#longestMs * 500 && this.#bytes > 0.75 * this.#bytesMost;
    this.#longestMs = stoodStill ? Math.max(restMsMin, this.#longestMs / 2) : Math.min(restMsMax, this.#longestMs * 2);
    this.#gapUs = 0;
    this.#bytes = 0;
    return this.#ageMs > lateMs ? Math.max(restMsMin, Math.min(this.#longestMs, this.#ageMs / 10)) : 0;
  }
}
