import { after, before, test } from 'node:test';
import { proveRandomDatabases } from '../support/random-scenario.ts';
import { Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

test('random schemas, random transactions, random stops: the target has the rows of the source', () => proveRandomDatabases(scenario, 5000));
