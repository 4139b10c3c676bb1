// Disks that are full, under the log and under the target: everything waits, says so, and goes on when there is room.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Faults, faultYaml } from '../support/faults.ts';
import { Scenario, until } from '../support/scenario.ts';
import { SmallDisk } from '../support/small-disk.ts';

let scenario: Scenario;
let faults: Faults;
let disk: SmallDisk;
before(async () => {
  scenario = await Scenario.start();
  faults = new Faults(scenario);
});
after(() => scenario.remove());
beforeEach(async () => {
  disk = new SmallDisk(24, join(scenario.target.folder, 'data'));
  await faults.begin((source, target) => faultYaml(source, target, 'limits: { memory: 8MB }\n'));
});
afterEach(async () => {
  await scenario.stop();
  disk.remove();
});

const source = () => scenario.status().sources['shop'];
const replica = () => scenario.status().replicas['warehouse'];

/** `.millrace/` on the small disk. */
function logOnDisk(): void {
  rmSync(join(scenario.folder, '.millrace'), { recursive: true, force: true });
  mkdirSync(join(disk.folder, 'state'));
  symlinkSync(join(disk.folder, 'state'), join(scenario.folder, '.millrace'));
}

test('under the log, while it streams', async () => {
  logOnDisk();
  await faults.up();
  await scenario.copy.query('begin; lock table t');
  disk.fill(300);
  await scenario.db.query(`insert into t (v, big) select 'w', repeat('w', 3000) from generate_series(1, 8000)`);
  await until(() => /\[LOG_DISK\]/.test(source()?.reason ?? ''));
  assert.match(source()?.next ?? '', /free space/);
  await scenario.copy.query('commit');
  await faults.write(3);
  disk.free();
  await faults.equal();
  await until(() => source()?.state === 'streaming' && source()?.reason === undefined);
  assert.equal((await scenario.verify()).equal, true);
});

test('under the log, when the source comes back, and when the project ends and starts', async () => {
  logOnDisk();
  await faults.up();
  disk.fill();
  await scenario.source.kill9();
  await scenario.source.start();
  await scenario.reconnect();
  await faults.write(3);
  await until(() => /\[LOG_DISK\]/.test(source()?.reason ?? ''));
  disk.free();
  await faults.equal();
  disk.fill();
  await faults.write(3);
  await scenario.stop();
  disk.fill();
  await assert.rejects(scenario.up(), { code: 'FILE_REFUSED', hint: /free space on its disk/ });
  disk.free();
  await faults.up();
  await faults.equal();
  assert.equal((await scenario.verify()).equal, true);
});

test('under a table of the target: while it is loaded, and while it is written to', async () => {
  await scenario.copy.query(`create tablespace small location '${disk.folder}'`);
  await scenario.copy.query('create table t (id int primary key, v text, big text) tablespace small; alter table t alter big set storage external');
  const full = () => until(() => replica()?.state === 'retrying' && /could not (extend|write).*No space left on device \[TARGET_BUSY\]/.test(replica()?.reason ?? ''));
  disk.fill(300);
  const running = await scenario.up();
  await full();
  disk.free();
  await running.caughtUp();
  await scenario.db.query(`insert into t (v, big) select 'w', repeat('w', 3000) from generate_series(1, 8000)`);
  await full();
  await faults.write(3);
  await scenario.copy.query('alter table t set tablespace pg_default');
  await faults.equal();
  assert.equal((await scenario.verify()).equal, true);
  await scenario.copy.query('drop tablespace small');
});
