// The keys that have an open dead letter. While a key has one, a change that says everything about the row (a whole row, a delete) supersedes
// it; one that needs the refused row joins it as another letter, so that nothing overtakes. A TRUNCATE supersedes all of its tables. When a
// letter of a changed key is superseded, the row under the old key goes, as it has gone at the source.
// Keys are compared by the text forms of their values: a source may send the same key in binary form today and as text tomorrow.
import { parseLsn, type Position, tableAddress, type TableName } from '../../../data/index.ts';
import type { Table } from './apply.ts';
import { text } from './fence.ts';
import { State } from './fold.ts';
import { rowMissing, unitsOf } from './isolate.ts';
import { keyTexts, type Letter, type LetterRelation, orderedLetter } from './letter-rows.ts';
import type { Layout } from './layout.ts';
import type { OrderedRow } from './ordered.ts';
import type { Session } from './session.ts';

const openOnes = "state in ('open', 'joined')";

/** Keys as the JSON of their text forms. */
interface Known {
  readonly key: string | undefined;
  /** Where the target still has the row, when the refused change moved it. */
  old: string | undefined;
  /** The open letter that it waits behind, or itself. Both are replayed together. */
  root: string;
  /** When the change was committed, and its place in that commit. */
  readonly position: Position;
  readonly seq: number;
  /** Replay takes values from the target's row under the old key, or the same. */
  readonly partial: boolean;
}

const byNumber = (a: string, b: string): number => Number(BigInt(a) - BigInt(b));

class TableLetters {
  readonly all = new Map<string, Known>();
  readonly #byKey = new Map<string, Set<string>>();
  readonly #byOld = new Map<string, Set<string>>();

  add(id: string, known: Known): void {
    this.all.set(id, known);
    for (const [index, key] of [[this.#byKey, known.key], [this.#byOld, known.old]] as const) {
      if (key === undefined) continue;
      const ids = index.get(key);
      if (ids) ids.add(id);
      else index.set(key, new Set([id]));
    }
  }

  with(key: string): string[] {
    return [...(this.#byKey.get(key) ?? [])];
  }

  movedFrom(key: string): string[] {
    return [...(this.#byOld.get(key) ?? [])];
  }

  group(root: string): string[] {
    return [...this.all].filter(([, known]) => known.root === root).map(([id]) => id);
  }

  remove(id: string): void {
    const known = this.all.get(id);
    this.all.delete(id);
    if (known?.key !== undefined) this.#byKey.get(known.key)?.delete(id);
    this.free(id, known);
  }

  /** It is only about its new key from now on. */
  free(id: string, known = this.all.get(id)): void {
    if (known?.old === undefined) return;
    this.#byOld.get(known.old)?.delete(id);
    known.old = undefined;
  }

  #isBefore(a: string, b: string): boolean {
    const [one, other] = [this.all.get(a) as Known, this.all.get(b) as Known];
    return one.position < other.position || (one.position === other.position && one.seq < other.seq);
  }

  /** These, and those that they wait behind: a letter that has joined under another key began with them. */
  withRoots(ids: readonly string[]): string[] {
    const found = new Set(ids);
    for (const id of found) {
      const old = this.all.get(id)?.old;
      if (old !== undefined) for (const root of this.with(old)) if (this.#isBefore(root, id)) found.add(root);
    }
    return [...found];
  }
}

type Met = 'apply' | 'supersede' | 'later' | { readonly root: string };

export class OpenLetters {
  readonly #byTable = new Map<string, TableLetters>();

  /** Reads them anew: at the start, after a commit that changed them, after a rollback. */
  async load(session: Session, consumer: string): Promise<void> {
    this.#byTable.clear();
    const rows = await session.connection.rows<Record<'id' | 't' | 'root' | 'partial' | 'position' | 'seq', string> & Record<'key' | 'old' | 'relation', string | null>>(
      `select id::text, position, seq::text, coalesce(joins, id)::text as root, (op = 'update' and relation ->> 'rejectedBy' is null)::text as partial, target_table as t, case when key_bytes is not null then key::text end as key, encode(old_key, 'hex') as old,
         case when old_key is not null then relation::text end as relation from millrace.dead_letters where consumer = $1 and ${openOnes}`, [consumer],
    );
    for (const { id, t, root, partial, position, seq, key, old, relation } of rows) {
      this.#table(t).add(id, {
        root, position: parseLsn(position), seq: Number(seq), partial: partial === 'true', key: key === null ? undefined : JSON.stringify(JSON.parse(key)), old: old && relation ? oldKeyText(old, relation) : undefined,
      });
    }
  }

  get some(): boolean {
    return this.#byTable.size > 0;
  }

  /** Notes a letter that was written in the open transaction. */
  add(id: string, letter: Letter, position: Position): void {
    const keyText = (key: Buffer | undefined): string | undefined => key && JSON.stringify(keyTexts(letter, key));
    this.#table(tableAddress(letter.target)).add(id, {
      key: keyText(letter.key), old: keyText(letter.oldKey), root: letter.joins ?? id, position, seq: letter.seq, partial: letter.op === 'update' && !letter.rejectedBy,
    });
  }

  #table(address: string): TableLetters {
    let letters = this.#byTable.get(address);
    if (!letters) this.#byTable.set(address, (letters = new TableLetters()));
    return letters;
  }

  /**
   * Sorts out a fold: supersedes letters whose key gets a new state, and returns the units that must wait behind their letters instead of
   * being applied. Needs a round trip only when a key has a letter.
   */
  async meet(session: Session, table: Table): Promise<{ joined: { unit: number[]; root: string }[]; rest: number[]; touched: boolean } | undefined> {
    const { fold, layout } = table;
    const letters = this.#byTable.get(tableAddress(layout.target));
    if (!letters || layout.key.length === 0) return undefined;
    const keyOf = (entry: number): string => {
      const { target, batch, fields } = fold.last(entry).write;
      const key = fold.keyBytes.subarray(fold.keyStart(entry), fold.keyEnd(entry));
      return JSON.stringify(keyTexts({ target, formats: Array.from(fields, (field) => batch.formats[field] as number) }, key));
    };
    const joined: { unit: number[]; root: string }[] = [];
    const rest: number[] = [];
    let touched = false;
    const waiting: number[][] = [];
    const sortOut = async (unit: number[], mayJoin: boolean): Promise<void> => {
      const needsRow = unit.some((entry) => fold.state[entry] === State.partial || fold.state[entry] === State.missing);
      const met = await this.#meetKeys(session, layout, letters, unit.map(keyOf), needsRow, mayJoin);
      if (met === 'later') return void waiting.push(unit);
      touched ||= met !== 'apply';
      // What the commit tells of these keys is not what the target has: a refused row may have left one there.
      if (met !== 'apply') for (const entry of unit) fold.existed[entry] = 1;
      if (typeof met === 'object') joined.push({ unit, root: met.root });
      else rest.push(...unit);
    };
    // What ends letters comes first, so that nothing waits behind one that has ended.
    for (const unit of unitsOf(fold)) await sortOut(unit, false);
    for (const unit of waiting) await sortOut(unit, true);
    return { joined, rest, touched };
  }

  /** The same for a row of the ordered path: whether it must wait behind a letter. */
  async meetRow(session: Session, row: OrderedRow): Promise<Met> {
    const letters = this.#byTable.get(tableAddress(row.layout.target));
    if (!letters || row.layout.key.length === 0) return 'apply';
    const letter = orderedLetter(row, rowMissing(row.layout.address));
    const keys = [letter.key, letter.oldKey].flatMap((key) => (key ? [JSON.stringify(keyTexts(letter, key))] : []));
    return this.#meetKeys(session, row.layout, letters, keys, letter.op === 'update' && row.write.batch.partial[row.row] === 1);
  }

  async #meetKeys(session: Session, layout: Layout, letters: TableLetters, keys: readonly string[], needsRow: boolean, mayJoin = true): Promise<Met> {
    const [same, moved] = [keys.flatMap((key) => letters.with(key)), keys.flatMap((key) => letters.movedFrom(key))];
    if (same.length === 0 && moved.length === 0) return 'apply';
    const open = await this.#lock(session, [...letters.withRoots(same), ...moved]);
    const isOpen = (id: string): boolean => open.has(id);
    const knownOf = (id: string): Known => letters.all.get(id) as Known;
    // Who has the key that a refused row was moved away from is another row. Where the refused one takes values from there, that must stay.
    const behind = moved.filter((id) => isOpen(id) && knownOf(id).partial && !same.includes(id));
    if (behind.length > 0 || (needsRow && same.some(isOpen))) return !mayJoin ? 'later' : { root: this.#join(session, letters, [...same, ...moved].filter(isOpen)) };
    const closed = letters.withRoots(same).filter(isOpen);
    const freed = moved.filter((id) => isOpen(id) && !closed.includes(id));
    if (freed.length > 0) this.#update(session, 'old_key = null', freed);
    for (const id of freed) letters.free(id);
    if (closed.length > 0) this.#update(session, "state = 'superseded', closed_at = pg_catalog.now()", closed);
    const olds = closed.map((id) => knownOf(id).old);
    for (const root of new Set(closed.map((id) => knownOf(id).root))) this.#regroup(session, letters, letters.group(root).filter((id) => !closed.includes(id)), root);
    for (const id of closed) letters.remove(id);
    for (const old of olds) {
      // A later row of the old key that waits with a letter of its own says what becomes of that key.
      if (old === undefined || keys.includes(old) || letters.with(old).length > 0) continue;
      const where = layout.key.map((i, n) => `t.${layout.columns[i]?.name} = $${n + 1}::pg_catalog.text::${layout.columns[i]?.typeText}`).join(' and ');
      session.track({ what: 'rows', promise: session.execute(`delete from ${layout.table} t where ${where}`, text(...(JSON.parse(old) as (string | null)[]))) });
    }
    return freed.length + closed.length > 0 ? 'supersede' : 'apply';
  }

  /** Tables are emptied: whatever was refused before is history. Says whether there was anything. */
  truncated(session: Session, consumer: string, tables: readonly TableName[]): boolean {
    const some = tables.map(tableAddress).filter((address) => this.#byTable.has(address));
    if (some.length === 0) return false;
    const sql = `update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now()
      where consumer = $1 and ${openOnes} and target_table in (select pg_catalog.json_array_elements_text($2::json))`;
    session.track({ what: 'letters', promise: session.execute(sql, text(consumer, JSON.stringify(some))) });
    return true;
  }

  /** All that these wait behind is replayed together from now on; gives the first of them. */
  #join(session: Session, letters: TableLetters, ids: readonly string[]): string {
    const roots = [...new Set(ids.map((id) => letters.all.get(id)?.root as string))].sort(byNumber);
    const [first, ...others] = roots as [string, ...string[]];
    const moving = others.flatMap((root) => letters.group(root));
    if (moving.length > 0) this.#update(session, `state = 'joined', joins = ${BigInt(first)}`, moving);
    for (const id of moving) (letters.all.get(id) as Known).root = first;
    return first;
  }

  /** What is left of a group: if its root is gone, the oldest is the root now. */
  #regroup(session: Session, letters: TableLetters, left: readonly string[], root: string): void {
    if (left.length === 0 || left.includes(root)) return;
    const [first, ...others] = left.toSorted(byNumber) as [string, ...string[]];
    this.#update(session, "state = 'open', joins = null", [first]);
    if (others.length > 0) this.#update(session, `joins = ${BigInt(first)}`, others);
    for (const id of left) (letters.all.get(id) as Known).root = first;
  }

  #update(session: Session, set: string, letters: readonly string[]): void {
    const sql = `update millrace.dead_letters set ${set} where id = any($1::int8[]) and ${openOnes}`;
    session.track({ what: 'letters', promise: session.execute(sql, text(`{${letters.join(',')}}`)) });
  }

  /** Those that are still open; a replay that is under way is waited for. */
  async #lock(session: Session, letters: readonly string[]): Promise<Set<string>> {
    const result = await session.execute(
      `select id::text from millrace.dead_letters where id = any($1::int8[]) and ${openOnes} order by id for update`, text(`{${letters.join(',')}}`),
    );
    return new Set(result.rows.map(([id]) => String(id)));
  }
}

function oldKeyText(hex: string, relation: string): string {
  const { target, formats, fields } = JSON.parse(relation) as LetterRelation;
  const key = Buffer.from(hex, 'hex');
  // A letter of a row without a key has all of the old row here.
  return JSON.stringify(keyTexts({ target, formats: fields.map((field) => formats[field] as number) }, key));
}
