// Servers behind proxies and passwords, for tests that cut connections.
import assert from 'node:assert/strict';
import { Faults, faultYaml } from './faults.ts';
import { Proxy, type Trap } from './proxy.ts';
import { connect, Scenario, until } from './scenario.ts';

/** What is cut: where the trap is, and of what kind. */
export type Cut = readonly [what: string, side: 'source' | 'target', trap: Trap];

/** COMMIT at the end of what shares its Sync, as a message of its own at the end of a load, and the server's word that it is done. */
export const commit = '\0commit\0';
export const commitOfLoad = 'Q\0\0\0\x0bcommit\0';
export const committed = 'C\0\0\0\x0bCOMMIT\0';

export class Cuts {
  readonly scenario: Scenario;
  readonly faults: Faults;
  readonly between: Readonly<Record<'source' | 'target', Proxy>>;

  private constructor(scenario: Scenario, between: Cuts['between']) {
    this.scenario = scenario;
    this.faults = new Faults(scenario);
    this.between = between;
  }

  static async start(): Promise<Cuts> {
    const hba = ['all', 'replication'].map((database) => `host ${database} guarded 127.0.0.1/32 scram-sha-256`);
    const scenario = await Scenario.start({ source: { hba }, target: { hba } });
    for (const cluster of [scenario.source, scenario.target]) {
      const admin = await connect(cluster.url());
      await admin.query(`create role guarded superuser login password 'secret'`);
      await admin.close();
    }
    return new Cuts(scenario, { source: await Proxy.start(scenario.source.port), target: await Proxy.start(scenario.target.port) });
  }

  /** New databases, and a configuration that leads to both through the proxies, with passwords. */
  begin(): Promise<void> {
    const { source, target } = this.between;
    const guarded = (url: string): string => url.replace('postgres@', 'guarded:secret@');
    return this.faults.begin((from, to) => faultYaml(source.through(guarded(from)), target.through(guarded(to))));
  }

  async remove(): Promise<void> {
    await this.scenario.remove();
    await Promise.all([this.between.source.close(), this.between.target.close()]);
  }
}

/** Waits until a trap has struck. */
export async function struckWithin(struck: Promise<void>, what: string): Promise<void> {
  let over = false;
  void struck.then(() => (over = true));
  await until(() => over).catch(() => assert.fail(`nothing passed that is cut at: ${what}`));
}
