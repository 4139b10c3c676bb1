// What has become of a source's tables since a replica read them: for events, and for `plan`.
import { type Relation, tableAddress } from '../data/index.ts';
import type { LoadedTable } from '../flow/index.ts';

export interface TableNews {
  /** Its address at the source. */
  readonly table: string;
  readonly what: string;
}

/** @param taken Addresses of the tables that the replica takes. */
export function tableNews(records: readonly Pick<LoadedTable, 'source' | 'done' | 'oid'>[], relations: readonly Relation[], taken: ReadonlySet<string>): TableNews[] {
  const news: TableNews[] = [];
  const there = new Map(relations.map((relation) => [tableAddress(relation), relation]));
  const renamed = new Map<string, string>();
  for (const { source, oid } of records.filter((record) => record.done)) {
    const now = there.get(source);
    if (now && (oid === 0 || now.oid === oid)) continue;
    const other = oid === 0 ? undefined : relations.find((relation) => relation.oid === oid);
    if (other) {
      renamed.set(tableAddress(other), source);
      news.push({ table: source, what: `it is called ${tableAddress(other)} now; its rows at the target stay under the old name` });
    }
    if (now) news.push({ table: source, what: 'it was dropped and made again: it is read again' });
    else if (!other) news.push({ table: source, what: 'it is gone, or no longer selected; its rows at the target stay' });
  }
  for (const table of there.keys()) {
    if (!taken.has(table) || records.some((record) => record.source === table && record.done)) continue;
    const before = renamed.get(table);
    if (before !== undefined) news.push({ table, what: `it was called ${before}: it is read under its new name` });
    else if (!records.some((record) => record.source === table)) news.push({ table, what: 'it is new: it is read' });
  }
  return news;
}
