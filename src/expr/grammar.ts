// PostgreSQL's own grammar (libpg-query, WebAssembly): an expression in, its syntax tree out.
import { hasSqlDetails, loadModule, type Node, parseSync, type SelectStmt } from 'libpg-query';
import { invalid, type Source } from './diagnostic.ts';

export type { Node } from 'libpg-query';

const PREFIX = 'select ';
let loaded = false;

/** Loads the grammar; await it once before bindExpression. */
export async function loadGrammar(): Promise<void> {
  await loadModule();
  loaded = true;
}

/** The tree of one scalar expression. Throws EXPRESSION_INVALID for what does not parse or is more than one expression. */
export function parseExpression(source: Source): Node {
  if (!loaded) throw new Error('loadGrammar() has not been awaited');
  const statements = parse(source);
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

function parse(source: Source): Node[] {
  try {
    return (parseSync(PREFIX + source.sql).stmts ?? []).map((raw) => raw.stmt).filter((node) => node !== undefined);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const at = hasSqlDetails(error) ? Math.max(0, (error.sqlDetails?.cursorPosition ?? 0) - PREFIX.length) : undefined;
    throw invalid(source, at, error.message);
  }
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
