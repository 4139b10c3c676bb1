// What a part of a replica works with, and its limits.
import type { Relation } from '../data/index.ts';
import type { Prepared, TableRefusal } from './fitting.ts';
import type { IndexingOptions } from './indexing.ts';
import type { LoaderOptions } from './loader.ts';
import type { Routes } from './rules/routes.ts';

export interface PartOptions extends Omit<LoaderOptions, 'fit' | 'refuse'>, Omit<IndexingOptions, 'indexesChanged'> {
  compile(relations: readonly Relation[]): Promise<Routes>;
  /** Brings the target's tables into the wanted shape, or says which one it cannot. */
  prepare(routes: Routes): Promise<Prepared>;
  refusals(routes: Routes): Promise<readonly TableRefusal[]>;
  /** Marks tables to be read again. */
  forget(tables: readonly string[]): Promise<void>;
  /** Ends this attempt, so that the next one begins. */
  again(): void;
  /** About how many bytes of rows an epoch has at the most; a transaction of more than twice as many is applied in pieces. */
  readonly epochBytesMax: number;
}

export const limits = { rowsMax: 50_000, tablesMax: 300, lingerMsMax: 300, lingerRowsMin: 100 };
/** An idle position is written to the target this often, so that the source can forget what lies before it. */
export const idleCommitEveryMs = 5000;
/** The first one after a commit comes soon: whoever has just written at the source may wait for a position a little behind that. */
export const idleCommitSoonMs = 150;

/** From this size on, the next epoch is made while the one before it is on its way; smaller ones do better to grow until then. */
export const aheadRowsMin = 2000;
