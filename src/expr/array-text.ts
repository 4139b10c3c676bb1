// Arrays to and from PostgreSQL's text form: `{1,NULL,"a b"}`. JavaScript arrays have no lower bounds: those of the text must be absent.
import { evaluationFailed } from './errors.ts';

export function arrayText(value: readonly unknown[], element: (value: any) => string): string {
  const parts = value.map((one) => (one === null ? 'NULL' : Array.isArray(one) ? arrayText(one, element) : quoteElement(element(one))));
  return `{${parts.join(',')}}`;
}

const quoteElement = (text: string): string =>
  text === '' || /^null$/i.test(text) || /[\s{}",\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;

const malformed = (text: string): never => evaluationFailed('22P02', `malformed array literal: "${text}"`);

/** Reads the text form, nested arrays too. */
export function parseArray(text: string, element: (text: string) => unknown): unknown[] {
  let at = 0;
  const space = (): void => {
    while (/\s/.test(text[at] ?? '')) at += 1;
  };
  const item = (): unknown => {
    if (text[at] === '"') {
      let value = '';
      for (at += 1; text[at] !== '"'; at += 1) {
        if (text[at] === '\\') at += 1;
        if (at >= text.length) return malformed(text);
        value += text[at];
      }
      at += 1;
      return element(value);
    }
    let value = '';
    let kept = 0;
    while (at < text.length && !/[,{}"]/.test(text[at] as string)) {
      if (text[at] === '\\') {
        at += 1;
        kept = value.length + 1;
      }
      value += text[at++] ?? '';
    }
    value = value.slice(0, kept) + value.slice(kept).trimEnd();
    if (value === '') return malformed(text);
    return /^null$/i.test(value) && kept === 0 ? null : element(value);
  };
  const list = (): unknown[] => {
    at += 1;
    const values: unknown[] = [];
    space();
    if (text[at] === '}') {
      at += 1;
      return values;
    }
    for (;;) {
      space();
      values.push(text[at] === '{' ? list() : item());
      space();
      if (text[at] === '}') {
        at += 1;
        return values;
      }
      if (text[at++] !== ',') return malformed(text);
    }
  };
  space();
  if (text[at] !== '{') return malformed(text);
  const values = list();
  space();
  return at === text.length ? values : malformed(text);
}
