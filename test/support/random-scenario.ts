// The property: whatever a source does, and however often the project is stopped in between, the target has the source's rows.
import assert from 'node:assert/strict';
import { Random } from '../../src/base/index.ts';
import { RandomDatabase } from './random-database.ts';
import { type Scenario, until } from './scenario.ts';

interface Options {
  /** The configuration, given the URLs of both sides; default: everything of the source to the target. */
  readonly yaml?: (source: string, target: string) => string;
  /** Hears which seeds have held. */
  readonly onPassed?: (seed: number) => void;
}

/**
 * Tries random databases until the time is over, one seed after the other from a random one on; `FIRST_SEED=n` begins there, `SEED=n` tries that one alone. A failure names its seed.
 */
export async function proveRandomDatabases(scenario: Scenario, ms: number, options: Options = {}): Promise<void> {
  const deadline = Date.now() + ms;
  const wanted = process.env['SEED'];
  const first = Number(wanted ?? process.env['FIRST_SEED'] ?? Date.now() % 1_000_000);
  console.log(`random databases from seed ${first} on`);
  for (let seed = first; Date.now() < deadline; seed++) {
    try {
      await proveOne(scenario, new Random(seed), options);
      options.onPassed?.(seed);
    } catch (error) {
      console.error(`failed with SEED=${seed}`);
      throw error;
    }
    if (wanted !== undefined) return;
  }
}

async function proveOne(scenario: Scenario, random: Random, { yaml }: Options): Promise<void> {
  await scenario.fresh();
  if (yaml) scenario.configure(yaml(scenario.sourceUrl, scenario.targetUrl));
  const database = new RandomDatabase(scenario.db, random);
  await database.create();
  // Changes are sent while their transaction is in progress: PostgreSQL can be told to do so with all of them, 15 with the larger ones.
  if (random.chance(0.5)) {
    const setting = scenario.source.version >= 16 ? "debug_logical_replication_streaming = 'immediate'" : "logical_decoding_work_mem = '64kB'";
    await scenario.db.query(`do $$ begin execute format('alter database %I set ${setting.replaceAll("'", "''")}', current_database()); end $$`);
  }
  for (let n = random.below(10); n > 0; n--) await database.transaction();
  let running = false;
  for (let round = random.between(2, 5); round > 0; round--) {
    if (!running && random.chance(0.7)) {
      await scenario.up();
      running = true;
      // A slot that is made while tables are truncated may be one that PostgreSQL never decodes, which attack-source.all.test.ts shows.
      await until(async () => (await scenario.db.rows("select 1 as x from pg_replication_slots where slot_name = 'millrace_shop' and confirmed_flush_lsn is not null")).length === 1, 60_000);
    }
    for (let n = random.between(3, 25); n > 0; n--) await (random.chance(0.05) ? database.alter() : database.transaction());
    if (running && random.chance(0.4)) await scenario.caughtUp();
    if (running && random.chance(0.6)) await scenario.stop().then(() => (running = false));
  }
  await scenario.caughtUp();
  // PostgreSQL tells of a new shape with the next row of the table; without one the target has it from the next start on.
  if (database.altered) await scenario.stop().then(() => scenario.caughtUp());
  assert.deepEqual(await scenario.copy.rows('select target_table, message, "column" from millrace.dead_letters'), []);
  for (const table of database.tables) {
    const { source, target } = await scenario.both(table.name, table.name, [...table.key, ...table.columns].map((column) => `"${column.name.replaceAll('"', '""')}"`).join(', '));
    assert.deepEqual(target, source, table.name);
  }
  const report = await scenario.verify();
  assert.deepEqual(Object.values(report.tables).filter((verdict) => !verdict.equal), []);
}
