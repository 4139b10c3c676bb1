// What the tests of the PostgreSQL sink share: a database a test, a sink on it, and rows to look at.
import { type Clock, silentLogger, systemClock } from '../../src/base/index.ts';
import type { Cluster } from '../../src/cli/demo/cluster.ts';
import { PostgresSink } from '../../src/connect/index.ts';
import { asPosition, type Position } from '../../src/data/index.ts';
import type { Committed, TableStep } from '../../src/flow/index.ts';
import { parsePgUrl, PgConnection } from '../../src/wire/index.ts';

export interface SinkBench {
  readonly sink: PostgresSink;
  readonly connection: PgConnection;
  /** The rows of a query, a row as its values joined by `|`, NULL as `~`. */
  rows(sql: string): Promise<string[]>;
  /** Commits at the next position. */
  commit(...steps: TableStep[]): Promise<Committed>;
  another(): PostgresSink;
  close(): Promise<void>;
}

let databases = 0;

export async function sinkBench(cluster: Cluster, ddl: string, options: { user?: string; onBadRow?: 'deadLetter' | 'stop'; clock?: Clock } = {}): Promise<SinkBench> {
  const name = `sink${databases++}`;
  const admin = await PgConnection.connect(parsePgUrl(cluster.url()));
  await admin.query(`create database ${name}`);
  await admin.close();
  const connection = await PgConnection.connect(parsePgUrl(cluster.url(name)));
  await connection.query(ddl);
  const another = (): PostgresSink =>
    new PostgresSink({
      connect: { ...parsePgUrl(cluster.url(name)), ...(options.user ? { user: options.user } : {}) },
      consumer: 'replica', identityOf: () => ({ systemId: '7', timeline: 1 }), onBadRow: options.onBadRow ?? 'deadLetter', clock: options.clock ?? systemClock, logger: silentLogger,
    });
  const sink = another();
  await sink.open();
  let position = 0n;
  return {
    sink,
    connection,
    another,
    async rows(sql) {
      const result = await connection.execute('', sql, []);
      return result.rows.map((row) => row.map((value) => (value === null ? '~' : value.toString())).join('|'));
    },
    commit: (...steps) => sink.commit('shop', asPosition((position += 16n)) as Position, steps),
    async close() {
      await sink.close();
      await connection.close();
    },
  };
}
