// Errors of an expression, found when it is bound, with the place in its text.
import { MillraceError } from '../base/index.ts';

/** An expression's text, and where it was written (file:line:column), if known. */
export interface Source {
  readonly sql: string;
  readonly where?: string;
}

/** EXPRESSION_INVALID with the line and a caret under `index` (an index into the text; undefined: no caret). */
export function invalid(source: Source, index: number | undefined, message: string, hint?: string): MillraceError {
  const place = index === undefined ? undefined : lineAt(source.sql, index);
  const position = place && `line ${place.line}, column ${place.column}`;
  return new MillraceError('EXPRESSION_INVALID', message, {
    ...(source.where === undefined && position === undefined ? {} : { where: [source.where, position].filter(Boolean).join(', expression ') }),
    detail: place ? `${place.text}\n${place.text.slice(0, place.column - 1).replace(/[^\t]/gu, ' ')}^` : source.sql,
    ...(hint === undefined ? {} : { hint }),
  });
}

function lineAt(sql: string, index: number): { line: number; column: number; text: string } {
  const before = sql.slice(0, index).split('\n');
  const start = index - (before.at(-1) as string).length;
  const end = sql.indexOf('\n', start);
  return { line: before.length, column: index - start + 1, text: sql.slice(start, end < 0 ? undefined : end) };
}
