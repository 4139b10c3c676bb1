// What still matters of a sequence of changes, the way a compiler finds dead stores: from the last change to the first, a write whose key is
// written again before anybody has read it makes no difference. What is left does to any table what the whole sequence would.

/** A change of rows as far as keys go. Keys are texts that are equal when the keys are. */
export interface KeyChange {
  /** The key whose row it writes or deletes; undefined: not known. */
  readonly key: string | undefined;
  /** The key from under which it moves the row; that key is gone afterwards. */
  readonly old: string | undefined;
  /** It is a part of a row: the rest comes from the row that was under `old`, or under `key` where that is undefined. */
  readonly reads: boolean;
}

/** `freed`: it is only about its new key. `removal`: all that is left of it is that the row under the old key goes. */
export type Fate = 'kept' | 'freed' | 'removal' | 'dead';

/** The fate of each change, in the order of their commit. */
export function fatesOf(changes: readonly KeyChange[]): Fate[] {
  /** Keys that a later change writes before any reads them. */
  const overwritten = new Set<string>();
  return changes.toReversed().map(({ key, old, reads }): Fate => {
    if (key === undefined) return 'kept';
    const dead = overwritten.has(key);
    const oldIsDead = old === undefined || overwritten.has(old);
    if (dead && oldIsDead) return 'dead';
    if (old !== undefined) overwritten.add(old);
    if (dead) return 'removal';
    overwritten.add(key);
    if (reads) overwritten.delete(old ?? key);
    return !reads && oldIsDead && old !== undefined ? 'freed' : 'kept';
  }).reverse();
}
