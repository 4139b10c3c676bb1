// The quoting that array, range and composite literals share, and a cursor over such a literal.

/** PostgreSQL's white space in these literals. */
export const isBlank = (char: string | undefined): boolean => char !== undefined && char !== '' && ' \t\n\r\v\f'.includes(char);

export class LiteralCursor {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get next(): string | undefined {
    return this.text[this.at];
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  blanks(): void {
    while (isBlank(this.next)) this.at += 1;
  }

  /** Steps over `char` if it is next. */
  skip(char: string): boolean {
    if (this.next !== char) return false;
    this.at += 1;
    return true;
  }

  expect(char: string): void {
    if (!this.skip(char)) throw new RangeError(this.done ? `${char} is missing at its end` : `${char} is wanted at character ${this.at + 1}`);
  }

  /** Nothing but blanks may follow. */
  end(): void {
    this.blanks();
    if (!this.done) throw new RangeError(`nothing may follow at character ${this.at + 1}`);
  }

  /**
   * An item up to one of `stops`: quoted with double quotes, in part or whole, or with backslashes. In a composite or range `""` within
   * quotes is a quote (`doubled`). `solid`: the length up to which it was quoted, so that blanks there belong to it.
   */
  item(stops: string, doubled: boolean): { text: string; quoted: boolean; solid: number } {
    let text = '';
    let quoted = false;
    let inside = false;
    let solid = 0;
    for (;;) {
      const char = this.next;
      if (char === undefined) throw new RangeError('it is cut off');
      if (!inside && stops.includes(char)) return { text, quoted, solid };
      this.at += 1;
      if (char === '\\') {
        if (this.done) throw new RangeError('it is cut off');
        text += this.next;
        this.at += 1;
        quoted = true;
        solid = text.length;
      } else if (char !== '"') {
        text += char;
        if (inside) solid = text.length;
      } else if (inside && doubled && this.next === '"') {
        text += '"';
        this.at += 1;
        solid = text.length;
      } else {
        inside = !inside;
        quoted = true;
      }
    }
  }
}

/** Quotes where one of `special`, a blank, a quote or backslash stands in it, or nothing at all. Composites and ranges double both. */
export function quoteDoubled(text: string, special: string): string {
  if (!needsQuotes(text, special)) return text;
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '""')}"`;
}

/** Arrays put a backslash before both. */
export function quoteBackslash(text: string, special: string): string {
  if (!needsQuotes(text, special) && text.toLowerCase() !== 'null') return text;
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function needsQuotes(text: string, special: string): boolean {
  if (text === '') return true;
  for (const char of text) {
    if (char === '"' || char === '\\' || isBlank(char) || special.includes(char)) return true;
  }
  return false;
}
