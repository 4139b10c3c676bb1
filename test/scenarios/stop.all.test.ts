// SIGTERM in the middle of everything: the process ends by itself, with exit code 0, within its 10 seconds, whatever it waits for; and the next one goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { freeze, thaw } from '../support/freeze.ts';
import { Faults, faultYaml } from '../support/faults.ts';
import { Proxy } from '../support/proxy.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
let source: Proxy;
let target: Proxy;
before(async () => {
  scenario = await Scenario.start();
  faults = new Faults(scenario);
  [source, target] = [await Proxy.start(scenario.source.port), await Proxy.start(scenario.target.port)];
});
after(async () => {
  await scenario.remove();
  await Promise.all([source.close(), target.close()]);
});

const rowsAtTarget = async (): Promise<number> => Number((await scenario.copy.rows<{ n: string }>('select count(*)::text as n from t').catch(() => [{ n: '-1' }]))[0]?.n);
const hanging = (side: 'source' | 'target', like: string): Promise<boolean> =>
  (side === 'source' ? scenario.db : scenario.copy).rows(`select 1 as x from pg_stat_activity where pid <> pg_backend_pid() and query like '${like}' and state <> 'idle'`).then((rows) => rows.length > 0);

const waitsForLock = async (): Promise<boolean> => (await scenario.copy.rows('select 1 as x from pg_locks where not granted')).length > 0;

interface Case {
  readonly what: string;
  /** The project has never run; this comes before its start. */
  atStart?(): Promise<unknown>;
  readonly limits?: string;
  /** Brings it into the state in which it is stopped, and returns what ends that state. */
  middle(): Promise<() => Promise<unknown>>;
}

/** Of the test's own, in a transaction. */
let other: PgConnection;

const cases: Case[] = [
  {
    what: 'the slot waits for a writer',
    async atStart() {
      other = await connect(scenario.sourceUrl);
      await other.query('begin; select pg_current_xact_id()');
    },
    async middle() {
      await until(async () => (await scenario.db.rows('select 1 as x from pg_replication_slots where confirmed_flush_lsn is null')).length > 0, 40_000);
      return () => other.close();
    },
  },
  {
    what: 'rows of a snapshot are read', limits: 'limits: { readBytesPerSec: 500KB }\n',
    atStart: () => Promise.resolve(),
    async middle() {
      await until(() => hanging('source', 'copy (select%'), 40_000);
      return () => Promise.resolve();
    },
  },
  {
    what: 'a load waits for a lock',
    async atStart() {
      other = await connect(scenario.targetUrl);
      await other.query('create table t (id int primary key, v text, big text)');
      await other.query('begin; lock table t');
    },
    async middle() {
      await until(waitsForLock, 40_000);
      return () => other.close();
    },
  },
  {
    what: 'a change of a table waits for a lock',
    async middle() {
      other = await connect(scenario.targetUrl);
      await other.query('begin; select from t');
      await scenario.db.query(`alter table t add more int default 1; insert into t (v) values ('more')`);
      await until(waitsForLock, 40_000);
      // Who only reads is not kept out for long.
      const reader = await connect(scenario.targetUrl);
      await reader.query(`set statement_timeout = '6s'; select count(*) from t`);
      await reader.close();
      return () => other.close();
    },
  },
  {
    what: 'a commit waits for a lock',
    async middle() {
      other = await connect(scenario.targetUrl);
      await other.query('begin; lock table t');
      await faults.write(3);
      await until(waitsForLock, 40_000);
      return () => other.close();
    },
  },
  {
    what: 'a large transaction is applied in pieces', limits: 'limits: { memory: 16MB }\n',
    async middle() {
      await scenario.db.query(`insert into t (v, big) select 'p', repeat('p', 3000) from generate_series(1, 20000)`);
      await until(() => hanging('target', '%t%'));
      return () => Promise.resolve();
    },
  },
  {
    what: 'the target is frozen',
    async middle() {
      freeze(scenario.target);
      await faults.write(3);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return async () => thaw(scenario.target);
    },
  },
  {
    what: 'the source is frozen',
    async middle() {
      await faults.write(3);
      freeze(scenario.source);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return async () => thaw(scenario.source);
    },
  },
  {
    what: 'the network swallows everything',
    async middle() {
      source.freeze();
      target.freeze();
      await faults.write(3);
      return async () => [source, target].forEach((each) => each.thaw());
    },
  },
  {
    what: 'both are away',
    async middle() {
      for (const each of [source, target]) {
        each.refuses = true;
        each.cut();
      }
      await faults.write(3);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return async () => [source, target].forEach((each) => void (each.refuses = false));
    },
  },
];

for (const { what, atStart, limits, middle } of cases) {
  test(`SIGTERM while ${what}`, async () => {
    await faults.begin((from, to) => faultYaml(source.through(from), target.through(to), limits));
    if (!atStart) {
      await scenario.caughtUp();
      await scenario.stop();
    }
    await atStart?.();
    const { child, outcome } = scenario.millrace(['up']);
    if (!atStart) {
      await faults.write(2);
      await until(async () => (await rowsAtTarget()) === (await scenario.both('t')).source.length, 40_000);
    }
    const release = await middle();
    const begun = performance.now();
    child.kill('SIGTERM');
    const { code, stderr } = await outcome;
    const ms = performance.now() - begun;
    await release();
    assert.equal(code, 0, stderr);
    assert.ok(ms < 10_000, `it took ${Math.round(ms)} ms\n${stderr}`);
    await faults.write(2);
    await faults.up();
    await faults.equal();
  });
}
