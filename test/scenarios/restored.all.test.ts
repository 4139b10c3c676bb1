// Servers that come back older than they were: the target goes on from its own position, or says that what lies behind it is gone; the source is
// refused. Nobody goes on as if nothing were missing.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { backUp } from '../support/backup.ts';
import { Faults } from '../support/faults.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
before(async () => {
  scenario = await Scenario.start({ target: { settings: { max_wal_size: '128MB' } } });
  faults = new Faults(scenario);
});
after(() => scenario.remove());

/** Until nothing moves the replica's position any more, and the source has been told of it. */
async function settled(): Promise<void> {
  let before: string | null | undefined;
  await until(async () => {
    const now = scenario.status().replicas['warehouse']?.position;
    const same = now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const [slot] = await scenario.db.rows<{ lsn: string }>(`select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = 'millrace_shop'`);
    return same && slot?.lsn === now;
  });
}

for (const restarts of [false, true]) {
  test(`a target restored to an older state ${restarts ? 'that an earlier process has left' : 'while nothing is written'}: it goes on from there`, async () => {
    await faults.begin();
    await faults.up();
    await faults.write(5);
    await faults.equal();
    const backup = backUp(scenario.target);
    if (restarts) await scenario.stop();
    await faults.up();
    await faults.write(5);
    await faults.equal();
    // The replica hears of its target again only when there is something to write.
    await settled();
    await scenario.copy.close();
    await backup.restore();
    backup.remove();
    await scenario.reconnect();
    await faults.write(5);
    await faults.equal();
    assert.equal(scenario.status().replicas['warehouse']?.state, 'streaming');
    assert.equal((await scenario.verify()).equal, true);
  });
}

test('a target restored to an older state, and the log is gone: a gap, until its tables are read again', async () => {
  await faults.begin();
  await faults.up();
  const backup = backUp(scenario.target);
  await faults.write(5);
  await faults.equal();
  await settled();
  await scenario.stop();
  await scenario.copy.close();
  await backup.restore();
  backup.remove();
  await scenario.reconnect();
  rmSync(join(scenario.folder, '.millrace'), { recursive: true });
  const running = await scenario.up();
  const replica = () => running.status().replicas['warehouse'];
  await until(() => replica()?.state === 'failed');
  assert.match(replica()?.reason ?? '', /\[POSITION_GAP\]/);
  assert.match(replica()?.next ?? '', /millrace resync warehouse/);
  await faults.write(2);
  await running.resync('warehouse', []);
  await faults.equal();
});
