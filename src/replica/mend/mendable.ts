// Which rows of a route can be read again one by one: those whose key at the target is made of fields of the source as they are.
import { MillraceError } from '../../base/index.ts';
import { plainText } from '../../connect/index.ts';
import { type Column, quoteIdent, type Relation, tableAddress } from '../../data/index.ts';
import type { Route } from '../rules/route.ts';

/** The fields of the source's row that make the target's key. Throws RESYNC_IMPOSSIBLE. */
export function keyFields({ relation, target, columns }: Route): number[] {
  const refuse = (why: string): MillraceError => new MillraceError('RESYNC_IMPOSSIBLE', `single rows of ${tableAddress(relation)} cannot be read again: ${why}`);
  if (target.key.length === 0) throw refuse(`its rows have no key at the target`);
  return target.key.map((i) => {
    const making = columns[i]?.making;
    if (making?.kind === 'field') return making.field;
    throw refuse(`the key column ${quoteIdent(target.columns[i]?.name ?? '')} of ${tableAddress(target)} is not one of the source as it is`);
  });
}

/** One text for keys that are equal, however they are written. */
export const sameKey = (relation: Relation, fields: readonly number[], texts: readonly string[]): string =>
  JSON.stringify(texts.map((text, i) => plainText((relation.columns[fields[i] as number] as Column).type, text)));
