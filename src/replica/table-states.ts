// What happens to single tables of a part: which are stopped and why, and what their schema changes led to. For status and for the log.
import type { Clock, Logger } from '../base/index.ts';
import type { TableStop } from '../flow/index.ts';

export interface TableEvent {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly what: string;
}

export interface TableState {
  readonly stop?: TableStop;
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

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** By the table's address at the source: the stopped ones, and those of which there is something to tell. */
  get all(): ReadonlyMap<string, TableState> {
    const tables = new Set([...this.#events.keys(), ...this.#stops.keys()]);
    return new Map([...tables].map((table) => {
      const stop = this.#stops.get(table);
      return [table, { events: this.#events.get(table) ?? [], ...(stop ? { stop } : {}) }];
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

  stopped(table: string, stop: TableStop): void {
    this.#stops.set(table, stop);
    this.#logger.error('the table is stopped; the others go on', { table, reason: stop.reason, next: stop.next });
    this.changed(table, `stopped: ${stop.reason}`);
  }
}
