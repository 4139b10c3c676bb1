// The mend for everything that needs the whole old row.
import { quoteTable, type Relation } from '../../data/index.ts';

export const fullIdentity = (relation: Relation): string => `alter table ${quoteTable(relation)} replica identity full`;
