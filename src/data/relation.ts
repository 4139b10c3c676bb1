// Types, columns and relations: the shape of a table at one moment of its source.
import type { TableName } from './names.ts';

/** A PostgreSQL type, resolved far enough to read and write its values. */
export interface PgType {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'base' | 'enum' | 'domain' | 'array' | 'composite' | 'range' | 'multirange' | 'pseudo';
  /** Array: the element. Range: the subtype. Multirange: the range. */
  readonly element?: PgType;
  /** Domain: the type beneath it. */
  readonly base?: PgType;
  /** Domain: the typmod of the type beneath it. */
  readonly baseTypmod?: number;
  /** Enum: the labels in order. */
  readonly labels?: readonly string[];
  /** Composite: the attributes in order. */
  readonly attributes?: readonly { readonly name: string; readonly type: PgType; readonly typmod: number }[];
  /** Whether the type and everything inside it has binary send and receive functions. */
  readonly binary: boolean;
}

export interface Column {
  readonly name: string;
  readonly type: PgType;
  /** PostgreSQL's type modifier, −1 if none. */
  readonly typmod: number;
  /** The type as SQL writes it, e.g. `numeric(10,2)`, `sales.status`, `text[]`; valid with an empty search_path. */
  readonly typeText: string;
  readonly notNull: boolean;
  /** What rows have in it that are older than the column: the constant default that it was added with, as text. The source never sends it. */
  readonly missing?: string;
  /** Rows that are older than the column may each have another value in it, which the source never sends: its default is no constant. */
  readonly filled?: true;
  /** Its number in the source's table, which it keeps under another name; absent where that is not known. */
  readonly number?: number;
}

/** A table that belongs to a partitioned one, at whatever depth; as it is remembered. */
export interface PartitionName {
  readonly oid: number;
  /** Schema and name, for messages. */
  readonly name: string;
  /** Tells one time of being a partition from another. */
  readonly since: string;
}

export interface Partition extends PartitionName {
  readonly parent: number;
  /** It was a table of its own before. */
  readonly attached: boolean;
  /** It, or what it is beneath, was attached, and there are rows in it. */
  readonly rows: boolean;
}

/** What an update or delete tells about the old row. */
export type ReplicaIdentity = 'default' | 'index' | 'full' | 'nothing';

/** A table with its columns as the stream has them (dropped, unpublished and left-out columns are absent). Immutable; a new shape is a new Relation. */
export interface Relation extends TableName {
  /** The table's OID at the source. */
  readonly oid: number;
  readonly columns: readonly Column[];
  readonly identity: ReplicaIdentity;
  /** Indexes of the columns that identify a row: those of the replica identity, or of the primary key under `full`. Empty: none. */
  readonly key: readonly number[];
  /** Declared to be only inserted into: it needs no key, and an update or delete of it is an error. */
  readonly appendOnly?: true;
  /** Numbers of columns that the source does not send, as far as they are known. */
  readonly unsent?: readonly number[];
  /** Of a partitioned table: what lies beneath it, as far as that is known. */
  readonly partitions?: readonly Partition[];
  /** A hash of all but these two: equal versions are equal shapes. */
  readonly version: string;
}

/** The type beneath all domains. */
export function baseType(type: PgType): PgType {
  let at = type;
  while (at.kind === 'domain' && at.base) at = at.base;
  return at;
}
