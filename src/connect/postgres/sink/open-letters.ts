// The keys that have an open dead letter. While a key has one, a change that says everything about the row (a whole row, a delete) supersedes
// it; one that needs the refused row joins it as another letter, so that nothing overtakes.
import { tableAddress } from '../../../data/index.ts';
import type { Table } from './apply.ts';
import { text } from './fence.ts';
import { State } from './fold.ts';
import { rowMissing, unitsOf } from './isolate.ts';
import { orderedLetter } from './letter-rows.ts';
import type { OrderedRow } from './ordered.ts';
import type { Session } from './session.ts';

export class OpenLetters {
  /** Table → key in hex → numbers of letters. */
  readonly #byTable = new Map<string, Map<string, string[]>>();

  async load(session: Session, consumer: string): Promise<void> {
    this.#byTable.clear();
    const rows = await session.connection.rows<{ id: string; t: string; key: string; old: string | null }>(
      `select id::text, target_table as t, encode(key_bytes, 'hex') as key, encode(old_key, 'hex') as old from millrace.dead_letters
       where consumer = $1 and state in ('open', 'joined')`, [consumer],
    );
    for (const { id, t, key, old } of rows) for (const each of [key, ...(old ? [old] : [])]) this.#add(t, each, id);
  }

  #add(table: string, key: string, id: string): void {
    let keys = this.#byTable.get(table);
    if (!keys) this.#byTable.set(table, (keys = new Map()));
    keys.set(key, [...(keys.get(key) ?? []), id]);
  }

  /**
   * Sorts out a fold: supersedes letters whose key gets a new state, and returns the units that must wait behind their letters instead of
   * being applied. Needs a round trip only when a key has a letter.
   */
  async meet(session: Session, table: Table): Promise<{ joined: number[][]; rest: number[]; touched: boolean } | undefined> {
    const keys = this.#byTable.get(tableAddress(table.layout.target));
    if (!keys || keys.size === 0) return undefined;
    const { fold } = table;
    const ids = (entry: number): string[] => keys.get(fold.keyBytes.toString('hex', fold.keyStart(entry), fold.keyEnd(entry))) ?? [];
    const joined: number[][] = [];
    const rest: number[] = [];
    let touched = false;
    for (const unit of unitsOf(fold)) {
      const letters = unit.flatMap(ids);
      const needsRow = unit.some((entry) => fold.state[entry] === State.partial || fold.state[entry] === State.missing);
      touched ||= letters.length > 0;
      if (letters.length > 0 && (await this.#lock(session, letters)) && needsRow) joined.push(unit);
      else {
        rest.push(...unit);
        if (letters.length > 0) this.#supersede(session, letters);
      }
    }
    return { joined, rest, touched };
  }

  /** The same for a row of the ordered path: whether it must wait behind a letter. */
  async meetRow(session: Session, row: OrderedRow): Promise<'apply' | 'supersede' | 'join'> {
    const keys = this.#byTable.get(tableAddress(row.layout.target));
    if (!keys || keys.size === 0 || row.layout.key.length === 0) return 'apply';
    const { key, oldKey, op } = orderedLetter(row, rowMissing(row.layout.address));
    const letters = [key, ...(oldKey ? [oldKey] : [])].flatMap((each) => keys.get(each.toString('hex')) ?? []);
    if (letters.length === 0 || !(await this.#lock(session, letters))) return 'apply';
    if (op === 'update' && row.write.batch.partial[row.row] === 1) return 'join';
    this.#supersede(session, letters);
    return 'supersede';
  }

  #supersede(session: Session, letters: readonly string[]): void {
    const sql = "update millrace.dead_letters set state = 'superseded', closed_at = pg_catalog.now() where id = any($1::int8[]) and state in ('open', 'joined')";
    session.track({ what: 'letters', promise: session.execute(sql, text(`{${letters.join(',')}}`)) });
  }

  /** Whether one of them is still open; a replay that is under way is waited for. */
  async #lock(session: Session, letters: readonly string[]): Promise<boolean> {
    const result = await session.execute("select 1 from millrace.dead_letters where id = any($1::int8[]) and state in ('open', 'joined') for update", text(`{${letters.join(',')}}`));
    return result.rows.length > 0;
  }
}
