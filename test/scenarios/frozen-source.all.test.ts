// A network that swallows everything to and from the source, without closing a connection; and one that is slow.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Faults, faultYaml } from '../support/faults.ts';
import { Proxy } from '../support/proxy.ts';
import { Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let faults: Faults;
let proxy: Proxy;
before(async () => {
  scenario = await Scenario.start();
  faults = new Faults(scenario);
  proxy = await Proxy.start(scenario.source.port);
});
after(async () => {
  await scenario.remove();
  await proxy.close();
});

test('a source that is not heard of any more is given up within a minute and a half, and gone on with when it is back', async () => {
  await faults.begin((source, target) => faultYaml(proxy.through(source), target));
  await faults.up();
  const source = () => scenario.status().sources['shop'];
  proxy.freeze();
  await faults.write(3);
  await until(() => source()?.state === 'retrying', 90_000);
  assert.match(source()?.reason ?? '', /not answered|no answer|did not finish the start/);
  proxy.thaw();
  await faults.write(3);
  await faults.equal();
});

test('a slow network is only slow: nothing is given up', async () => {
  await faults.begin((source, target) => faultYaml(proxy.through(source), target));
  const running = await faults.up();
  proxy.bytesPerSec = 300_000;
  await faults.write(2);
  await scenario.db.query(`insert into t (v, big) select 's', repeat('s', 1000) from generate_series(1, 1500)`);
  await faults.write(2);
  await faults.equal();
  proxy.bytesPerSec = undefined;
  assert.deepEqual(running.metrics().split('\n').filter((line) => /^millrace_(replica_retries|source_reconnects)_total.* [^0]/.test(line)), []);
});
