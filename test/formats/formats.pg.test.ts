// What an earlier release has stored is opened by this one: the fixtures of test/formats, a folder for each format.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EmbeddedStream } from '../../src/bus/embedded.ts';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import { listLetters, readProjectId, replayLetter } from '../../src/connect/index.ts';
import { readSchemaFile } from '../../src/control/project/schema-file.ts';
import { asPosition, tableAddress } from '../../src/data/index.ts';
import { parsePgUrl } from '../../src/wire/index.ts';
import { readAll } from '../../src/bus/stream.contract.ts';
import { plainRun } from '../support/random-run.ts';
import { sinkBench } from '../support/sink-bench.ts';

const fixture = (name: string): string => join(import.meta.dirname, '1', name);
const read = (name: string): unknown => JSON.parse(readFileSync(fixture(name), 'utf8'));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)));

const scratch = mkdtempSync(join(tmpdir(), 'millrace-formats-'));
let cluster: Cluster;
before(async () => (cluster = await startCluster()));
after(async () => {
  await cluster?.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test('log, format 1', async () => {
  const folder = join(scratch, 'log');
  cpSync(fixture('log'), folder, { recursive: true });
  const stream = await EmbeddedStream.open(folder, 'shop', { onQuarantine: (part) => assert.fail(`quarantined: ${JSON.stringify(part)}`) });
  assert.equal(stream.start, asPosition(1000n));
  assert.deepEqual(plain((await readAll(stream.read(asPosition(1000n)))).map(plainRun)), read('log.json'));
  await stream.close();
});

test('millrace.schema.json, format 1', () => {
  const [[source, schema] = []] = readSchemaFile(readFileSync(fixture('millrace.schema.json'), 'utf8'));
  assert.equal(source, 'shop');
  assert.deepEqual(schema?.tables.map(({ relation }) => `${tableAddress(relation)} ${relation.columns.length}`), ['public."OrderLines" 4', 'public.customers 5', 'public.orders 6']);
});

test('schema millrace of a target, format 1', async () => {
  const { ddl, tables } = read('target.json') as { ddl: string; tables: Record<string, unknown[]> };
  const fill = Object.entries(tables).map(([table, rows]) => {
    const overriding = table === 'dead_letters' ? ' overriding system value' : '';
    return `${table === 'meta' ? 'truncate millrace.meta; ' : ''}insert into millrace.${table}${overriding} select * from json_populate_recordset(null::millrace.${table}, '${JSON.stringify(rows).replaceAll("'", "''")}')`;
  });
  const bench = await sinkBench(cluster, `create table people (id int primary key, name varchar(5), big text); insert into people values (1, 'anna', 'x'), (3, 'chris', 'new'); ${ddl}; ${fill.join('; ')}`);
  const another = bench.another();
  assert.deepEqual((await another.open()).map(({ part, position }) => ({ part, position })), [{ part: 'shop', position: asPosition(32n) }]);
  assert.deepEqual((await another.tables('shop')).map(({ target, done, rows, snapshotPosition }) => ({ target, done, rows, snapshotPosition })),
    [{ target: 'public.people', done: true, rows: 3, snapshotPosition: asPosition(16n) }]);
  await another.close();
  assert.equal(await readProjectId(bench.connection, 'replica'), '0123456789abcdef');
  const database = parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0]));
  const letters = await listLetters(database, 'replica', { all: true });
  assert.deepEqual(letters.map(({ op, key, state }) => `${op} ${JSON.stringify(key)} ${state}`).sort(), ['insert ["2"] open', 'insert ["3"] superseded', 'update ["2"] joined']);
  await bench.connection.query('alter table people alter name type text');
  await replayLetter(database, 'replica', letters.find(({ state }) => state === 'open')?.id as string);
  assert.deepEqual(await bench.rows('select * from people order by id'), ['1|anna|x', '2|ben|y', '3|chris|new']);
  await bench.close();
});
