// Random databases to a target behind PgBouncer in transaction mode: transactions of one project meet sessions that others of its transactions had.
import { after, before, test } from 'node:test';
import { type Bouncer, startBouncer } from '../support/pgbouncer.ts';
import { proveRandomDatabases } from '../support/random-scenario.ts';
import { configuration, Scenario } from '../support/scenario.ts';

let scenario: Scenario;
let bouncer: Bouncer;
before(async () => {
  scenario = await Scenario.start();
  bouncer = await startBouncer(scenario.target.port, 4);
});
after(async () => {
  await scenario.remove();
  await bouncer.stop();
});

test('random schemas, random transactions, random stops, through PgBouncer: the target has the rows of the source', () =>
  proveRandomDatabases(scenario, 20_000, { yaml: (source, target) => configuration().replace('${SHOP_URL}', source).replace('${WAREHOUSE_URL}', bouncer.through(target)) }));
