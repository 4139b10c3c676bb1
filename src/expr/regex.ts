// Regular expressions: the subset in which PostgreSQL's and JavaScript's agree. What differs is refused when the expression is bound.
// Classes (\d \w \s, [[:alpha:]]) mean ASCII characters, as with PostgreSQL's collation "C", which the SQL names.
import { evaluationFailed } from './errors.ts';

const posixClasses: Readonly<Record<string, string>> = {
  alpha: 'a-zA-Z', digit: '0-9', alnum: 'a-zA-Z0-9', upper: 'A-Z', lower: 'a-z', space: ' \\t\\n\\v\\f\\r', blank: ' \\t', xdigit: '0-9a-fA-F',
  punct: '!-\\/:-@\\[-`\\{-~', word: 'a-zA-Z0-9_',
};
const shorthand: Readonly<Record<string, string>> = { d: '0-9', w: 'a-zA-Z0-9_', s: ' \\t\\n\\v\\f\\r' };
const controls = 'ntrfv';

const refuse = (what: string): never => evaluationFailed('0A000',
  `${what} in a regular expression may differ between PostgreSQL and Millrace and is not supported`);
const wrong = (what: string): never => evaluationFailed('2201B', `invalid regular expression: ${what}`);

/** The test of a pattern: whether some part of the text matches. Throws EvaluationError for what is wrong or refused. */
export function regexPattern(pattern: string, ignoreCase: boolean): (text: string) => boolean {
  if (ignoreCase && /[^\0-\x7f]/.test(pattern)) refuse('a character beyond ASCII without regard to case');
  const expression = compile(translate(pattern, ignoreCase), ignoreCase);
  if (!ignoreCase) return (text) => expression.test(text);
  // JavaScript folds these two to ASCII letters, collation "C" does not.
  return (text) => expression.test(text.replace(/[\u017f\u212a]/g, '\ufffd'));
}

function compile(source: string, ignoreCase: boolean): RegExp {
  try {
    return new RegExp(source, ignoreCase ? 'sui' : 'su');
  } catch (error) {
    return wrong((error as Error).message);
  }
}

function translate(pattern: string, ignoreCase: boolean): string {
  const chars = [...pattern];
  let out = '';
  let at = 0;
  if (pattern.startsWith('***')) return refuse('***');
  while (at < chars.length) {
    const char = chars[at] as string;
    if (char === '\\') {
      out += escape(chars[at + 1]);
      at += 2;
    } else if (char === '[') {
      const set = bracket(chars, at, ignoreCase);
      out += set.out;
      at = set.end;
    } else if (char === '(' && chars[at + 1] === '?') {
      if (chars[at + 2] !== ':') refuse('(?');
      out += '(?:';
      at += 3;
    } else if (char === '{') {
      const bound = /^\{(\d+)(,(\d*))?\}/.exec(chars.slice(at).join(''));
      if (!bound) return refuse('a { that is no bound');
      if (Number(bound[1]) > 255 || Number(bound[3] || 0) > 255) wrong('invalid repetition count(s)');
      out += bound[0];
      at += bound[0].length;
    } else {
      out += char === ']' || char === '}' ? `\\${char}` : char;
      at += 1;
    }
  }
  return out;
}

function escape(char: string | undefined): string {
  if (char === undefined) return wrong('invalid escape \\ sequence');
  if (shorthand[char]) return `[${shorthand[char]}]`;
  if (shorthand[char.toLowerCase()] && char !== char.toLowerCase()) return `[^${shorthand[char.toLowerCase()]}]`;
  if (controls.includes(char)) return `\\${char}`;
  return /[a-zA-Z0-9]/.test(char) ? refuse(`\\${char}`) : literal(char);
}

const literal = (char: string): string => (/[\^$\\.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char);

function bracket(chars: readonly string[], from: number, ignoreCase: boolean): { out: string; end: number } {
  let at = from + 1;
  let out = '[';
  if (chars[at] === '^') {
    out += '^';
    at += 1;
  }
  for (let first = true; first || chars[at] !== ']'; first = false) {
    const char = chars[at];
    if (char === undefined) return wrong('brackets [] not balanced');
    if (char === '[' && '.='.includes(chars[at + 1] ?? ' ')) return refuse(`[${chars[at + 1]}`);
    if (char === '[' && chars[at + 1] === ':') {
      const name = /^\[:(\w+):\]/.exec(chars.slice(at).join(''))?.[1];
      const members = name === undefined ? undefined : posixClasses[name];
      if (members === undefined) return wrong('invalid character class');
      if (ignoreCase && /upper|lower/.test(name as string)) return refuse(`[:${name as string}:] without regard to case`);
      out += members;
      at += (name as string).length + 4;
    } else if (char === '\\') {
      const next = chars[at + 1];
      if (next === undefined) return wrong('invalid escape \\ sequence');
      if (shorthand[next]) out += shorthand[next];
      else if (controls.includes(next)) out += `\\${next}`;
      else if (/[a-zA-Z0-9]/.test(next)) return refuse(`\\${next}`);
      else out += setLiteral(next);
      at += 2;
    } else {
      out += char === '-' && !first && chars[at + 1] !== ']' ? '-' : setLiteral(char);
      at += 1;
    }
  }
  return { out: `${out}]`, end: at + 1 };
}

const setLiteral = (char: string): string => (/[\^\\[\]\-/{}|()]/.test(char) ? `\\${char}` : char);
