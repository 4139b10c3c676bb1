// Cuts the server's byte stream into messages: type byte, int32 length (counting itself), body.
import { MillraceError } from '../../base/index.ts';

const bodyBytesMax = 0x7fffffff - 5;

/**
 * Feed it chunks; it calls `onMessage(type, bytes, from, to)` for each whole message, whose body stands in `bytes` from `from` to `to`. The
 * bytes are those of the chunk, unless the message spans chunks: then they are gathered once. Either way they hold only during the call, since
 * the socket reads into the same memory again.
 */
export class MessageReader {
  readonly #onMessage: (type: number, bytes: Buffer, from: number, to: number) => void;
  readonly #head = Buffer.alloc(5);
  #headBytes = 0;
  #body: Buffer | undefined;
  #bodyBytes = 0;

  constructor(onMessage: (type: number, bytes: Buffer, from: number, to: number) => void) {
    this.#onMessage = onMessage;
  }

  /** The first `size` bytes of `chunk` are what came. */
  feed(chunk: Buffer, size = chunk.length): void {
    let at = 0;
    while (at < size) {
      if (this.#body) {
        const count = Math.min(this.#body.length - this.#bodyBytes, size - at);
        chunk.copy(this.#body, this.#bodyBytes, at, at + count);
        this.#bodyBytes += count;
        at += count;
        if (this.#bodyBytes === this.#body.length) {
          const body = this.#body;
          this.#body = undefined;
          this.#onMessage(this.#head[0] as number, body, 0, body.length);
        }
      } else if (this.#headBytes === 0 && size - at >= 5) {
        const length = bodyLength(chunk, at);
        const end = at + 5 + length;
        if (end <= size) {
          this.#onMessage(chunk[at] as number, chunk, at + 5, end);
          at = end;
        } else {
          this.#head[0] = chunk[at] as number;
          this.#begin(length);
          at += 5;
        }
      } else {
        this.#head[this.#headBytes++] = chunk[at++] as number;
        if (this.#headBytes === 5) {
          this.#headBytes = 0;
          const length = bodyLength(this.#head, 0);
          if (length === 0) this.#onMessage(this.#head[0] as number, this.#head, 5, 5);
          else this.#begin(length);
        }
      }
    }
  }

  #begin(length: number): void {
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#bodyBytes = 0;
  }
}

function bodyLength(bytes: Buffer, at: number): number {
  const length = bytes.readInt32BE(at + 1) - 4;
  if (length < 0 || length > bodyBytesMax) throw new MillraceError('PROTOCOL_VIOLATION', `message of ${length} bytes`);
  return length;
}
