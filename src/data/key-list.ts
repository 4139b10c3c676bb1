// Lists of keys, as PostgreSQL's text, and the SQL that finds their rows.
import { quoteIdent, quoteLiteral } from './names.ts';
import type { Column } from './relation.ts';

/** A condition: the columns have the values of one of the keys. The server finds it with the key's index. */
export function isAmong(columns: readonly Pick<Column, 'name' | 'typeText'>[], keys: readonly (readonly string[])[]): string {
  const arrays = columns.map((_, i) => `array[${keys.map((key) => quoteLiteral(key[i] as string)).join(', ')}]::pg_catalog.text[]`);
  const values = columns.map(({ typeText }, i) => `k${i}::${typeText}`);
  return `(${columns.map(({ name }) => quoteIdent(name)).join(', ')}) in (select ${values.join(', ')} from rows from (${arrays.map((array) => `unnest(${array})`).join(', ')}) as k(${columns.map((_, i) => `k${i}`).join(', ')}))`;
}
