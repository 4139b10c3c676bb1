// Collects the problems of one file; a path into its values becomes a place.
import type { ErrorCode } from '../../base/index.ts';
import { type Diagnostic, placeText } from './diagnostic.ts';

export type Path = readonly (string | number)[];
export type Place = Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'text'>;

/** Where the values of a file stand. */
export interface Places {
  readonly file: string;
  /** The place of the value at a path, or of the key that leads to it. Falls back to the nearest ancestor that has a place. */
  at(path: Path, what: 'key' | 'value'): Place;
}

export class Report {
  readonly diagnostics: Diagnostic[];
  readonly #places: Places;
  /** Values that are not known because a variable is missing: what else is said about them would mislead. */
  readonly #unknown = new Set<string>();
  /** Values before their variables were filled in, where they have some. */
  readonly #templates = new Map<string, string>();

  /** `into`: the report of the main file, which also gets what is found in this one. */
  constructor(places: Places, into?: Report) {
    this.#places = places;
    this.diagnostics = into?.diagnostics ?? [];
  }

  error(path: Path, message: string, options: { hint?: string | undefined; at?: 'key' | 'value'; code?: ErrorCode } = {}): void {
    this.#add('error', path, message, options);
  }

  warning(path: Path, message: string, options: { hint?: string | undefined; at?: 'key' | 'value'; code?: ErrorCode } = {}): void {
    this.#add('warning', path, message, options);
  }

  add(diagnostic: Diagnostic): void {
    this.diagnostics.push(diagnostic);
  }

  markUnknown(path: Path): void {
    this.#unknown.add(JSON.stringify(path));
  }

  isUnknown(path: Path): boolean {
    return this.#unknown.has(JSON.stringify(path));
  }

  noteTemplate(path: Path, template: string): void {
    this.#templates.set(JSON.stringify(path), template);
  }

  templateOf(path: Path): string | undefined {
    return this.#templates.get(JSON.stringify(path));
  }

  get failed(): boolean {
    return this.diagnostics.some((each) => each.severity === 'error');
  }

  placeOf(path: Path, what: 'key' | 'value' = 'key'): string {
    return placeText(this.#places.at(path, what));
  }

  placeAt(path: Path, what: 'key' | 'value' = 'value'): Place {
    return this.#places.at(path, what);
  }

  #add(severity: Diagnostic['severity'], path: Path, message: string, options: { hint?: string | undefined; at?: 'key' | 'value'; code?: ErrorCode }): void {
    if (this.isUnknown(path) && options.code !== 'CONFIG_VARIABLE') return;
    const place = this.#places.at(path, options.at ?? 'value');
    this.diagnostics.push({
      severity, code: options.code ?? 'CONFIG_INVALID', message, ...place, ...(options.hint === undefined ? {} : { hint: options.hint }),
    });
  }
}
