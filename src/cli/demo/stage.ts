// The demo itself, without a view: two servers, the shop and its traffic, the project's folder, the replicating process; and their end.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseLsn } from '../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../wire/index.ts';
import { type Cluster, startCluster } from './cluster.ts';
import type { DemoEvent, Frame, Tone } from './frame.ts';
import { Janitor } from './janitor.ts';
import { Observer } from './observer.ts';
import { Replicator, type Verdict } from './replicator.ts';
import { shopRows, shopSchema } from './shop.ts';
import { Traffic } from './traffic.ts';
import { grouped } from './ansi.ts';

const project = (source: string, target: string): string => `# The demo's project: nothing but the two databases.
millrace: 1
sources:
  shop:
    postgres: ${source}
    tables: [public.*]
replicas:
  warehouse:
    from: shop
    postgres: ${target}
`;

/** How long the process stays dead after a kill, so that people can see it. */
const DEAD_MS = 500;

export class Stage {
  readonly events: DemoEvent[] = [];
  onEvent: ((event: DemoEvent) => void) | undefined;
  kills = 0;
  lastVerdict: Verdict | undefined;
  /** Set when the replicating process could not be kept up. */
  failure: string | undefined;
  readonly #begun = performance.now();
  readonly #janitor = new Janitor();
  readonly #folder: string;
  #replicator: Replicator | undefined;
  #clusters: Cluster[] = [];
  #traffic: Traffic | undefined;
  #observer: Observer | undefined;
  #doing = 'starting two PostgreSQL servers';
  #tick = 0;
  #busy = new Set<'kill' | 'verify'>();
  #ending = false;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'millrace-demo-'));
    chmodSync(this.#folder, 0o755); // the servers may run as another user
    this.#janitor.watchFolder(this.#folder);
  }

  get elapsedS(): number {
    return (performance.now() - this.#begun) / 1000;
  }

  /** Resolves when the traffic flows and the replicating process has been started. */
  async start(rate: number): Promise<void> {
    for (const _ of ['shop', 'warehouse']) {
      await breathe();
      if (this.#ending) return;
      this.#clusters.push(
        await startCluster({ parent: this.#folder, onProcess: (pid) => this.#janitor.watch(pid), settings: { max_wal_size: '1GB', shared_buffers: '64MB' } }),
      );
    }
    const [source = '', target = ''] = this.#clusters.map((cluster) => cluster.url());
    this.#doing = 'filling the shop';
    const connection = await PgConnection.connect(parsePgUrl(source));
    await connection.query(shopSchema);
    await connection.query(shopRows);
    const [row] = await connection.rows<{ n: string }>("select sum(n_live_tup)::text as n from pg_stat_user_tables");
    await connection.close();
    if (this.#ending) return;
    this.event('plain', `PostgreSQL ${this.#clusters[0]?.version} twice, ${grouped(Number(row?.n))} rows, traffic begins`);
    this.#traffic = new Traffic({ url: source, rate });
    writeFileSync(join(this.#folder, 'millrace.yaml'), project(source, target));
    this.#replicator = new Replicator(this.#folder, this.#janitor);
    this.#replicator.onDeath = (how) => this.#died(how);
    this.#replicator.start();
    this.#doing = 'starting';
    this.#observer = await Observer.start(this.#replicator, this.#traffic, source, target);
    const ready = await this.#streaming();
    if (ready) this.event('good', `snapshot of ${Object.keys(ready.tables).length} tables done, streaming`);
  }

  /** kill -9, and up again. */
  async kill(): Promise<void> {
    const replicator = this.#replicator;
    if (!replicator || !this.#observer || this.#busy.has('kill')) return;
    this.#busy.add('kill');
    const pid = await replicator.kill9();
    const killed = performance.now();
    this.kills += 1;
    this.#doing = 'killed';
    this.event('bad', `killed pid ${pid} with SIGKILL`);
    await new Promise((resolve) => setTimeout(resolve, DEAD_MS));
    if (!this.#ending) {
      replicator.start();
      this.#doing = 'starting';
      await this.#streaming();
      const replica = this.#observer.status?.replicas['warehouse'];
      if (replica) this.event('good', `back after ${((performance.now() - killed) / 1000).toFixed(1)} s, position ${replica.position ?? 'unknown'}`);
    }
    this.#busy.delete('kill');
  }

  async verify(): Promise<Verdict | undefined> {
    if (!this.#replicator || this.#busy.has('verify')) return undefined;
    this.#busy.add('verify');
    this.event('plain', 'verify: comparing both sides');
    let verdict = await this.#replicator.verify();
    // Under much load the replica can be past the point before it is asked to stand there: then a newer point is taken.
    for (let again = 0; again < 2 && verdict.equal === undefined && !this.#ending; again++) verdict = await this.#replicator.verify();
    this.#busy.delete('verify');
    if (this.#ending) return verdict;
    this.lastVerdict = verdict;
    if (verdict.equal === true) this.event('good', `equal: ${grouped(verdict.rows)} rows in ${verdict.tables} tables`);
    else if (verdict.equal === false) this.event('bad', `different: ${verdict.problem}`);
    else this.event('warn', `could not compare: ${verdict.problem.split('\n')[0]?.replace(/^error\[\w+\]: /, '')}`);
    return verdict;
  }

  /** Stops the traffic and waits until the target has all of it. False when that takes longer than a minute. */
  async settle(): Promise<boolean> {
    await this.#traffic?.stop();
    if (!this.#observer) return false;
    const end = parseLsn(await this.#observer.sourceEnd());
    for (const deadline = performance.now() + 60_000; performance.now() < deadline && !this.#ending && this.failure === undefined; ) {
      const position = this.#observer.status?.replicas['warehouse']?.position;
      if (position && parseLsn(position) >= end) {
        await this.#observer.settle();
        this.event('plain', `traffic stopped; the warehouse has everything up to ${position}`);
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  }

  frame(): Frame {
    const observer = this.#observer;
    const replica = observer?.status?.replicas['warehouse'];
    const place = (cluster: Cluster | undefined): string => (cluster ? `127.0.0.1:${cluster.port}` : '');
    const state = replica ? replica.state : this.#doing;
    const tone: Tone = state === 'streaming' ? 'good' : state === 'failed' || state === 'killed' || state === 'ended' ? 'bad' : 'warn';
    return {
      elapsedS: this.elapsedS,
      tick: this.#tick++,
      source: { place: place(this.#clusters[0]), rate: observer?.source.now ?? 0, history: observer?.source.history ?? [] },
      target: { place: place(this.#clusters[1]), rate: observer?.target.now ?? 0, history: observer?.target.history ?? [] },
      pid: this.#replicator?.pid,
      state: replica?.reason && state !== 'streaming' ? `${state}: ${replica.reason}` : state,
      stateTone: tone,
      lagMs: replica?.lagMs,
      position: replica?.position ?? undefined,
      tables: observer?.tables ?? [],
      balance: observer?.balance ?? { source: undefined, target: undefined, looks: 0, torn: 0 },
      events: this.events,
      kills: this.kills,
    };
  }

  /** Rows written by the traffic. */
  get rows(): number {
    return this.#traffic?.rows ?? 0;
  }

  get torn(): number {
    return this.#observer?.balance.torn ?? 0;
  }

  logTail(): string {
    return this.#replicator?.logTail(20) ?? '';
  }

  /** Ends every process and removes every folder. */
  async close(): Promise<void> {
    this.#ending = true;
    await this.#traffic?.stop().catch(() => undefined);
    await this.#replicator?.stop();
    await this.#observer?.stop();
    await Promise.all(this.#clusters.map((cluster) => cluster.remove()));
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
    await this.#janitor.dismiss();
  }

  event(tone: Tone, text: string): void {
    const event = { atS: this.elapsedS, text, tone };
    this.events.push(event);
    this.onEvent?.(event);
  }

  /** Waits until the replica streams; undefined when the demo ends or the process died first. */
  async #streaming(): Promise<{ tables: object } | undefined> {
    while (!this.#ending && this.failure === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const status = this.#observer?.status;
      if (this.#replicator?.pid !== undefined && status?.replicas['warehouse']?.state === 'streaming') return status.sources['shop'] ?? { tables: {} };
    }
    return undefined;
  }

  /** The process ended by itself: that is a failure of the demo, shown as it is. */
  #died(how: string): void {
    if (this.#ending) return;
    this.#doing = 'ended';
    this.failure = how;
    this.event('bad', `the replicating process ended by itself: ${how}`);
  }
}

/** Lets timers and the screen run between steps that block. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
