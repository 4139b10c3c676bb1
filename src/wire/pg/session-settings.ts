// The settings of a connection, where they may be kept: in the server's session, or, behind a pooler that gives each transaction another session,
// in front of every transaction. A pooler does not take a setting back, so that one which stayed in a session would change what others' work means.
import { quoteLiteral } from '../../data/index.ts';

export class SessionSettings {
  /** Undefined until the server was asked. */
  pooled: boolean | undefined;
  readonly #all: Record<string, string> = {};
  /** What a transaction begins with, and how many statements that are. */
  #local = '';
  #count = 0;
  #inTransaction = false;

  /** Returns what must be sent now. */
  add(settings: Readonly<Record<string, string>>): string {
    const set = (word: string, of: Readonly<Record<string, string>>): string => Object.entries(of).map(([name, value]) => `${word} ${name} = ${quoteLiteral(value)}`).join('; ');
    if (!this.pooled) return set('set', settings);
    Object.assign(this.#all, settings);
    this.#local = set('set local', this.#all);
    this.#count = Object.keys(this.#all).length;
    return this.#inTransaction ? set('set local', settings) : '';
  }

  /** Whether a statement of the extended protocol needs a transaction around it to have its settings. */
  get mustBegin(): boolean {
    return !this.#inTransaction && this.#count > 0;
  }

  /** SQL as it is to be sent, and how many results come before its own. Follows where transactions begin and end. */
  around(sql: string): { readonly text: string; readonly extra: number } {
    if (!this.pooled) return { text: sql, extra: 0 };
    const ends = /(^|;)\s*(commit|rollback)\s*;?\s*$/.test(sql);
    const begins = !this.#inTransaction && /^\s*begin\b/.test(sql);
    const outside = !this.#inTransaction;
    this.#inTransaction = (begins || this.#inTransaction) && !ends;
    if (!outside || this.#count === 0 || (ends && !begins)) return { text: sql, extra: 0 };
    // Several statements sent at once are one transaction.
    if (!begins) return { text: `${this.#local}; ${sql}`, extra: this.#count };
    const at = sql.indexOf(';');
    return { text: at < 0 ? `${sql}; ${this.#local}` : `${sql.slice(0, at)}; ${this.#local}${sql.slice(at)}`, extra: 0 };
  }
}

/** A server notices within a minute that a silent connection leads to nobody. */
const keepalives = { tcp_keepalives_idle: '30', tcp_keepalives_interval: '10', tcp_keepalives_count: '3' };

/** Settings of sessions that live long: no limit of a role or database ends them or what they do. `major`: the server's version. */
export const longLived = (major: number): Readonly<Record<string, string>> => ({
  statement_timeout: '0',
  idle_session_timeout: '0',
  ...(major >= 17 ? { transaction_timeout: '0' } : {}),
  ...keepalives,
});

/** Settings for transactions of several statements: one whose process is gone keeps its locks for a minute at most. */
export const abandonable = { ...keepalives, idle_in_transaction_session_timeout: '60s' };
