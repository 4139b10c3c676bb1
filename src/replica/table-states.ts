// What happens to single tables of a part: which are stopped and why, and what their schema changes led to. For status and for the log.
import type { Clock, Logger } from '../base/index.ts';
import type { TableStop } from '../flow/index.ts';

export interface TableEvent {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly what: string;
}

/** An index that is not there yet. */
export interface IndexNote {
  readonly name: string;
  readonly state: 'making' | 'pending' | 'failed';
  readonly reason?: string;
  readonly next?: string;
}

export interface TableState {
  readonly stop?: TableStop;
  readonly indexes: readonly IndexNote[];
  /** The newest last. */
  readonly events: readonly TableEvent[];
}

/** So many events of a table are remembered. */
const eventsMax = 10;

export class TableStates {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stops = new Map<string, TableStop>();
  readonly #events = new Map<string, TableEvent[]>();
  readonly #indexes = new Map<string, Map<string, IndexNote>>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** By the table's address at the source: the stopped ones, and those of which there is something to tell. */
  get all(): ReadonlyMap<string, TableState> {
    const tables = new Set([...this.#events.keys(), ...this.#stops.keys(), ...this.#indexes.keys()]);
    return new Map([...tables].map((table) => {
      const stop = this.#stops.get(table);
      return [table, { events: this.#events.get(table) ?? [], indexes: [...(this.#indexes.get(table)?.values() ?? [])], ...(stop ? { stop } : {}) }];
    }));
  }

  /** Tables that go on when rules and target fit them again. */
  get waiting(): readonly string[] {
    return [...this.#stops].flatMap(([table, stop]) => (stop.waits === 'fit' ? [table] : []));
  }

  /** An attempt begins: what is stopped is found out anew. */
  begin(): void {
    this.#stops.clear();
  }

  changed(table: string, what: string): void {
    const events = this.#events.get(table) ?? [];
    // The same thing again, at every start.
    if (events.some((event) => event.what === what)) return;
    this.#logger.info('the schema changed', { table, what });
    this.#events.set(table, [...events, { atMs: this.#clock.now(), what }].slice(-eventsMax));
  }

  index(table: string, note: IndexNote): void {
    this.#indexes.set(table, (this.#indexes.get(table) ?? new Map<string, IndexNote>()).set(note.name, note));
  }

  knowsIndex(table: string, name: string): boolean {
    return this.#indexes.get(table)?.has(name) ?? false;
  }

  /** Says whether it was not. */
  indexThere(table: string, name: string): boolean {
    const notes = this.#indexes.get(table);
    const was = notes?.delete(name) ?? false;
    if (notes?.size === 0) this.#indexes.delete(table);
    return was;
  }

  stopped(table: string, stop: TableStop): void {
    this.#stops.set(table, stop);
    this.#logger.error('the table is stopped; the others go on', { table, reason: stop.reason, next: stop.next });
    this.changed(table, `stopped: ${stop.reason}`);
  }
}
