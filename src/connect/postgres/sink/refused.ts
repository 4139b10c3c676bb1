// What the server refuses of one table: a privilege, a column that somebody took away, a TRUNCATE that a foreign key forbids.
import { MillraceError } from '../../../base/index.ts';
import { quoteAddress, quoteIdent } from '../../../data/index.ts';
import { TablesRefused } from '../../../flow/index.ts';
import { describePgError, PgError } from '../../../wire/index.ts';

/** Errors about what is done to which object, whoever does it how often. */
const ofObject = /^(0A|42|55|XX)/;

/** The error as it concerns these tables (their addresses) alone; one that may pass, or concerns more than them, as it is. */
export function refusedOf(tables: readonly string[] | undefined, error: unknown, where: string, user: string): unknown {
  if (!tables || !(error instanceof PgError) || !ofObject.test(error.code)) return error;
  const described = describePgError(error, where);
  if (!(described instanceof MillraceError) || described.retriable) return error;
  if (!/^permission denied for (table|sequence|schema)/.test(error.message)) return new TablesRefused('target', tables, described);
  const { code, message, detail } = described;
  const hint = `grant select, insert, update, delete, truncate on ${tables.map(quoteAddress).join(', ')} to ${quoteIdent(user)}`;
  return new TablesRefused('target', tables, new MillraceError(code, message, { where, hint, cause: error, ...(detail === undefined ? {} : { detail }) }));
}
