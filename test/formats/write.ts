// Writes the fixtures of test/formats/1: what this code stores. Run it once for each format, before the release that brings it; afterwards the
// files stay as they are, and every later release must open them. `node test/formats/write.ts`
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/base/index.ts';
import { EmbeddedStream } from '../../src/bus/embedded.ts';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { millraceSchemaSql, recordProjectId } from '../../src/connect/index.ts';
import { makeBatch, rowsStep, testRelation, unchanged } from '../support/batches.ts';
import { plainRun, RandomRuns } from '../support/random-run.ts';
import { sinkBench } from '../support/sink-bench.ts';

const folder = join(import.meta.dirname, '1');
if (existsSync(folder) && !process.argv.includes('--again')) throw new Error(`${folder} is there; a format that was released never changes (--again: it was not)`);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);

const json = (name: string, value: unknown): void =>
  writeFileSync(join(folder, name), `${JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one), 1)}\n`);

/** A log of several segments with every kind of frame: whole runs, parts, parts that were taken back, progress. */
async function writeLog(): Promise<void> {
  const place = join(folder, 'log');
  const stream = await EmbeddedStream.open(place, 'shop', { segmentBytesMax: 3000 });
  const runs = new RandomRuns(new Random(20261125));
  await stream.reset(runs.position);
  const kept: unknown[] = [];
  const append = (open?: boolean): void => {
    const run = runs.next(open === undefined ? {} : { open });
    stream.append(run);
    kept.push(plainRun(run));
  };
  for (let i = 0; i < 12; i++) append(false);
  const before = runs.position;
  stream.append(runs.next({ open: true }));
  stream.abandonOpen();
  runs.restart(before);
  for (let i = 0; i < 3; i++) append(true);
  for (let i = 0; i < 8; i++) append(false);
  await stream.close();
  json('log.json', kept);
}

/** The schema `millrace` of a target that has positions, loaded tables and letters of each state. */
async function writeTarget(): Promise<void> {
  const cluster = await startCluster();
  try {
    const people = testRelation('people', { id: 23, name: 25, big: 25 });
    const bench = await sinkBench(cluster, 'create table people (id int primary key, name varchar(5), big text)');
    await recordProjectId(bench.connection, 'replica', '0123456789abcdef');
    await bench.commit(rowsStep(makeBatch(people, [{ insert: ['1', 'anna', 'x'] }, { insert: ['2', 'bernhard', 'y'] }, { insert: ['3', 'christine', 'z'] }])));
    await bench.commit(rowsStep(makeBatch(people, [{ update: ['2', 'ben', unchanged] }, { update: ['3', 'chris', 'new'] }])));
    await bench.connection.query(`insert into millrace.tables (consumer, source, source_table, target_table, state, snapshot_position, rows, source_oid)
      values ('replica', 'shop', 'public.people', 'public.people', 'done', '0/10', 3, 20000)`);
    const tables: Record<string, unknown> = {};
    for (const table of ['meta', 'positions', 'tables', 'dead_letters']) {
      const [row] = await bench.rows(`select coalesce(json_agg(t), '[]')::text from millrace.${table} t`);
      tables[table] = JSON.parse(row as string);
    }
    json('target.json', { ddl: millraceSchemaSql(), tables });
    await bench.close();
  } finally {
    await cluster.remove();
  }
}

await writeLog();
await writeTarget();
cpSync(join(import.meta.dirname, '../../examples/transform/millrace.schema.json'), join(folder, 'millrace.schema.json'));
