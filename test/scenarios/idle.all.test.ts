// A quiet database in a busy cluster: its slot moves on, so that it never keeps the WAL of others, and its lag is zero.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => (scenario = await Scenario.start()));
after(() => scenario.remove());

test('the slot of an idle database follows the WAL that others write, and lagMs is 0', async () => {
  await scenario.fresh();
  await scenario.db.query(`create table t (id int primary key); insert into t values (1)`);
  const running = await scenario.up();
  await running.caughtUp();
  const others = await connect(scenario.source.url());
  await others.query('create table if not exists noise (x text)');
  const slot = async (): Promise<{ confirmed: string; kept: number }> => {
    const [row] = await others.rows<{ confirmed: string; kept: string }>(
      `select confirmed_flush_lsn::text as confirmed, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text as kept from pg_replication_slots where slot_name = 'millrace_shop'`);
    return { confirmed: row?.confirmed ?? '', kept: Number(row?.kept) };
  };
  const before = await slot();
  await others.query(`insert into noise select repeat('n', 1000) from generate_series(1, 5000)`);
  assert.ok((await slot()).kept > 5_000_000);
  const lags: number[] = [];
  await until(async () => {
    lags.push(running.status().sources['shop']?.lagMs ?? -1, running.status().replicas['warehouse']?.lagMs ?? -1);
    return (await slot()).kept < 100_000;
  }, 12_000);
  assert.notEqual((await slot()).confirmed, before.confirmed);
  assert.deepEqual([...new Set(lags)], [0]);
  await others.close();
});
