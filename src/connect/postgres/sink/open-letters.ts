// The keys that have an open dead letter. Letters that have to do with each other make a group: an open one, which gives it its number, and
// those that joined it. Two things hold for it at any time.
// - Nobody writes the rows of the keys that it names. So what the target has there is what it had when the first of its changes was refused.
// - Its changes, in the order of their numbers, make of these rows what the source has. That is what a replay does, in one transaction.
// A later change that names such a key joins the group behind its letters, so that nothing overtakes. Only where it leaves nothing of its keys
// to the group (a whole row, a delete) is it applied: letters that make no difference any more are superseded, and rows go that these had
// moved away. A TRUNCATE supersedes all letters of its tables.
import { tableAddress, type TableName } from '../../../data/index.ts';
import type { Table } from './apply.ts';
import { text } from './fence.ts';
import { rowMissing, unitsOf } from './isolate.ts';
import { type KeptChange, changesOf, entryKey, keptKey, keysOf, type Letter, type LetterRelation } from './letter-rows.ts';
import { fatesOf, type KeyChange } from './live.ts';
import type { Layout } from './layout.ts';
import type { Session } from './session.ts';

const openOnes = "state in ('open', 'joined')";

interface Known extends KeyChange {
  /** The open letter of its group. */
  root: string;
  old: string | undefined;
}

const byNumber = (a: string, b: string): number => Number(BigInt(a) - BigInt(b));

/** The open letters of a table. */
class TableLetters {
  readonly all = new Map<string, Known>();
  readonly #naming = new Map<string, Set<string>>();
  readonly #groups = new Map<string, Set<string>>();

  add(id: string, known: Known): void {
    this.all.set(id, known);
    for (const key of [known.key, known.old]) if (key !== undefined) put(this.#naming, key, id);
    put(this.#groups, known.root, id);
  }

  names(key: string): boolean {
    return this.#naming.has(key);
  }

  /** The groups that name one of these keys. */
  groupsOf(keys: Iterable<string>): string[] {
    const found = new Set<string>();
    for (const key of keys) for (const id of this.#naming.get(key) ?? []) found.add((this.all.get(id) as Known).root);
    return [...found].sort(byNumber);
  }

  /** The letters of groups, in the order of their changes. */
  of(roots: readonly string[]): string[] {
    return roots.flatMap((root) => [...(this.#groups.get(root) ?? [])]).sort(byNumber);
  }

  remove(id: string): void {
    const known = this.all.get(id) as Known;
    this.all.delete(id);
    for (const key of [known.key, known.old]) if (key !== undefined) take(this.#naming, key, id);
    take(this.#groups, known.root, id);
  }

  /** It is only about its new key from now on. */
  free(id: string): void {
    const known = this.all.get(id) as Known;
    this.remove(id);
    this.add(id, { ...known, old: undefined });
  }

  move(id: string, root: string): void {
    const known = this.all.get(id) as Known;
    this.remove(id);
    this.add(id, { ...known, root });
  }
}

function put(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids) ids.add(id);
  else index.set(key, new Set([id]));
}

function take(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids?.delete(id) && ids.size === 0) index.delete(key);
}

/** Changes meet the groups that name their keys. */
export interface Meeting {
  readonly letters: TableLetters;
  readonly roots: readonly string[];
  /** Of the changes. */
  readonly keys: ReadonlySet<string>;
  /** How the changes can be applied; undefined: they must join. */
  readonly ending: Ending | undefined;
}

interface Ending {
  readonly closed: readonly string[];
  readonly freed: readonly string[];
  /** Keys whose rows are to go. */
  readonly gone: readonly string[];
}

export class OpenLetters {
  readonly #byTable = new Map<string, TableLetters>();

  /** Reads them anew: at the start, after a load that wrote some, after a rollback. */
  async load(session: Session, consumer: string): Promise<void> {
    this.forgetAll();
    const rows = await session.connection.rows<Record<'id' | 'root' | 'op' | 'relation' | 't', string> & Record<'key' | 'old', string | null>>(
      `select id::text, coalesce(joins, id)::text as root, op, target_table as t, encode(key_bytes, 'hex') as key, encode(old_key, 'hex') as old, relation::text
       from millrace.dead_letters where consumer = $1 and ${openOnes} order by dead_letters.id`, [consumer],
    );
    const relations = new Map<string, LetterRelation>();
    for (const { id, root, op, t, relation, key, old } of rows) {
      const kept = relations.get(relation) ?? (JSON.parse(relation) as LetterRelation);
      relations.set(relation, kept);
      if (kept.target.key.length === 0) continue;
      const textOf = (hex: string | null): string | undefined => (hex === null ? undefined : keptKey(kept, hex));
      this.#table(t).add(id, { root, key: textOf(key), old: old === key ? undefined : textOf(old), reads: op === 'update' && !kept.rejectedBy });
    }
  }

  get some(): boolean {
    return this.#byTable.size > 0;
  }

  has(table: TableName): boolean {
    return (this.#byTable.get(tableAddress(table))?.all.size ?? 0) > 0;
  }

  forgetAll(): void {
    this.#byTable.clear();
  }

  /** Notes a letter that was written in the open transaction. */
  add(id: string, letter: Letter): void {
    if (letter.target.key.length > 0) this.#table(tableAddress(letter.target)).add(id, { ...keysOf(letter), root: letter.joins ?? id });
  }

  #table(address: string): TableLetters {
    let letters = this.#byTable.get(address);
    if (!letters) this.#byTable.set(address, (letters = new TableLetters()));
    return letters;
  }

  /**
   * Sorts out a fold: ends the letters that its rows make pointless, and lets those units join that cannot be applied. Returns the entries that
   * are left to be applied; undefined: all, and no letter has to do with any. Needs a round trip only where a key has a letter.
   */
  async meetFold(session: Session, table: Table, keep: (changes: readonly KeptChange[], error: Letter['error'], root: string) => Promise<void>): Promise<number[] | undefined> {
    const { fold, layout } = table;
    const letters = this.#byTable.get(tableAddress(layout.target));
    if (!letters || letters.all.size === 0 || layout.key.length === 0) return undefined;
    const units = unitsOf(table);
    const met = units.filter((unit) => unit.some((entry) => letters.names(entryKey(fold, entry))));
    if (met.length === 0) return undefined;
    const changes = changesOf(table, met);
    delete table.ahead;
    const joined = new Set<number[]>();
    // What can be applied comes first, so that nothing waits behind a letter that has ended.
    let waiting = [...met.keys()];
    for (const mayJoin of [false, true]) {
      const next: number[] = [];
      for (const i of waiting) {
        const meeting = await this.meet(session, layout.target, changes[i] as KeptChange[], layout);
        // What the commit tells of these keys is not what the target has: a refused row may have left one there.
        for (const entry of met[i] as number[]) fold.existed[entry] = 1;
        if (meeting?.ending) {
          // An upsert leaves the key as the row that is there spells it.
          const respelled = layout.keyPlain ? [] : [...meeting.keys].filter((key) => letters.names(key));
          this.clear(session, layout, [...meeting.ending.gone, ...respelled]);
          this.end(session, meeting);
        } else if (meeting && !mayJoin) next.push(i);
        else if (meeting) {
          joined.add(met[i] as number[]);
          await keep(changes[i] as KeptChange[], rowMissing(layout.address), this.join(session, meeting));
        }
      }
      waiting = next;
    }
    return units.filter((unit) => !joined.has(unit)).flat();
  }

  /** What open letters mean for changes of a table, which belong together; undefined: nothing. Without a layout they can only join. Their groups are locked: a replay that is under way is waited for. */
  async meet(session: Session, table: TableName, changes: readonly KeptChange[], layout?: Layout): Promise<Meeting | undefined> {
    const letters = this.#byTable.get(tableAddress(table));
    if (!letters) return undefined;
    const later = changes.map(keysOf);
    const keys = new Set(later.flatMap(({ key, old }) => [key, old].filter((each) => each !== undefined)));
    const found = letters.groupsOf(keys);
    if (found.length === 0) return undefined;
    const open = await this.#lock(session, found);
    // Others have been replayed or dropped meanwhile, as a whole.
    for (const id of letters.of(found.filter((root) => !open.has(root)))) letters.remove(id);
    const roots = found.filter((root) => open.has(root));
    return roots.length === 0 ? undefined : { letters, roots, keys, ending: endingOf(letters, letters.of(roots), later, keys, layout) };
  }

  /** Deletes rows that the source has moved away or deleted. */
  clear(session: Session, layout: Layout, keys: readonly string[]): void {
    const where = layout.key.map((i, n) => `t.${layout.columns[i]?.name} = $${n + 1}::pg_catalog.text::${layout.columns[i]?.typeText}`).join(' and ');
    for (const key of keys) {
      const values = text(...(JSON.parse(key) as (string | null)[]));
      session.track({ what: 'rows', layout, promise: session.execute(`delete from ${layout.table} t where ${where}`, values) });
    }
  }

  /** The changes are applied: closes the letters that make no difference any more. What is left of a group stays one, under its oldest. */
  end(session: Session, { letters, roots, ending }: Meeting): void {
    if (!ending) return;
    const { closed, freed } = ending;
    if (freed.length > 0) this.#update(session, 'old_key = null', freed);
    for (const id of freed) letters.free(id);
    if (closed.length > 0) this.#update(session, "state = 'superseded', closed_at = pg_catalog.now()", closed);
    for (const id of closed) letters.remove(id);
    for (const root of roots) {
      const [first, ...others] = letters.of([root]);
      if (first === undefined || first === root) continue;
      this.#update(session, "state = 'open', joins = null", [first]);
      if (others.length > 0) this.#update(session, `joins = ${BigInt(first)}`, others);
      for (const id of [first, ...others]) letters.move(id, first);
    }
  }

  /** All that the changes wait behind is one group from now on; gives its number. */
  join(session: Session, { letters, roots }: Meeting): string {
    const [first, ...others] = roots as [string, ...string[]];
    const moving = letters.of(others);
    if (moving.length > 0) this.#update(session, `state = 'joined', joins = ${BigInt(first)}`, moving);
    for (const id of moving) letters.move(id, first);
    return first;
  }

  /** Tables are emptied: whatever was refused before is history. */
  truncated(session: Session, consumer: string, tables: readonly TableName[]): void {
    const some = tables.map(tableAddress).filter((address) => this.#byTable.has(address));
    if (some.length === 0) return;
    for (const address of some) this.#byTable.set(address, new TableLetters());
    const sql = `update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now()
      where consumer = $1 and ${openOnes} and target_table in (select pg_catalog.json_array_elements_text($2::json))`;
    session.track({ what: 'letters', promise: session.execute(sql, text(consumer, JSON.stringify(some))) });
  }

  #update(session: Session, set: string, letters: readonly string[]): void {
    const sql = `update millrace.dead_letters set ${set} where id = any($1::int8[]) and ${openOnes}`;
    session.track({ what: 'letters', promise: session.execute(sql, text(`{${letters.join(',')}}`)) });
  }

  /** Those groups that are still open. Whoever closes a group locks its open letter first. */
  async #lock(session: Session, roots: readonly string[]): Promise<Set<string>> {
    const result = await session.execute(
      "select id::text from millrace.dead_letters where id = any($1::int8[]) and state = 'open' order by dead_letters.id for update", text(`{${roots.join(',')}}`),
    );
    return new Set(result.rows.map(([id]) => String(id)));
  }
}

/**
 * How changes behind those of letters can be applied; undefined where what is left of the letters has to do with their keys, or with a key of a
 * letter that would be closed: what is left must find its rows as its first change found them.
 */
function endingOf(letters: TableLetters, ids: readonly string[], later: readonly KeyChange[], keys: ReadonlySet<string>, layout: Layout | undefined): Ending | undefined {
  if (!layout) return undefined;
  const fates = fatesOf([...ids.map((id) => letters.all.get(id) as Known), ...later]);
  const [closed, freed, gone]: [string[], string[], string[]] = [[], [], []];
  const settled = new Set(keys);
  const waiting = new Set<string | undefined>();
  for (const [i, id] of ids.entries()) {
    const { key, old } = letters.all.get(id) as Known;
    const fate = fates[i];
    if (fate === 'dead' || fate === 'removal') {
      closed.push(id);
      for (const each of [key, old]) if (each !== undefined) settled.add(each);
      if (fate === 'removal') gone.push(old as string);
    } else {
      const free = fate === 'freed' && keys.has(old as string);
      if (free) freed.push(id);
      waiting.add(key).add(free ? undefined : old);
    }
  }
  // Another row may be the same as one that is gone: then nobody knows whose it is now.
  if (gone.length > 0 && !layout.keySure) return undefined;
  return gone.some((key) => keys.has(key)) || [...settled].some((key) => waiting.has(key)) ? undefined : { closed, freed, gone };
}
