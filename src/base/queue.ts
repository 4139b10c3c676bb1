/** A bounded queue between one writer and one reader. Full means the writer waits: a queue never grows past its limit by more than one item. */
export class Queue<T> {
  readonly #items: { item: T; bytes: number }[] = [];
  readonly #bytesMax: number;
  #bytes = 0;
  #closed = false;
  #failure: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(options: { bytesMax: number }) {
    this.#bytesMax = options.bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#items.length;
  }

  get full(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  /** Adds an item at once. The writer must have waited for `ready()` before. */
  push(item: T, bytes: number): void {
    if (this.#closed) return;
    this.#items.push({ item, bytes });
    this.#bytes += bytes;
    this.#wakeReader?.();
  }

  /** Resolves when there is room, or when the queue is closed. */
  async ready(): Promise<void> {
    while (this.full && !this.#closed) await new Promise<void>((resolve) => (this.#wakeWriter = resolve));
  }

  /** The next item if one is there. */
  take(): T | undefined {
    const head = this.#items.shift();
    if (!head) return undefined;
    this.#bytes -= head.bytes;
    if (!this.full) this.#wakeWriter?.();
    return head.item;
  }

  /** The next item; undefined after close() once the queue is empty. Throws what fail() was given. */
  async next(): Promise<T | undefined> {
    for (;;) {
      const item = this.take();
      if (item !== undefined) return item;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** Closes with an error, which the reader gets after the items that are already there. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.close();
  }
}
