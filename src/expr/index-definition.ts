// Definitions of indexes: what they are over, and what they are called.
import { hash } from 'node:crypto';
import { invalid } from './diagnostic.ts';
import { type IndexElem, type Node, parseExpression, parseIndexColumns, wordsOf } from './grammar.ts';

/** What a CREATE INDEX says, without names. */
export interface IndexText {
  /** What stands between the parentheses. */
  readonly on: string;
  readonly where?: string;
  readonly using?: string;
  readonly unique: boolean;
}

export interface ParsedIndex {
  /** The definition without comments and line ends. */
  readonly text: IndexText;
  /** The columns that it needs, each once. */
  readonly columns: readonly string[];
  /** What its columns are called in a name that PostgreSQL makes. */
  readonly labels: readonly string[];
  /** Equal for definitions that differ in spaces, comments and letters that SQL folds. */
  readonly canonical: string;
}

/** Reads a definition; `loadGrammar` first. Throws EXPRESSION_INVALID for what does not parse, or no index can have. */
export function parseIndex({ on, where, using, unique }: IndexText): ParsedIndex {
  const columns = new Set<string>();
  const elements = parseIndexColumns({ sql: on });
  for (const element of elements) {
    if (element.name !== undefined) columns.add(element.name);
    visit(element.expr, on, columns);
  }
  if (where !== undefined) visit(parseExpression({ sql: where }), where, columns);
  const canonical = [on, where ?? '', (using ?? 'btree').toLowerCase(), unique ? 'unique' : ''].map((part) => wordsOf(part).map((word) => word.folded).join(' ')).join(' | ');
  const text: IndexText = { on: oneLine(on), unique, ...(where === undefined ? {} : { where: oneLine(where) }), ...(using === undefined ? {} : { using }) };
  return { text, columns: [...columns], labels: labelsOf(elements), canonical };
}

const oneLine = (sql: string): string => wordsOf(sql).map(({ text, spaced }) => (spaced ? ` ${text}` : text)).join('');

function visit(node: unknown, sql: string, columns: Set<string>): void {
  if (typeof node !== 'object' || node === null) return;
  if ('SubLink' in node) throw invalid({ sql }, undefined, 'an index cannot have a subquery');
  if ('ColumnRef' in node) {
    const last = (node.ColumnRef as { fields?: readonly Node[] }).fields?.at(-1);
    if (last && 'String' in last) columns.add(last.String.sval ?? '');
    return;
  }
  for (const part of Object.values(node)) visit(part, sql, columns);
}

/** As PostgreSQL chooses them: the column, the function that makes the value, or `expr`; a number behind what was there before. */
function labelsOf(elements: readonly IndexElem[]): string[] {
  const labels: string[] = [];
  for (const { name, expr } of elements) {
    const label = name ?? labelOf(expr) ?? 'expr';
    let unique = label;
    for (let i = 1; labels.includes(unique); i++) unique = `${clipped(label, 63 - String(i).length)}${i}`;
    labels.push(unique);
  }
  return labels;
}

function labelOf(node: Node | undefined): string | undefined {
  if (!node) return undefined;
  const last = (names: readonly Node[] | undefined): string | undefined => names?.flatMap((one) => ('String' in one ? [one.String.sval ?? ''] : [])).at(-1);
  if ('ColumnRef' in node) return last(node.ColumnRef.fields);
  if ('FuncCall' in node) return last(node.FuncCall.funcname);
  if ('CollateClause' in node) return labelOf(node.CollateClause.arg);
  if ('TypeCast' in node) return labelOf(node.TypeCast.arg) ?? last(node.TypeCast.typeName?.names);
  if ('CoalesceExpr' in node) return 'coalesce';
  if ('CaseExpr' in node) return labelOf(node.CaseExpr.defresult) ?? 'case';
  if ('MinMaxExpr' in node) return node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest';
  return undefined;
}

/** So long are names. */
const nameBytesMax = 63;

/** The name of a table's index: that which PostgreSQL would give it, and a hash, so that another definition, or the same of another table, has another name. */
export function indexName(table: string, { labels, canonical }: ParsedIndex): string {
  const end = `_idx_${hash('sha256', `${table} ${canonical}`, 'hex').slice(0, 8)}`;
  let [first, second] = [Buffer.byteLength(table), Buffer.byteLength(labels.join('_'))];
  // What is longer is cut.
  while (first + second + 1 + end.length > nameBytesMax) {
    if (first > second) first -= 1;
    else second -= 1;
  }
  return `${clipped(table, first)}_${clipped(labels.join('_'), second)}${end}`;
}

/** The longest beginning of so many bytes. */
function clipped(text: string, bytes: number): string {
  let [end, used] = ['', 0];
  for (const char of text) {
    used += Buffer.byteLength(char);
    if (used > bytes) break;
    end += char;
  }
  return end;
}
