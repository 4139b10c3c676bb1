// tsvector: int32 count, lexemes as zero-terminated text, each with a count of positions (14 bits position, 2 bits weight).
// tsquery: int32 count, the nodes of the tree in prefix order, the right operand before the left one.
import { ByteReader, type ByteWriter } from '../../base/index.ts';
import { type ValueForm, textual } from './value-form.ts';
import { parseQuery, type QueryNode } from './search-query.ts';
import { writeUtf8 } from './texts.ts';

const quoteLexeme = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

export const tsvector: ValueForm = textual(
  (bytes, start, end) => {
    const reader = new ByteReader(bytes.subarray(start, end));
    const count = reader.i32();
    if (count < 0) throw new RangeError('negative count');
    const parts: string[] = [];
    for (let i = 0; i < count; i++) {
      const lexeme = quoteLexeme(reader.cstring());
      const positions: string[] = [];
      for (let left = reader.u16(); left > 0; left--) {
        const position = reader.u16();
        positions.push(`${position & 0x3fff}${['', 'C', 'B', 'A'][position >> 14]}`);
      }
      parts.push(positions.length === 0 ? lexeme : `${lexeme}:${positions.join(',')}`);
    }
    if (reader.left > 0) throw new RangeError('bytes are left over');
    return parts.join(' ');
  },
  (text, out) => {
    const lexemes = new Map<string, Map<number, number>>();
    const one = /\s*(?:'((?:[^'\\]|''|\\.)*)'|((?:[^\s':\\]|\\.)+))(?::(\d+[ABCD*]?(?:,\d+[ABCD*]?)*))?(?=\s|$|')/giysu;
    const source = text.trimEnd();
    while (one.lastIndex < source.length) {
      const match = one.exec(source);
      if (!match) throw new RangeError('not a tsvector');
      const lexeme = (match[1]?.replaceAll("''", "'") ?? (match[2] as string)).replace(/\\(.)/gsu, '$1');
      const positions = lexemes.get(lexeme) ?? new Map<number, number>();
      lexemes.set(lexeme, positions);
      for (const item of match[3]?.split(',') ?? []) {
        // As the server does: positions end at 16383, and the greatest weight of a position stays.
        const position = Math.min(parseInt(item, 10), 0x3fff);
        if (position === 0) throw new RangeError('positions count from 1');
        const weight = { A: 3, '*': 3, B: 2, C: 1 }[item.at(-1)?.toUpperCase() as 'A'] ?? 0;
        positions.set(position, Math.max(weight, positions.get(position) ?? 0));
      }
    }
    // By bytes: the order in which the server keeps them.
    const sorted = [...lexemes]
      .map(([lexeme, positions]) => ({ lexeme, bytes: Buffer.from(lexeme), positions }))
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    out.i32(sorted.length);
    for (const { lexeme, positions } of sorted) {
      writeUtf8(lexeme, out);
      out.u8(0);
      const ordered = [...positions].sort(([a], [b]) => a - b);
      out.i16(ordered.length);
      for (const [position, weight] of ordered) out.i16(((position | (weight << 14)) << 16) >> 16);
    }
  },
);

const operators = ['!', '&', '|', '<->'] as const;
/** How tightly an operator binds. */
const priority = { '|': 1, '&': 2, '<->': 3, '!': 4 } as const;

const DEPTH_MAX = 1000;

function readNode(reader: ByteReader, depth: number): QueryNode {
  if (depth > DEPTH_MAX) throw new RangeError('nested too deeply');
  if (reader.u8() === 1) {
    const weights = reader.u8();
    const prefix = reader.u8() !== 0;
    return { weights, prefix, lexeme: reader.cstring() };
  }
  const operator = operators[reader.u8() - 1];
  if (!operator) throw new RangeError('no such operator');
  const distance = operator === '<->' ? reader.u16() : 1;
  const right = readNode(reader, depth + 1);
  return { operator, distance, operands: operator === '!' ? [right] : [readNode(reader, depth + 1), right] };
}

function nodeText(node: QueryNode, above: number, rightOfPhrase: boolean): string {
  if ('lexeme' in node) {
    const weights = ['A', 'B', 'C', 'D'].filter((_, i) => node.weights & (8 >> i)).join('');
    const suffix = (node.prefix ? '*' : '') + weights;
    return quoteLexeme(node.lexeme) + (suffix === '' ? '' : `:${suffix}`);
  }
  const own = priority[node.operator];
  if (node.operator === '!') {
    const text = `!${nodeText(node.operands[0] as QueryNode, own, false)}`;
    return own < above ? `( ${text} )` : text;
  }
  const sign = node.operator === '<->' && node.distance !== 1 ? `<${node.distance}>` : node.operator;
  const [left, right] = node.operands as [QueryNode, QueryNode];
  const text = `${nodeText(left, own, false)} ${sign} ${nodeText(right, own, node.operator === '<->')}`;
  // Phrase operators do not associate: one on the right of another keeps its brackets.
  return own < above || (rightOfPhrase && node.operator === '<->') ? `( ${text} )` : text;
}

function writeNode(node: QueryNode, out: ByteWriter): number {
  if ('lexeme' in node) {
    writeUtf8(node.lexeme, out.u8(1).u8(node.weights).u8(node.prefix ? 1 : 0));
    out.u8(0);
    return 1;
  }
  out.u8(2).u8(operators.indexOf(node.operator) + 1);
  if (node.operator === '<->') out.i16(node.distance);
  return node.operands.toReversed().reduce((count, operand) => count + writeNode(operand, out), 1);
}

export const tsquery: ValueForm = textual(
  (bytes, start, end) => {
    const reader = new ByteReader(bytes.subarray(start, end));
    const text = reader.i32() === 0 ? '' : nodeText(readNode(reader, 0), 0, false);
    if (reader.left > 0) throw new RangeError('bytes are left over');
    return text;
  },
  (text, out) => {
    const node = parseQuery(text);
    const at = out.length;
    out.i32(0);
    if (node) out.patchI32(at, writeNode(node, out));
  },
);
