// Rows that a rule or the target refuses, from end to end: letters, their count in the status, replay, resync, and onBadRow: stop.
// Two sources fill one table, told apart by the source's name in the key.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { dropLetter, listLetters, replayLetter } from '../../src/connect/index.ts';
import type { Running } from '../../src/control/index.ts';
import { parsePgUrl, type PgConnection } from '../../src/wire/index.ts';
import { connect, Scenario, until } from '../support/scenario.ts';

let scenario: Scenario;
let south: PgConnection | undefined;
before(async () => (scenario = await Scenario.start()));
afterEach(async () => {
  await scenario.stop();
  await south?.close();
  south = undefined;
});
after(() => scenario.remove());

const yaml = (more = ''): string => `millrace: 1
sources:
  north: { postgres: "\${SHOP_URL}", tables: [public.*] }
  south: { postgres: "\${SOUTH_URL}", tables: [public.*] }
replicas:
  warehouse:
    from: [north, south]
    postgres: \${WAREHOUSE_URL}
${more}    tables:
      north.public.orders: &orders
        to: public.orders
        meta: true
        key: [_source, id]
        drop: [secret]
        add: { share: { sql: "100 / n" } }
      south.public.orders: *orders
`;

async function twoSources(more?: string): Promise<[PgConnection, PgConnection]> {
  await scenario.fresh(yaml(more));
  const name = `${scenario.sourceUrl.split('/').at(-1)}_south`;
  await scenario.db.query(`create database ${name}`);
  const url = scenario.source.url(name);
  appendFileSync(join(scenario.folder, '.env'), `SOUTH_URL=${url}\n`);
  south = await connect(url);
  for (const db of [scenario.db, south]) {
    await db.query("create table orders (id int primary key, n int, secret text); insert into orders select i, i % 10 + 1, 'hush' from generate_series(1, 100) i");
  }
  return [scenario.db, south];
}

const rows = async (sql: string): Promise<string[]> => (await scenario.copy.rows<{ r: string }>(`select (t.*)::text as r from (${sql}) t`)).map(({ r }) => r);
const totals = (): Promise<string[]> => rows('select _source, count(*), sum(n), sum(share) from orders group by 1 order by 1');
const count = (running: Running): number | undefined => running.status().replicas['warehouse']?.deadLetters;
const target = () => parsePgUrl(scenario.targetUrl);

test('letters of a rule: beside the rows of their commit, of both sources, counted, superseded, never replayed, gone with a resync', async () => {
  const [north, other] = await twoSources();
  await other.query('update orders set n = 0 where id = 7');
  const running = await scenario.up();
  await running.caughtUp();
  assert.deepEqual(await totals(), ['(north,100,550,2910)', '(south,99,542,2898)']);
  await until(() => count(running) === 1);
  await north.query('begin; update orders set n = 0 where id in (1, 2); update orders set n = 100 where id = 3; commit');
  await running.caughtUp();
  await until(() => count(running) === 3);
  assert.deepEqual(await rows("select _source, id, n from orders where id <= 3 and _source = 'north' order by 2"), ['(north,1,2)', '(north,2,3)', '(north,3,100)']);
  // The same key of the other source is another row.
  await other.query('update orders set n = 5 where id = 1');
  await north.query('update orders set n = 50 where id = 1; delete from orders where id = 2');
  await running.caughtUp();
  await until(() => count(running) === 1);
  const [letter] = await listLetters(target(), 'warehouse');
  assert.ok(letter);
  assert.deepEqual([letter.op, letter.key, letter.code, letter.rejectedBy], ['read', ['south', '7'], 'TRANSFORM_FAILED', 'rule']);
  assert.match((await scenario.millrace(['dead', 'show', letter.id]).outcome).stdout, /mend the rule or transform.*millrace resync warehouse\.public\.orders/);
  await assert.rejects(replayLetter(target(), 'warehouse', letter.id), { code: 'LETTER_OF_RULE' });
  assert.deepEqual(await rows("select id from millrace.dead_letters d where position('hush' in d::text) > 0 or position('hush'::bytea in tuple) > 0"), []);
  await other.query('update orders set n = 10 where id = 8');
  await running.caughtUp();
  await scenario.stop();
  scenario.configure(yaml().replace('100 / n', '100 / nullif(n, 0)'));
  appendFileSync(join(scenario.folder, '.env'), `SOUTH_URL=${scenario.source.url(`${scenario.sourceUrl.split('/').at(-1)}_south`)}\n`);
  const again = await scenario.up();
  await again.caughtUp();
  await again.resync('warehouse', ['public.orders']);
  await until(() => again.status().replicas['warehouse']?.state === 'streaming');
  await again.caughtUp();
  assert.deepEqual(await rows("select n, share from orders where _source = 'south' and id = 7"), ['(0,)']);
  assert.deepEqual(await rows('select _source, count(*) from orders group by 1 order by 1'), ['(north,99)', '(south,100)']);
  await until(() => count(again) === 0);
});

test('letters of the target: replayed and dropped elsewhere, the status knows', async () => {
  const [north] = await twoSources();
  const running = await scenario.up();
  await running.caughtUp();
  await scenario.copy.query('alter table orders add constraint small check (n < 1000)');
  await north.query('update orders set n = 1000 where id = 1; update orders set n = 2000 where id = 2; update orders set n = 3000 where id = 3; update orders set n = 3 where id = 3');
  await running.caughtUp();
  await until(() => count(running) === 2);
  await assert.rejects(replayLetter(target(), 'warehouse', '1'), { code: 'ROW_REJECTED' });
  await scenario.copy.query('alter table orders drop constraint small');
  await replayLetter(target(), 'warehouse', '1');
  await dropLetter(target(), 'warehouse', '2');
  assert.deepEqual(await rows("select id, n from orders where _source = 'north' and id <= 3 order by id"), ['(1,1000)', '(2,3)', '(3,3)']);
  await until(() => count(running) === 0);
});

test('onBadRow: stop: the replica fails with key and reason, nothing of the commit is there, and it goes on when the cause is mended', async () => {
  const [north, other] = await twoSources('    onBadRow: stop\n');
  const running = await scenario.up();
  running.ended.catch(() => undefined);
  await running.caughtUp();
  await scenario.copy.query('alter table orders add constraint small check (n < 1000)');
  await north.query('begin; update orders set n = 20 where id = 1; update orders set n = 1000 where id = 2; commit');
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  const { reason, next } = running.status().replicas['warehouse'] as { reason?: string; next?: string };
  assert.match(reason ?? '', /public\.orders refused a row with key \(north, 2\).*violates check constraint "small".*\[ROW_REJECTED\]/);
  assert.match(next ?? '', /mend the cause, then `millrace resume warehouse`/);
  assert.deepEqual(await rows("select id, n from orders where _source = 'north' and id <= 2 order by id"), ['(1,2)', '(2,3)']);
  await scenario.copy.query('alter table orders drop constraint small');
  await other.query('update orders set n = 30 where id = 1');
  await running.resume('warehouse');
  await running.caughtUp();
  assert.deepEqual(await rows("select _source, id, n from orders where id = 1 or id = 2 and _source = 'north' order by 1, 2"), ['(north,1,20)', '(north,2,1000)', '(south,1,30)']);
  // A rule's error stops it too; a restart with a mended rule goes on from there.
  await north.query('begin; update orders set n = 0 where id = 3; update orders set n = 40 where id = 4; commit');
  await until(() => running.status().replicas['warehouse']?.state === 'failed');
  const rule = running.status().replicas['warehouse'] as { reason?: string; next?: string };
  assert.match(rule.reason ?? '', /a rule cannot make a row of public\.orders with key \(north, 3\).*division by zero.*\[ROW_REJECTED\]/);
  assert.match(rule.next ?? '', /mend the rule or transform and start `millrace up` again/);
  await scenario.stop();
  assert.deepEqual(await rows("select n from orders where _source = 'north' and id = 4"), ['(5)']);
  scenario.configure(yaml('    onBadRow: stop\n').replace('100 / n', '100 / nullif(n, 0)'));
  appendFileSync(join(scenario.folder, '.env'), `SOUTH_URL=${scenario.source.url(`${scenario.sourceUrl.split('/').at(-1)}_south`)}\n`);
  await scenario.caughtUp();
  assert.deepEqual(await rows("select id, n, share from orders where _source = 'north' and id in (3, 4) order by 1"), ['(3,0,)', '(4,40,2)']);
  assert.deepEqual(await rows('select * from millrace.dead_letters'), []);
});
