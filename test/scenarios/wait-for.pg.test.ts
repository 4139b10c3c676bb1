// Read your own writes at the replica: millrace.wait_for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, Scenario } from '../support/scenario.ts';

let scenario: Scenario;
before(async () => {
  scenario = await Scenario.start();
  await scenario.fresh();
  await scenario.db.query('create table notes (id int primary key, text text)');
  await scenario.caughtUp();
});
after(() => scenario.remove());

test('what was committed before the LSN is there afterwards', async () => {
  const { db, copy } = scenario;
  await db.query('create schema other; create table other.elsewhere (id int)'); // not replicated, but its WAL moves the position
  for (let id = 1; id <= 20; id++) {
    await db.query(`insert into notes values (${id}, 'n'); insert into other.elsewhere values (${id})`);
    const [{ lsn } = { lsn: '' }] = await db.rows<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn');
    const [found] = await copy.rows<{ reached: string }>("select (millrace.wait_for('shop', $1::pg_lsn, '5s') >= $1::pg_lsn)::text as reached", [lsn]);
    assert.equal(found?.reached, 'true');
    assert.equal((await copy.rows('select 1 as x from notes where id = $1::int', [String(id)])).length, 1, `note ${id}`);
  }
});

test('an application needs nothing but USAGE on the schema', async () => {
  await scenario.copy.query('create role app login; grant usage on schema millrace to app');
  const app = await connect(scenario.targetUrl.replace('postgres@', 'app@'));
  try {
    await app.query("select millrace.wait_for('shop', '0/1')");
    await assert.rejects(app.query('select * from millrace.positions'), { code: '42501' });
  } finally {
    await app.close();
  }
});

test('what cannot be waited for is refused', async () => {
  const { copy } = scenario;
  await assert.rejects(copy.query("select millrace.wait_for('shop', 'F/0', '50ms')"), { code: '57014', message: /is at .* not yet at F\/0/ });
  await assert.rejects(copy.query("select millrace.wait_for('ship', '0/1')"), { code: '42704' });
  await assert.rejects(copy.query("select millrace.wait_for('shop', '0/1', replica => 'other')"), { code: '42704' });
  await assert.rejects(copy.query("begin isolation level repeatable read; select millrace.wait_for('shop', '0/1')"), { code: '25000' });
  await copy.query('rollback');
});
