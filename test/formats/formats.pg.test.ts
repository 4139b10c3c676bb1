// What an earlier release has stored is opened by this one: the fixtures of test/formats, a folder for each format.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { silentLogger, systemClock } from '../../src/base/index.ts';
import { EmbeddedStream } from '../../src/bus/embedded.ts';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import { listLetters, ParallelSink, readProjectId, replayLetter } from '../../src/connect/index.ts';
import { readFailures } from '../../src/control/failures.ts';
import { readSchemaFile } from '../../src/control/project/schema-file.ts';
import { readMemory } from '../../src/control/source-memory.ts';
import { asPosition, type Position, tableAddress } from '../../src/data/index.ts';
import { parsePgUrl } from '../../src/wire/index.ts';
import { readAll } from '../../src/bus/stream.contract.ts';
import { plainRun } from '../support/random-run.ts';
import { sinkBench } from '../support/sink-bench.ts';

const fixture = (folder: string, name: string): string => join(import.meta.dirname, folder, name);
const read = (folder: string, name: string): unknown => JSON.parse(readFileSync(fixture(folder, name), 'utf8'));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)));

const scratch = mkdtempSync(join(tmpdir(), 'millrace-formats-'));
let cluster: Cluster;
before(async () => (cluster = await startCluster()));
after(async () => {
  await cluster?.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** What each folder says of a target: its tables, how many rows of them are there in chunks, its letters, and where an epoch ends that some sessions have committed. */
const loads: Readonly<Record<string, { tables: readonly string[]; chunks: readonly number[]; letters: readonly string[]; begun: Position | undefined }>> = {
  1: { tables: ['public.people done 3'], chunks: [], letters: ['insert ["2"] open', 'insert ["3"] superseded', 'update ["2"] joined'], begun: undefined },
  2: { tables: ['public.big copying 0', 'public.odd copying 1: it has another shape', 'public.people done 1'], chunks: [2], letters: ['read ["2"] open', 'read ["3"] superseded', 'update ["2"] joined'], begun: asPosition(48n) },
};

test('there is a folder for each format', () => {
  assert.deepEqual(readdirSync(import.meta.dirname).filter((name) => !name.includes('.')), Object.keys(loads));
});

for (const [format, expected] of Object.entries(loads)) {
  test(`log, folder ${format}`, async () => {
    const folder = join(scratch, `log${format}`);
    cpSync(fixture(format, 'log'), folder, { recursive: true });
    const stream = await EmbeddedStream.open(folder, 'shop', { onQuarantine: (part) => assert.fail(`quarantined: ${JSON.stringify(part)}`) });
    assert.equal(stream.start, asPosition(1000n));
    assert.deepEqual(plain((await readAll(stream.read(asPosition(1000n)))).map(plainRun)), read(format, 'log.json'));
    await stream.close();
  });

  test(`millrace.schema.json, folder ${format}`, () => {
    const [[source, schema] = []] = readSchemaFile(readFileSync(fixture(format, 'millrace.schema.json'), 'utf8'));
    assert.equal(source, 'shop');
    assert.deepEqual(schema?.tables.map(({ relation }) => `${tableAddress(relation)} ${relation.columns.length}`), ['public."OrderLines" 4', 'public.customers 5', 'public.orders 6']);
  });

  test(`schema millrace of a target, folder ${format}`, async () => {
    const { ddl, tables } = read(format, 'target.json') as { ddl: string; tables: Record<string, unknown[]> };
    const fill = Object.entries(tables).map(([table, rows]) => {
      const overriding = table === 'dead_letters' ? ' overriding system value' : '';
      return `${table === 'meta' ? 'truncate millrace.meta; ' : ''}insert into millrace.${table}${overriding} select * from json_populate_recordset(null::millrace.${table}, '${JSON.stringify(rows).replaceAll("'", "''")}')`;
    });
    const bench = await sinkBench(cluster, `create table people (id int primary key, name varchar(5), big text); insert into people values (1, 'anna', 'x'), (3, 'chris', 'new'); ${ddl}; ${fill.join('; ')}`);
    const another = bench.another();
    assert.deepEqual((await another.open()).map(({ part, position }) => ({ part, position })), [{ part: 'shop', position: asPosition(32n) }]);
    assert.deepEqual((await another.tables('shop')).map(({ target, done, rows, stopped }) => `${target} ${done ? 'done' : 'copying'} ${rows}${stopped ? `: ${stopped.reason}` : ''}`), expected.tables);
    assert.ok((await another.tables('shop')).filter(({ done }) => done).every(({ snapshotPosition }) => snapshotPosition === asPosition(16n)));
    assert.deepEqual((await another.chunks('shop', 'public.big', 'public.big')).map(({ rows }) => rows), expected.chunks);
    await another.close();
    const database = parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0]));
    const several = new ParallelSink({
      connect: database, consumer: 'replica', identityOf: () => ({ systemId: '7', timeline: 1 }), onBadRow: 'deadLetter', clock: systemClock, logger: silentLogger, lanes: 2,
    });
    assert.deepEqual((await several.open()).map(({ begun }) => begun), [expected.begun]);
    await several.close();
    assert.equal(await readProjectId(bench.connection, 'replica'), '0123456789abcdef');
    const letters = await listLetters(database, 'replica', { all: true });
    assert.deepEqual(letters.map(({ op, key, state }) => `${op} ${JSON.stringify(key)} ${state}`).sort(), expected.letters);
    await bench.connection.query('alter table people alter name type text');
    await replayLetter(database, 'replica', letters.find(({ state }) => state === 'open')?.id as string);
    assert.deepEqual(await bench.rows('select * from people order by id'), ['1|anna|x', '2|ben|y', '3|chris|new']);
    await bench.close();
  });
}

test('.millrace/, folder 2', () => {
  const folder = join(scratch, 'project');
  cpSync(fixture('2', 'state'), join(folder, '.millrace'), { recursive: true });
  assert.deepEqual(readMemory({ folder }, 'shop'), { identity: { systemId: '7711', timeline: 2, database: '16384' }, onlyCopy: true });
  assert.deepEqual(readFailures(folder), { sources: {}, replicas: { replica: { reason: 'POSITION_GAP: changes are gone', next: 'run `millrace resync replica`' } } });
});
