// What a plan of a target consists of: statements that make things, and problems that no statement of ours mends.

/** One statement, without a semicolon at its end. It changes nothing when its object is already there (see applyTarget). */
export interface DdlStatement {
  readonly sql: string;
  /** Half a sentence: what makes it needed. */
  readonly why: string;
  /** What it makes or changes, e.g. `table sales.orders`, `type public.status`, `schema sales`. */
  readonly object: string;
  /** Address of the table that needs it, or of the first one. */
  readonly table?: string;
  /** The statement that an owner or superuser runs when the user of the replica may not run `sql`. */
  readonly grant: string;
  /** The schema in which it makes a new type or table. */
  readonly makesIn?: string;
  /** For what is there and altered: whether the user owns it. */
  readonly owned?: boolean;
}

export interface TargetProblem {
  /** A warning is about speed or about what can go wrong later; an error stops the replica before it writes anything. */
  readonly level: 'error' | 'warning';
  /** The table's address. */
  readonly table: string;
  readonly column?: string;
  readonly message: string;
  /** A statement or a change of the configuration. */
  readonly hint: string;
}
