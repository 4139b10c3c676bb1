// The binder: walks the syntax tree once, resolves names and types, and returns closures. What each kind of node means is in bind-*.ts.
import { baseType, displayIdent, nearestName, type PgType, quoteIdent, Unchanged } from '../data/index.ts';
import type { Bound } from './bound.ts';
import { type Source, invalid } from './diagnostic.ts';
import { UnchangedValueError } from './errors.ts';
import { indexOf, type Node } from './grammar.ts';

/** A column that an expression may name: `name`, or `qualifier.name` (before.status). */
export interface ScopeColumn {
  readonly qualifier?: string;
  /** The catalog's spelling, without quotes. */
  readonly name: string;
  readonly type: PgType;
  /** PostgreSQL's type modifier, −1 if none. */
  readonly typmod: number;
}

export type BindNode = (binder: Binder, node: Node) => Bound;

export class Binder {
  readonly source: Source;
  readonly scope: readonly ScopeColumn[];
  /** The columns that were named so far. */
  readonly columns: Set<number> = new Set();
  readonly #bindNode: BindNode;
  readonly #columnSql: (column: number) => string;

  constructor(source: Source, scope: readonly ScopeColumn[], bindNode: BindNode, columnSql: ((column: number) => string) | undefined) {
    this.source = source;
    this.scope = scope;
    this.#bindNode = bindNode;
    this.#columnSql = columnSql ?? ((column) => columnName(scope[column] as ScopeColumn, quoteIdent));
  }

  bind(node: Node | undefined): Bound {
    if (!node) throw this.fail(undefined, 'a part of the expression is missing');
    return this.#bindNode(this, node);
  }

  /** An error at a place of the text (an index into it). */
  fail(at: number | undefined, message: string, hint?: string): Error {
    return invalid(this.source, at, message, hint);
  }

  /** The index into the text of a location of the tree. */
  at(location: number | undefined): number | undefined {
    return indexOf(this.source.sql, location);
  }

  column(path: readonly string[], at: number | undefined): Bound {
    const name = path.at(-1) as string;
    const qualifier = path.length > 1 ? path[path.length - 2] : undefined;
    const found = this.scope.flatMap((column, i) =>
      column.name === name && path.length <= 2 && (qualifier === undefined || qualifier === column.qualifier) ? [i] : []);
    const [index] = found;
    const shown = path.map(displayIdent).join('.');
    if (index === undefined) throw this.#unknownColumn(shown, at);
    if (found.length > 1) {
      const choices = found.map((i) => columnName(this.scope[i] as ScopeColumn, displayIdent)).join(' or ');
      throw this.fail(at, `column reference "${shown}" is ambiguous`, `write ${choices}`);
    }
    this.columns.add(index);
    return this.#read(index, at);
  }

  #read(index: number, at: number | undefined): Bound {
    const column = this.scope[index] as ScopeColumn;
    const name = columnName(column, displayIdent);
    const domain = column.type.kind === 'domain';
    return {
      type: baseType(column.type),
      typmod: domain ? (column.type.baseTypmod ?? -1) : column.typmod,
      sql: this.#columnSql(index),
      constant: false,
      at,
      run: (read) => {
        const value = read(index);
        if (value === Unchanged) throw new UnchangedValueError(name);
        return value === undefined ? null : value;
      },
    };
  }

  #unknownColumn(shown: string, at: number | undefined): Error {
    const names = this.scope.map((column) => columnName(column, displayIdent));
    const near = nearestName(shown, names) ?? nearestName(shown, this.scope.map((column) => displayIdent(column.name)));
    return this.fail(at, `column "${shown}" does not exist`, near === undefined ? `the columns are ${names.join(', ')}` : `did you mean ${near}?`);
  }
}

const columnName = (column: ScopeColumn, quote: (name: string) => string): string =>
  column.qualifier === undefined ? quote(column.name) : `${quote(column.qualifier)}.${quote(column.name)}`;
