// Every version as source with every version as target: random databases for a while, then the table of what held. Ends with 1 if a pair failed.
// `npm run test:versions -- [--seconds 20] [--pair 16:17]`; FIRST_SEED and SEED as for all random databases.
import { parseArgs } from 'node:util';
import type { PgVersion } from '../../src/cli/demo/cluster.ts';
import { proveRandomDatabases } from '../support/random-scenario.ts';
import { Scenario } from '../support/scenario.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '25' }, pair: { type: 'string' } } });
const versions: readonly PgVersion[] = [15, 16, 17, 18];
const ms = Number(values.seconds) * 1000;

interface Outcome {
  readonly source: PgVersion;
  readonly target: PgVersion;
  /** As the servers call themselves. */
  readonly servers: string;
  readonly databases: number;
  readonly seeds: string;
  readonly error?: unknown;
}

const serverVersion = async (scenario: Scenario, side: 'db' | 'copy'): Promise<string> =>
  (await scenario[side].rows<{ server_version: string }>('show server_version'))[0]?.server_version ?? '';

async function prove(source: PgVersion, target: PgVersion): Promise<Outcome> {
  console.log(`\nPostgreSQL ${source} to ${target}`);
  const scenario = await Scenario.start({ source: { version: source }, target: { version: target } });
  const passed: number[] = [];
  let servers = '';
  let error: unknown;
  try {
    await scenario.fresh();
    servers = `${await serverVersion(scenario, 'db')} to ${await serverVersion(scenario, 'copy')}`;
    await proveRandomDatabases(scenario, ms, { onPassed: (seed) => passed.push(seed) });
  } catch (caught) {
    console.error(caught);
    error = caught;
  } finally {
    await scenario.remove();
  }
  return { source, target, servers, databases: passed.length, seeds: `${passed.at(0) ?? '-'} to ${passed.at(-1) ?? '-'}`, ...(error === undefined ? {} : { error }) };
}

const pairs = versions.flatMap((source) => versions.map((target) => ({ source, target })))
  .filter(({ source, target }) => values.pair === undefined || values.pair === `${source}:${target}`);
if (pairs.length === 0 || !(ms > 0)) {
  console.error(`error: nothing to do: --pair takes two of ${versions.join(', ')} as 16:17, --seconds a number above 0`);
  process.exit(2);
}
const outcomes: Outcome[] = [];
for (const { source, target } of pairs) outcomes.push(await prove(source, target));

const line = (...cells: readonly string[]): string => cells.map((cell, i) => cell.padEnd([10, 10, 18, 11, 20][i] ?? 0)).join('').trimEnd();
console.log(`\n${line('source', 'target', 'servers', 'databases', 'seeds', 'outcome')}`);
for (const { source, target, servers, databases, seeds, error } of outcomes) {
  const held = error === undefined && databases > 0;
  console.log(line(String(source), String(target), servers, String(databases), seeds, held ? 'equal' : `FAILED${databases === 0 && error === undefined ? ': no database was tried' : ''}`));
}
const failed = outcomes.filter(({ databases, error }) => error !== undefined || databases === 0);
console.log(`\n${outcomes.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);
