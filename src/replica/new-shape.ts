// What ends an attempt to apply an epoch in pieces, so that it begins anew.
import type { Relation } from '../data/index.ts';

/** A table has a new shape in the middle of an epoch that is applied in pieces: the target follows, and the epoch begins anew. */
export class NewShape extends Error {
  readonly relations: readonly Relation[];

  constructor(relations: readonly Relation[]) {
    super('a table has a new shape');
    this.relations = relations;
  }
}
