// What a rule cannot do for a table: found when rules are compiled, before anything runs.
import { MillraceError, type ErrorCode } from '../../base/index.ts';

export interface RuleProblem {
  readonly code: ErrorCode;
  /** Address of the source table. */
  readonly table: string;
  readonly message: string;
  /** The next step. */
  readonly hint: string;
  /** Where the rule stands: file:line:column. */
  readonly place?: string;
}

/** A problem as an error that stops what needs the rule. */
export const problemError = (problem: RuleProblem): MillraceError =>
  new MillraceError(problem.code, `${problem.table}: ${problem.message}`, { hint: problem.hint, where: problem.place ?? problem.table });

/** Collects the problems of one rule with one table. */
export class Problems {
  readonly list: RuleProblem[] = [];
  readonly #table: string;
  readonly #place: string | undefined;

  constructor(table: string, place: string | undefined) {
    this.#table = table;
    this.#place = place;
  }

  add(code: ErrorCode, message: string, hint: string): void {
    this.list.push({ code, table: this.#table, message, hint, ...(this.#place === undefined ? {} : { place: this.#place }) });
  }
}
