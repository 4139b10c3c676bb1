// PostgreSQL's own grammar (libpg-query, WebAssembly): an expression in, its syntax tree out.
import { hasSqlDetails, loadModule, type Node, parseSync, scanSync, type SelectStmt } from 'libpg-query';
import { invalid, type Source } from './diagnostic.ts';

export type { Node } from 'libpg-query';

export type IndexElem = Extract<Node, { IndexElem: unknown }>['IndexElem'];

const PREFIX = 'select ';
let loaded = false;

/** Loads the grammar; await it once before bindExpression. */
export async function loadGrammar(): Promise<void> {
  await loadModule();
  loaded = true;
}

/** The tree of one scalar expression. Throws EXPRESSION_INVALID for what does not parse or is more than one expression. */
export function parseExpression(source: Source): Node {
  const statements = parse(source, PREFIX);
  const [statement] = statements;
  const select = statement && 'SelectStmt' in statement ? statement.SelectStmt : undefined;
  const [target] = select?.targetList ?? [];
  const result = target && 'ResTarget' in target ? target.ResTarget : undefined;
  if (statements.length !== 1 || !select || !result?.val || select.targetList?.length !== 1 || result.name !== undefined || !isBare(select)) {
    throw invalid(source, undefined, 'this is not a single SQL expression',
      'write what could stand between SELECT and FROM, without a name and without a comma');
  }
  return result.val;
}

function isBare(select: SelectStmt): boolean {
  const known = new Set(['targetList', 'limitOption', 'op']);
  return Object.keys(select).every((key) => known.has(key));
}

function parse(source: Source, prefix: string, suffix = ''): Node[] {
  if (!loaded) throw new Error('loadGrammar() has not been awaited');
  try {
    return (parseSync(prefix + source.sql + suffix).stmts ?? []).map((raw) => raw.stmt).filter((node) => node !== undefined);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const at = hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? 0) - prefix.length : undefined;
    throw invalid(source, at === undefined ? undefined : Math.min(Math.max(0, at), source.sql.length), error.message);
  }
}

/** The trees of what stands between the parentheses of CREATE INDEX. Throws EXPRESSION_INVALID for what does not parse or is more than that. */
export function parseIndexColumns(source: Source): IndexElem[] {
  const statements = parse(source, 'create index on t (', '\n)');
  const [statement] = statements;
  const index = statement && 'IndexStmt' in statement ? statement.IndexStmt : undefined;
  const known = new Set(['relation', 'accessMethod', 'indexParams']);
  if (statements.length !== 1 || !index || !Object.keys(index).every((key) => known.has(key))) {
    throw invalid(source, undefined, 'this is not what stands between the parentheses of CREATE INDEX', 'write columns and expressions with commas; conditions and methods have keys of their own');
  }
  return (index.indexParams ?? []).flatMap((node) => ('IndexElem' in node ? [node.IndexElem] : []));
}

/** The words of SQL in their order, without comments; those that SQL folds in lower case. `spaced`: something stood between it and the one before. */
export function wordsOf(sql: string): { readonly text: string; readonly folded: string; readonly spaced: boolean }[] {
  const tokens = sql === '' ? [] : scanSync(sql).tokens;
  return tokens.flatMap(({ text, start, tokenName, keywordKind }, i) => {
    if (tokenName.endsWith('COMMENT')) return [];
    const folds = (tokenName === 'IDENT' || keywordKind > 0) && /^[^"]*$/.test(text);
    return [{ text, folded: folds ? text.toLowerCase() : text, spaced: i > 0 && start > (tokens[i - 1]?.end ?? 0) || tokens[i - 1]?.tokenName.endsWith('COMMENT') === true }];
  });
}

/** A location of the tree (bytes of UTF-8, in the text with its prefix) as an index into the expression. */
export function indexOf(sql: string, location: number | undefined): number | undefined {
  if (location === undefined || location < 0) return undefined;
  const bytes = location - PREFIX.length;
  let seen = 0;
  let index = 0;
  for (const char of sql) {
    if (seen >= bytes) break;
    seen += Buffer.byteLength(char);
    index += char.length;
  }
  return index;
}
