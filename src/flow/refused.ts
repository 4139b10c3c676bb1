// A refusal that concerns some tables only: without them the others can go on.
import { MillraceError } from '../base/index.ts';

/** Thrown with nothing of the work done. */
export class TablesRefused extends MillraceError {
  /** Their addresses, at the `side`. */
  readonly tables: readonly string[];
  readonly side: 'source' | 'target';

  constructor(side: 'source' | 'target', tables: readonly string[], { code, message, where, detail, hint, cause }: MillraceError) {
    super(code, message, { ...(where === undefined ? {} : { where }), ...(detail === undefined ? {} : { detail }), hint, cause });
    this.side = side;
    this.tables = tables;
  }
}
