// The resolved project: what the rest of Millrace works from, whichever spelling it came from.
import type { TableName, TablePattern } from '../../data/index.ts';
import type { ReplicaSpec } from '../../replica/index.ts';
import type { PgAddress } from '../../wire/index.ts';

export interface ColumnRule {
  readonly tables: TablePattern;
  /** Column patterns: names, `*`, `!` in front excludes. */
  readonly columns: readonly string[];
}

export interface SourceSpec {
  readonly name: string;
  /** The database; variables filled in. */
  readonly url: PgAddress;
  readonly tables: readonly TablePattern[];
  /** Which columns of which tables leave the source; tables that no entry matches send all. */
  readonly columns: readonly ColumnRule[];
  readonly slot?: string;
  readonly publication?: string;
  /** Tables without a key whose rows are only inserted. */
  readonly appendOnly: readonly TablePattern[];
  /** Where the source stands, for messages: file:line:column. */
  readonly place: string;
}

export interface Project {
  /** Absolute path. */
  readonly folder: string;
  readonly sources: readonly SourceSpec[];
  readonly replicas: readonly ReplicaSpec[];
  readonly bus: 'embedded';
  readonly limits: {
    readonly walKeptBytes: number; readonly memoryBytes: number;
    /** Of snapshots: connections of a replica, bytes a second of a source (undefined: no limit), how old one may get. */
    readonly readers: number; readonly readBytesPerSec: number | undefined; readonly snapshotMs: number;
  };
  readonly serve: { readonly http?: { readonly host: string; readonly port: number } };
}

/** Which columns of the source's tables are published: the filter that the catalog reader and the publication take. */
export const columnFilter =
  (source: Pick<SourceSpec, 'columns'>) =>
  (table: TableName, column: string): boolean =>
    source.columns.every((rule) => !rule.tables.matches(table) || selectsColumn(rule.columns, column));

/** Whether column patterns select a column: some inclusion matches and no exclusion does. */
export function selectsColumn(patterns: readonly string[], column: string): boolean {
  const included = patterns.filter((pattern) => !pattern.startsWith('!'));
  const excluded = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  return included.some((pattern) => columnMatches(pattern, column)) && !excluded.some((pattern) => columnMatches(pattern, column));
}

/** `*` matches any run of characters; a name in double quotes is itself. */
export function columnMatches(pattern: string, column: string): boolean {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(pattern);
  if (quoted) return (quoted[1] as string).replaceAll('""', '"') === column;
  if (!pattern.includes('*')) return pattern === column;
  const escaped = pattern.split('*').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(column);
}

/** Tables that are declared append-only, at the source or by a rule. */
export const appendOnlyTables = (project: Pick<Project, 'replicas'>, source: SourceSpec): TablePattern[] => [
  ...source.appendOnly,
  ...project.replicas.flatMap((replica) => replica.rules.filter((rule) => rule.appendOnly && rule.source === source.name).map((rule) => rule.tables)),
];
