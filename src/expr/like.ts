// LIKE: `%` any run of characters, `_` one character, `\` takes the next one literally.
import { evaluationFailed } from './errors.ts';

type Part = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'one' } | { readonly kind: 'any' };

/** The test of a pattern. A pattern that ends with its escape is 22025 for every text; PostgreSQL notices only when a match comes so far. */
export function likePattern(pattern: string, escape = '\\'): (text: string) => boolean {
  const { parts, cut } = partsOf(pattern, escape);
  if (cut) return evaluationFailed('22025', 'LIKE pattern must not end with escape character');
  return simple(parts) ?? ((text) => match(text, parts));
}

function partsOf(pattern: string, escape: string): { parts: Part[]; cut: boolean } {
  const parts: Part[] = [];
  let text = '';
  const flush = (): void => {
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
  };
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === escape) {
      i += 1;
      if (i === chars.length) {
        flush();
        return { parts, cut: true };
      }
      text += chars[i];
    } else if (char === '%') {
      flush();
      if (parts.at(-1)?.kind !== 'any') parts.push({ kind: 'any' });
    } else if (char === '_') {
      flush();
      parts.push({ kind: 'one' });
    } else text += char;
  }
  flush();
  return { parts, cut: false };
}

/** The usual forms need no search: x, x%, %x, %x%. */
function simple(parts: readonly Part[]): ((text: string) => boolean) | undefined {
  const shape = parts.map((part) => (part.kind === 'any' ? '%' : part.kind === 'one' ? '_' : 'x')).join('');
  const literal = parts.find((part) => part.kind === 'text')?.text ?? '';
  switch (shape) {
    case '':
      return (text) => text === '';
    case '%':
      return () => true;
    case 'x':
      return (text) => text === literal;
    case 'x%':
      return (text) => text.startsWith(literal);
    case '%x':
      return (text) => text.endsWith(literal);
    case '%x%':
      return (text) => text.includes(literal);
    default:
      return undefined;
  }
}

/** Greedy with one point of return: the latest `%`. */
function match(text: string, parts: readonly Part[]): boolean {
  let at = 0;
  let part = 0;
  let returnPart = -1;
  let returnAt = 0;
  for (;;) {
    const current = parts[part];
    if (current?.kind === 'any') {
      returnPart = part++;
      returnAt = at;
      continue;
    }
    if (current === undefined && at === text.length) return true;
    if (current?.kind === 'text' && text.startsWith(current.text, at)) {
      at += current.text.length;
      part += 1;
      continue;
    }
    if (current?.kind === 'one' && at < text.length) {
      at += width(text, at);
      part += 1;
      continue;
    }
    if (returnPart < 0 || returnAt >= text.length) return false;
    returnAt += width(text, returnAt);
    at = returnAt;
    part = returnPart + 1;
  }
}

const width = (text: string, at: number): number => ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);
