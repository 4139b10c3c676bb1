// The terminal as a canvas: alternate screen, hidden cursor, keys one by one; restored however the process ends.
import type { ReadStream, WriteStream } from 'node:tty';

const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';

export class Screen {
  readonly #out: WriteStream;
  readonly #in: ReadStream;
  readonly #onKey: (key: string) => void;
  #shown: readonly string[] = [];
  #open = true;

  /** `onKey` gets each key as its character; Ctrl-C is \x03. */
  constructor(out: WriteStream, input: ReadStream, onKey: (key: string) => void) {
    this.#out = out;
    this.#in = input;
    this.#onKey = onKey;
    out.write(enter);
    out.on('resize', this.#resized);
    input.setRawMode(true).setEncoding('utf8').on('data', this.#keys);
    input.resume();
    process.on('exit', this.close);
  }

  /** Writes the lines that differ from what is shown, at once (synchronised update where the terminal knows it). */
  show(lines: readonly string[]): void {
    if (!this.#open) return;
    let text = '';
    for (let row = 0; row < Math.max(lines.length, this.#shown.length); row++) {
      if (lines[row] !== this.#shown[row]) text += `\x1b[${row + 1};1H${lines[row] ?? ''}\x1b[K`;
    }
    this.#shown = lines;
    if (text !== '') this.#out.write(`\x1b[?2026h${text}\x1b[?2026l`);
  }

  get columns(): number {
    return this.#out.columns || 80;
  }

  get rows(): number {
    return this.#out.rows || 24;
  }

  readonly close = (): void => {
    if (!this.#open) return;
    this.#open = false;
    process.off('exit', this.close);
    this.#out.off('resize', this.#resized);
    this.#in.off('data', this.#keys);
    try {
      this.#in.setRawMode(false).pause();
    } catch {
      // The terminal is gone.
    }
    this.#out.write(leave);
  };

  readonly #resized = (): void => {
    this.#shown = [];
    this.#out.write('\x1b[2J');
  };

  readonly #keys = (text: string): void => {
    for (const key of text) this.#onKey(key);
  };
}
