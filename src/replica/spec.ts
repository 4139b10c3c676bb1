// What a replica is asked to do: the resolved form of a `replicas.NAME` block, whichever spelling it came from.
import type { TablePattern } from '../data/index.ts';
import type { PgAddress } from '../wire/index.ts';

/** A row as transforms see it: column name → value (values: data/values). */
export type AnyRow = Readonly<Record<string, unknown>>;

/** A function of a row. It returns the target row (missing columns of the target are left to their defaults), or null to leave the row out. */
export type RowFunction = (row: AnyRow) => AnyRow | null;

export type Mask =
  | { readonly kind: 'null' }
  /** Lower-case hex SHA-256 of salt + the value's text form; NULL stays NULL. */
  | { readonly kind: 'hash'; readonly salt: string }
  | { readonly kind: 'fixed'; readonly value: string | number | boolean };

/** A column that the rule computes. */
export type Added =
  | { readonly kind: 'constant'; readonly value: string | number | boolean | null; readonly type?: string }
  /** A SQL expression over the source row. */
  | { readonly kind: 'sql'; readonly sql: string };

/** An index of the target. */
export interface IndexRule {
  /** What stands between the parentheses of CREATE INDEX. */
  readonly on: string;
  readonly using?: string;
  readonly where?: string;
  readonly unique: boolean;
}

/** The target follows; it keeps its shape; the table stops. */
export type SchemaChanges = 'apply' | 'freeze' | 'fail';

/** What rows mean that a target table has when the replica first takes it: they must not be there; they are those of the source. */
export type ExistingRows = 'refuse' | 'keep';

/** One entry of `replicas.NAME.tables`. Rules match in order of specificity: exact names before globs; a table may match several `to` (routed to several). */
export interface TableRule {
  /** The source's name and the tables of it. */
  readonly source: string;
  readonly tables: TablePattern;
  /** Target schema and table; `*` stands for the source's own. Undefined: same schema and name. */
  readonly to?: { readonly schema: string; readonly name: string };
  readonly drop: readonly string[];
  /** Source column → target column. */
  readonly rename: Readonly<Record<string, string>>;
  readonly mask: Readonly<Record<string, Mask>>;
  /** Target column → how it is made. */
  readonly add: Readonly<Record<string, Added>>;
  /** Target columns that identify a row; they must come from key columns of the source unless the replica identity is full. */
  readonly key?: readonly string[];
  /** A SQL condition or a function; a row that does not match is not at the target. */
  readonly where?: string | ((row: AnyRow) => boolean);
  readonly row?: RowFunction;
  readonly deletes: 'hard' | 'soft' | 'ignore';
  /** Adds _source, _op and _committed_at to the target. */
  readonly meta: boolean;
  /** Adds _source and _lsn; rows of the same source with a later _lsn are left as they are. */
  readonly guard: boolean;
  /** A table without a key: inserts are appended; an update or delete is an error. */
  readonly appendOnly: boolean;
  /** What a schema change of the table does; undefined: what the replica says. */
  readonly schemaChanges?: SchemaChanges;
  readonly existing?: ExistingRows;
  readonly indexes?: readonly IndexRule[];
  /** Where the rule stands, for messages: file:line:column. */
  readonly place?: string;
}

export interface ReplicaSpec {
  readonly name: string;
  /** What it takes: the source's name and the patterns within that source's tables. */
  readonly from: readonly { readonly source: string; readonly tables: readonly TablePattern[] }[];
  /** The target: a PostgreSQL URL. */
  readonly url: PgAddress;
  readonly names: 'as-is' | 'snake_case';
  readonly rules: readonly TableRule[];
  readonly onBadRow: 'deadLetter' | 'stop';
  readonly schemaChanges: SchemaChanges;
  readonly existing: ExistingRows;
  /** How many sessions may write the rows of an epoch, each its share in a transaction of its own; 1: all rows of a commit are seen at once. */
  readonly parallel: number;
}
