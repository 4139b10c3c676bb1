// Reading a tsquery from its text: `'fat':AB & ( !cat | 'rat':* ) <2> mouse`.

/** A node of a query: a lexeme, or an operator with its operands (`!` has one). */
export type QueryNode =
  | { readonly lexeme: string; readonly weights: number; readonly prefix: boolean }
  | { readonly operator: '!' | '&' | '|' | '<->'; readonly distance: number; readonly operands: readonly QueryNode[] };

const DISTANCE_MAX = 16_384;
const DEPTH_MAX = 1000;

/** Undefined for the empty query. RangeError for what is none. */
export function parseQuery(text: string): QueryNode | undefined {
  const tokens = tokenize(text);
  let at = 0;

  const binary = (level: 0 | 1 | 2, depth: number): QueryNode => {
    const next = (): QueryNode => (level === 2 ? unary(depth + 1) : binary((level + 1) as 1 | 2, depth + 1));
    let left = next();
    for (;;) {
      const sign = tokens[at]?.sign;
      const distance = sign === undefined ? undefined : phraseDistance(sign);
      const found = distance === undefined ? sign : '<->';
      const operator = (['|', '&', '<->'] as const)[level];
      if (found !== operator) return left;
      at += 1;
      left = { operator, distance: distance ?? 1, operands: [left, next()] };
    }
  };
  const unary = (depth: number): QueryNode => {
    if (depth > DEPTH_MAX) throw new RangeError('nested too deeply');
    const token = tokens[at++];
    if (token?.node) return token.node;
    if (token?.sign === '!') return { operator: '!', distance: 1, operands: [unary(depth + 1)] };
    if (token?.sign !== '(') throw new RangeError('an operand is missing');
    const inner = binary(0, depth + 1);
    if (tokens[at++]?.sign !== ')') throw new RangeError('a bracket is not closed');
    return inner;
  };

  if (tokens.length === 0) return undefined;
  const node = binary(0, 0);
  if (at < tokens.length) throw new RangeError('an operator is missing');
  return node;
}

/** 1 for `<->`, n for `<n>`. */
function phraseDistance(sign: string): number | undefined {
  if (!sign.startsWith('<')) return undefined;
  const distance = sign === '<->' ? 1 : Number(sign.slice(1, -1));
  if (distance > DISTANCE_MAX) throw new RangeError(`distances end at ${DISTANCE_MAX}`);
  return distance;
}

interface Token {
  readonly sign?: string;
  readonly node?: QueryNode;
}

function tokenize(text: string): Token[] {
  const one = /\s*(?:([!&|()]|<->|<\d+>)|(?:'((?:[^'\\]|''|\\.)*)'|((?:[^\s'!&|()<:\\]|\\.)+))(?::([*abcd]*))?)/giysu;
  const source = text.trimEnd();
  const tokens: Token[] = [];
  while (one.lastIndex < source.length) {
    const match = one.exec(source);
    if (!match) throw new RangeError('not a tsquery');
    const [, sign, quoted, plain, suffix = ''] = match;
    if (sign !== undefined) {
      tokens.push({ sign });
      continue;
    }
    const weights = ['a', 'b', 'c', 'd'].reduce((sum, letter, i) => sum | (suffix.toLowerCase().includes(letter) ? 8 >> i : 0), 0);
    const lexeme = (quoted?.replaceAll("''", "'") ?? (plain as string)).replace(/\\(.)/gsu, '$1');
    tokens.push({ node: { lexeme, weights, prefix: suffix.includes('*') } });
  }
  return tokens;
}
