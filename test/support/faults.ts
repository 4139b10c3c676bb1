// What tests of faults share: tables in which anything lost or doubled would show, somebody who writes to them, and the comparison.
import assert from 'node:assert/strict';
import type { Running } from '../../src/control/index.ts';
import type { Scenario } from './scenario.ts';

/** One with a key, one that is found by its whole rows, and one without anything that tells two rows apart. */
const tables = `create table t (id serial primary key, v text, big text); alter table t alter big set storage external;
  create table bag (n int); alter table bag replica identity full;
  create table events (n int, v text);
  insert into t (v, big) select 'v', repeat('b', 3000) from generate_series(1, 300);
  insert into bag select i % 10 from generate_series(1, 300) i; insert into events select i % 10, 'before' from generate_series(1, 300) i`;

export const faultTables = ['t', 'bag', 'events'] as const;

/** These URLs, and further keys of the whole. */
export const faultYaml = (source: string, target: string, more = ''): string =>
  `millrace: 1\nsources:\n  shop:\n    postgres: ${source}\n    tables: [public.*]\n    appendOnly: [public.events]\nreplicas:\n  warehouse:\n    from: shop\n    postgres: ${target}\n${more}`;

export class Faults {
  readonly scenario: Scenario;
  #count = 0;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
  }

  /** New databases with the tables, and a configuration for them. `yaml` is given the URLs. */
  async begin(yaml: (source: string, target: string) => string = faultYaml): Promise<void> {
    await this.scenario.fresh();
    this.scenario.configure(yaml(this.scenario.sourceUrl, this.scenario.targetUrl));
    await this.scenario.db.query(tables);
    this.#count = 0;
  }

  /** The project, running and caught up. */
  async up(): Promise<Running> {
    await this.scenario.caughtUp();
    return this.scenario.running;
  }

  /** Transactions: rows that come, change, move to another key, and go. */
  async write(times = 1): Promise<void> {
    for (; times > 0; times--) {
      const n = (this.#count += 1);
      await this.scenario.db.query(`begin; insert into t (v, big) values ('${n}', repeat('x', 3000)); update t set v = v || '${n}' where id % 7 = ${n} % 7;
        update t set id = id + 100000 where id = ${n}; insert into bag values (${n}), (${n}); delete from bag where n = ${n - 3};
        insert into events values (${n % 5}, 'e'), (${n % 5}, 'e'); commit`);
    }
  }

  /** Waits until everything is at the target, and compares. No row may be refused on the way. */
  async equal(): Promise<void> {
    await this.scenario.running.caughtUp();
    for (const table of faultTables) {
      const { source, target } = await this.scenario.both(table);
      assert.ok(target.join() === source.join(), `${table}: ${source.length} rows at the source, ${target.length} at the target`);
    }
    assert.deepEqual(await this.scenario.copy.rows('select message from millrace.dead_letters'), []);
  }
}
