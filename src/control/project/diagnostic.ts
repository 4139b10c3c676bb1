// Problems of a project's files, as a compiler reports them: where, what, the line itself, the next step.
import { type ErrorCode, MillraceError } from '../../base/index.ts';

export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  /** One lower-case sentence without a full stop. */
  readonly message: string;
  /** Relative to the project's folder. */
  readonly file: string;
  /** From 1; absent when the problem has no single place (a file that is missing, a value made by code). */
  readonly line?: number;
  /** From 1, in UTF-16 units. */
  readonly column?: number;
  /** How many characters the caret underlines. */
  readonly length?: number;
  /** The line itself, passwords of URLs blanked out. */
  readonly text?: string;
  readonly hint?: string;
}

/** The project cannot be used; `diagnostics` has every problem found, warnings too. The message counts them, the detail shows them. */
export class ProjectError extends MillraceError {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const errors = diagnostics.filter((each) => each.severity === 'error');
    const first = errors[0];
    const message = errors.length === 1 && first ? first.message : `${errors.length} problems in the configuration`;
    super(first?.code ?? 'CONFIG_INVALID', message, { detail: formatDiagnostics(diagnostics) });
    this.diagnostics = diagnostics;
  }
}

/** A text with its line starts, to turn offsets into places. */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #starts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  /** The place of a line and column, both from 1; the caret stands under one name or address. */
  placeAt(line: number, column: number): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'text'> {
    const start = (this.#starts[line - 1] ?? 0) + column - 1;
    return this.place(start, start + (/^["'\w$.*-]+/.exec(this.text.slice(start))?.[0].length ?? 1));
  }

  /** The place of `text[start..end)`; the caret stays within the first line. */
  place(start: number, end = start + 1): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'text'> {
    let line = this.#starts.findLastIndex((at) => at <= start);
    // The end of the file is shown on the last line that has text.
    if (line === this.#starts.length - 1 && line > 0 && this.#starts[line] === this.text.length) line -= 1;
    const from = this.#starts[line] as number;
    const text = this.text.slice(from, this.#starts[line + 1] ?? this.text.length).replace(/[\r\n]+$/, '');
    const column = Math.min(start - from, text.length);
    const length = Math.max(1, Math.min(end - from, text.length) - column);
    return { file: this.file, line: line + 1, column: column + 1, length, text: blankPasswords(text) };
  }
}

/** `//user:password@` and `?password=`. A colon within ${NAME:-default} ends no user. */
const passwordInUrl = /(:\/\/(?:\$\{[^}]*\}|(?!\$\{)[^\s:/@"'])*:)([^\s"']*)(?=@)|(:\/\/[^\s"']*[?&]password=)([^\s"'&]+)/g;

/** Passwords of URLs as stars of the same length, so that carets still point right. Variables stay. */
export const blankPasswords = (text: string): string =>
  text.replace(passwordInUrl, (whole, before?: string, password = '', otherBefore?: string, other = '') =>
    isVariables(password + other) ? whole : `${before ?? otherBefore}${'*'.repeat(`${password}${other}`.length)}`);

const isVariables = (text: string): boolean => text.replace(/\$\{[^}]*\}/g, '') === '';

/** Whether a URL has a password that stands there itself, not in a variable. */
export function hasLiteralPassword(text: string): boolean {
  return [...text.matchAll(passwordInUrl)].some(([, , password = '', , other = '']) => !isVariables(password + other));
}

/** `file:line:column`, or what is known of it. */
export const placeText = (at: Pick<Diagnostic, 'file' | 'line' | 'column'>): string =>
  [at.file, at.line, at.column].filter((part) => part !== undefined).join(':');

/**
 * ```text
 * millrace.yaml:4:5: error: unknown key "postgress"
 *   4 |     postgress: ${SHOP_URL}
 *     |     ^^^^^^^^^
 *   help: did you mean "postgres"?
 * ```
 */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { line, column, length, text } = diagnostic;
  const lines = [`${placeText(diagnostic)}: ${diagnostic.severity}: ${diagnostic.message}`];
  if (line !== undefined && column !== undefined && text !== undefined) {
    const number = String(line);
    // Tabs stay tabs under the line, so that the caret stands right whatever their width.
    const indent = text.slice(0, column - 1).replace(/[^\t]/g, ' ');
    lines.push(`  ${number} | ${text}`, `  ${' '.repeat(number.length)} | ${indent}${'^'.repeat(length ?? 1)}`);
  }
  if (diagnostic.hint !== undefined) lines.push(`  help: ${diagnostic.hint}`);
  return lines.join('\n');
}

/** All of them, in the order of their places. */
export const formatDiagnostics = (diagnostics: readonly Diagnostic[]): string => diagnostics.map(formatDiagnostic).join('\n');

/** By file, then by place; equal ones once. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const order = (a: Diagnostic, b: Diagnostic): number =>
    (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
  const seen = new Set<string>();
  return diagnostics.toSorted(order).filter((each) => {
    const text = formatDiagnostic(each);
    return !seen.has(text) && seen.add(text);
  });
}
