// What a project in TypeScript is written with: defineProject, table, env, and the types that make a wrong one not compile.
// oxlint-disable typescript/no-redundant-type-constituents, typescript/no-duplicate-type-constituents -- the table names are `never` until types are generated
import { MillraceError } from '../../base/index.ts';
import type { Unchanged } from '../../data/index.ts';
import type { AnyRow } from '../../replica/index.ts';
import { callSite, type CallSite } from './call-site.ts';
import type { ProjectInput, ReplicaInput, SourceInput } from './schema.ts';

/**
 * The tables of the project's sources by address. Empty here; `millrace types` writes a millrace.d.ts that fills it:
 * `'shop.public.orders': { row: { id: bigint; … }; key: 'id'; identity: 'key' }`.
 */
export interface Tables {}

/** What an entry of `Tables` says. */
export interface TableShape {
  /** The JavaScript types of the columns. */
  readonly row: object;
  /** The names of the key columns; never without a key. */
  readonly key: string;
  /** `full`: updates and deletes carry the whole old row. */
  readonly identity: 'key' | 'full';
}

type Known = keyof Tables & string;
type Pattern = `${string}*${string}`;

/** The address of a table, or a pattern of several. Any text as long as no types are generated. */
export type TableAddress = [Known] extends [never] ? string : Known | Pattern;

type Shape<N extends string> = N extends Known ? (Tables[N] extends infer S extends TableShape ? S : never) : { row: AnyRow; key: never; identity: 'full' };

/** The row of a table as `row` gets it. */
export type Row<N extends string> = Shape<N>['row'];

/** The row as `where` gets it: a column that an update may leave out cannot be asked, unless the replica identity is full. */
export type WhereRow<N extends string> = { readonly [C in keyof Row<N>]: Unchanged extends Row<N>[C] ? Unchanged : Row<N>[C] };

type ColumnOf<N extends string> = N extends Known ? keyof Row<N> & string : string;

/** Source columns that a target key may be made of. */
type KeySource<N extends string> = N extends Known ? (Shape<N>['identity'] extends 'full' ? ColumnOf<N> : Shape<N>['key']) : string;

/** What those columns are called at the target. */
type TargetKey<N extends string, M> = Exclude<KeySource<N>, keyof M> | (M[KeySource<N> & keyof M] & string);

/** The key when none is given: that of the source. */
type DefaultKey<N extends string, M> = (Exclude<Shape<N>['key'], keyof M> | (M[Shape<N>['key'] & keyof M] & string)) & TargetKey<N, M>;

type Renaming = Readonly<Record<string, string>>;

type Constant = string | number | boolean | null;

export interface TableOptions<N extends string, M extends Renaming, K extends string> {
  /** Target schema and table; `*` as a part stands for the source's own. */
  readonly to?: string;
  readonly drop?: readonly ColumnOf<N>[];
  /** Source column → target column. */
  readonly rename?: M & { readonly [C in keyof M]: C extends ColumnOf<N> ? string : never };
  readonly mask?: Readonly<Partial<Record<ColumnOf<N>, null | 'null' | 'hash' | { readonly hash: string } | { readonly fixed: string | number | boolean }>>>;
  /** Target column → a constant, or a SQL expression over the source row. */
  readonly add?: Readonly<Record<string, Constant | { readonly sql: string } | { readonly value: Constant; readonly type?: string }>>;
  /** Target columns that identify a row, made of key columns of the source, or of any column when its replica identity is full. */
  readonly key?: readonly K[];
  /** A SQL condition or a function; a row that does not match is not at the target. */
  readonly where?: string | ((row: WhereRow<N>) => boolean);
  /**
   * The target row of a source row, or null to leave it out. It may have more columns or fewer, but has those of the key. A function of the
   * row alone: Millrace runs it on the old and the new row and derives insert, update and delete.
   */
  readonly row?: (row: Row<N>) => ({ readonly [P in NoInfer<K>]: unknown } & AnyRow) | null;
  readonly deletes?: 'hard' | 'soft' | 'ignore';
  /** Adds _source, _op and _committed_at to the target. */
  readonly meta?: boolean;
  /** Adds _source and _lsn to the target; a row of the same source with a later _lsn is never written over. */
  readonly guard?: boolean;
  readonly appendOnly?: boolean;
  /** Indexes of the target, made once its rows are there: what stands between the parentheses of CREATE INDEX. */
  readonly indexes?: readonly (string | { readonly on: string; readonly using?: string; readonly where?: string; readonly unique?: boolean })[];
  /** `keep`: rows that the target has before the replica first takes the table are taken for those of the source. */
  readonly existing?: 'refuse' | 'keep';
}

/** Made by `table`. */
export interface TableEntry {
  readonly [tableEntry]: CallSite | undefined;
  readonly from: string;
  readonly options: object;
}

const tableEntry: unique symbol = Symbol('millrace.table');

export const isTableEntry = (value: unknown): value is TableEntry => typeof value === 'object' && value !== null && tableEntry in value;

export const entrySite = (entry: TableEntry): CallSite | undefined => entry[tableEntry];

/** One table (or those of a pattern), and what becomes of its rows. Several entries of one table: it goes to several. */
export function table<
  const N extends TableAddress,
  const M extends Renaming = Readonly<Record<never, string>>,
  K extends TargetKey<N, M> = DefaultKey<N, M>,
>(from: N, options: TableOptions<N, M, K> = {}): TableEntry {
  return { [tableEntry]: callSite(table), from, options };
}

/**
 * The value of a variable of the environment or of `.env`, filled in when the project is loaded, as `${NAME}` in YAML is: the text returned
 * here may be put into longer texts, but not be computed with.
 */
export function env(name: string, fallback?: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new MillraceError('CONFIG_INVALID', `"${name}" is not the name of a variable`);
  if (fallback?.includes('}')) throw new MillraceError('CONFIG_INVALID', `the default of ${name} contains a "}"`, { hint: 'put the value into .env' });
  return fallback === undefined ? `\${${name}}` : `\${${name}:-${fallback}}`;
}

type Frozen<T> = T extends (...args: never[]) => unknown ? T : T extends object ? { readonly [P in keyof T]: Frozen<T[P]> } : T;

type FromEntry<S extends string> = S | ([Known] extends [never] ? `${S}.${string}` | `!${S}.${string}` : Known | `!${Known}` | `${S}.${Pattern}` | `!${S}.${Pattern}`);

type ReplicaDefinition<S extends string> = Frozen<Omit<ReplicaInput, 'from' | 'tables'>> & {
  /** A source, tables of one, or a list of those. */
  readonly from: FromEntry<S> | readonly FromEntry<S>[];
  /** A list of `table(…)`, or the mapping of the YAML. */
  readonly tables?: readonly TableEntry[] | Frozen<NonNullable<ReplicaInput['tables']>>;
};

export type ProjectDefinition<S extends string = string> = Frozen<Omit<ProjectInput, 'sources' | 'replicas' | 'millrace'>> & {
  readonly millrace?: 1;
  readonly sources: Readonly<Record<S, Frozen<SourceInput>>>;
  readonly replicas?: Readonly<Record<string, ReplicaDefinition<NoInfer<S>>>>;
};

/** A project; the same model as millrace.yaml. The default export of millrace.config.ts. */
export function defineProject<const S extends string>(project: ProjectDefinition<S>): ProjectDefinition {
  const site = callSite(defineProject);
  if (site) definitionSites.set(project, site);
  return project as ProjectDefinition;
}

const definitionSites = new WeakMap<object, CallSite>();

export const definitionSite = (project: object): CallSite | undefined => definitionSites.get(project);
