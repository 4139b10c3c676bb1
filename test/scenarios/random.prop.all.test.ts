import { test } from 'node:test';
import { proveRandomDatabases } from '../support/random-scenario.ts';
import { Scenario } from '../support/scenario.ts';

for (const [source, target] of [[15, 15], [15, 18], [18, 15]] as const) {
  test(`random schemas, random transactions, random stops, PostgreSQL ${source} to ${target}`, async () => {
    const scenario = await Scenario.start({ source: { version: source }, target: { version: target } });
    try {
      await proveRandomDatabases(scenario, 15_000);
    } finally {
      await scenario.remove();
    }
  });
}
