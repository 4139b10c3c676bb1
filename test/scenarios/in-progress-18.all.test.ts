// Transactions in progress on PostgreSQL 18; in-progress.all.test.ts has 15, and what breaks in the middle.
import { after, before, test } from 'node:test';
import { cases, startScenario } from '../support/in-progress.ts';
import type { Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await startScenario(18)));
after(() => scenario.remove());

for (const [name, prove] of Object.entries(cases)) test(name, () => prove(scenario));
