// Looks at both databases and at the replicating process, and keeps what the live view shows of the last minute.
import type { ProjectStatus } from '../../control/index.ts';
import { parsePgUrl, PgConnection } from '../../wire/index.ts';
import { HISTORY_PER_SECOND, HISTORY_SECONDS, type TableCount } from './frame.ts';
import type { Replicator } from './replicator.ts';
import { shopTables } from './shop.ts';
import type { Traffic } from './traffic.ts';

const LOOK_MS = 1000 / HISTORY_PER_SECOND;

const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length);

/** Rows a second from a counter that is read now and then. A counter that falls belongs to a process that began anew. */
class Rate {
  readonly history: number[] = [];
  #samples: readonly number[] = [];
  #last: { atMs: number; count: number } | undefined;

  sample(count: number | undefined): void {
    const atMs = performance.now();
    let rate = 0;
    if (count !== undefined && this.#last) {
      const rows = count >= this.#last.count ? count - this.#last.count : count;
      rate = (rows / Math.max(1, atMs - this.#last.atMs)) * 1000;
    }
    this.#last = { atMs, count: count ?? this.#last?.count ?? 0 };
    this.#samples = [...this.#samples.slice(-2), rate];
    // Counters arrive in bunches; a line smoothed over three looks shows the flow and still falls at once when it stops.
    this.history.push(rate === 0 ? 0 : mean(this.#samples));
    if (this.history.length > HISTORY_SECONDS * HISTORY_PER_SECOND) this.history.shift();
  }

  /** Of the last second. */
  get now(): number {
    return mean(this.history.slice(-HISTORY_PER_SECOND));
  }
}

export class Observer {
  readonly source = new Rate();
  readonly target = new Rate();
  status: ProjectStatus | undefined;
  tables: TableCount[] = shopTables.map((name) => ({ name, source: undefined, target: undefined }));
  balance: { source: string | undefined; target: string | undefined; looks: number; torn: number } = { source: undefined, target: undefined, looks: 0, torn: 0 };
  readonly #replicator: Replicator;
  readonly #traffic: Traffic;
  readonly #connections: { source: PgConnection; target: PgConnection };
  #timers: NodeJS.Timeout[] = [];
  #busy = new Set<string>();

  private constructor(replicator: Replicator, traffic: Traffic, connections: { source: PgConnection; target: PgConnection }) {
    this.#replicator = replicator;
    this.#traffic = traffic;
    this.#connections = connections;
  }

  static async start(replicator: Replicator, traffic: Traffic, sourceUrl: string, targetUrl: string): Promise<Observer> {
    const [source, target] = await Promise.all([sourceUrl, targetUrl].map((url) => PgConnection.connect(parsePgUrl(url))));
    const observer = new Observer(replicator, traffic, { source: source as PgConnection, target: target as PgConnection });
    const every = (name: string, ms: number, look: () => Promise<void>): void => {
      observer.#timers.push(setInterval(() => void observer.#once(name, look), ms));
    };
    every('status', LOOK_MS, () => observer.#lookAtStatus());
    every('balance', LOOK_MS, () => observer.#lookAtBalance());
    every('counts', 1000, () => observer.#count());
    await observer.#count();
    return observer;
  }

  /** Where the source's log ends now. */
  async sourceEnd(): Promise<string> {
    const [row] = await this.#connections.source.rows<{ lsn: string }>('select pg_current_wal_lsn()::text as lsn');
    return row?.lsn ?? '';
  }

  /** Looks once more at everything that is counted, when it has come to rest. */
  async settle(): Promise<void> {
    await Promise.all([this.#count(), this.#lookAtBalance(), this.#lookAtStatus()]);
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#connections.source.close(), this.#connections.target.close()]);
  }

  /** A look that takes longer than its interval is not overtaken by the next. A server that goes away while the demo ends is no news. */
  async #once(name: string, look: () => Promise<void>): Promise<void> {
    if (this.#busy.has(name)) return;
    this.#busy.add(name);
    await look().catch(() => undefined);
    this.#busy.delete(name);
  }

  async #lookAtStatus(): Promise<void> {
    this.status = await this.#replicator.status();
    this.source.sample(this.#traffic.rows);
    this.target.sample(this.status?.replicas['warehouse']?.rows);
  }

  /** Reads the sum at the target at any moment: a transaction that was torn would show. */
  async #lookAtBalance(): Promise<void> {
    const { source, target } = this.#connections;
    const sum = 'select sum(balance)::text as sum from public.customers';
    this.balance.source ??= (await source.rows<{ sum: string }>(sum))[0]?.sum;
    const found = await target.rows<{ sum: string | null }>(sum).catch(() => undefined); // there is no table yet
    const now = found?.[0]?.sum ?? undefined;
    this.balance.target = now;
    if (now === undefined) return;
    this.balance.looks += 1;
    if (now !== this.balance.source) this.balance.torn += 1;
  }

  async #count(): Promise<void> {
    const count = async (connection: PgConnection, table: string): Promise<number | undefined> => {
      const rows = await connection.rows<{ n: string }>(`select count(*)::text as n from public.${table}`).catch(() => undefined);
      return rows?.[0] && Number(rows[0].n);
    };
    this.tables = await Promise.all(
      shopTables.map(async (name) => {
        const [source, target] = await Promise.all([count(this.#connections.source, name), count(this.#connections.target, name)]);
        return { name, source, target };
      }),
    );
  }
}
