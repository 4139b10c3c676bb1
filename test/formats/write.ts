// Writes the newest folder of fixtures: what this code stores. Run it once for each change of a format, before the release that brings it;
// afterwards the files stay as they are, and every later release must open them. `node test/formats/write.ts`
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Random } from '../../src/base/index.ts';
import { EmbeddedStream } from '../../src/bus/embedded.ts';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { rememberFailures } from '../../src/control/failures.ts';
import { writeMemory } from '../../src/control/source-memory.ts';
import type { ProjectStatus } from '../../src/control/status.ts';
import { asPosition, type Relation } from '../../src/data/index.ts';
import type { Load } from '../../src/flow/index.ts';
import { millraceSchemaSql, recordProjectId } from '../../src/connect/index.ts';
import { type Change, makeBatch, rowsStep, targetOf, testRelation, unchanged } from '../support/batches.ts';
import { plainRun, RandomRuns } from '../support/random-run.ts';
import { sinkBench } from '../support/sink-bench.ts';

const folder = join(import.meta.dirname, '2');
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

/** What .millrace/ holds besides: the server that the log belongs to, and why the last run ended. */
function writeFolder(): void {
  mkdirSync(join(folder, '.millrace', 'log', 'shop'), { recursive: true });
  writeMemory({ folder }, 'shop', { identity: { systemId: '7711', timeline: 2, database: '16384' }, onlyCopy: true });
  rememberFailures(folder, { sources: {}, replicas: { replica: { state: 'failed', reason: 'POSITION_GAP: changes are gone', next: 'run `millrace resync replica`' } } } as unknown as ProjectStatus);
  renameSync(join(folder, '.millrace'), join(folder, 'state'));
}

/** The schema `millrace` of a target that has positions, letters of each state, and tables that are loaded, half loaded in chunks, and stopped. */
async function writeTarget(): Promise<void> {
  const cluster = await startCluster();
  try {
    const [people, big, odd] = [testRelation('people', { id: 23, name: 25, big: 25 }), testRelation('big', { id: 23, v: 25 }), testRelation('odd', { id: 23, v: 25 })].map(numbered) as [Relation, Relation, Relation];
    const bench = await sinkBench(cluster, 'create table people (id int primary key, name varchar(5), big text); create table big (id int primary key, v text); create table odd (id int primary key, v text)');
    const load = (relation: Relation, rows: Change[], chunk?: Load['chunk']): Promise<unknown> =>
      bench.sink.load({
        part: 'shop', from: relation, target: targetOf(relation), position: asPosition(16n), ...(chunk ? { chunk } : {}), steps: Readable.from([rowsStep(makeBatch(relation, rows))]),
      }, new AbortController().signal);
    await recordProjectId(bench.connection, 'replica', '0123456789abcdef');
    await load(people, [{ read: ['1', 'anna', 'x'] }, { read: ['2', 'bernhard', 'y'] }, { read: ['3', 'christine', 'z'] }]);
    await bench.sink.beginChunks({ part: 'shop', from: big, target: targetOf(big), shape: 'a shape', resumes: true, since: asPosition(0n), joins: false });
    await load(big, [{ read: ['1', 'v'] }, { read: ['2', 'v'] }], { keys: { from: undefined, to: 10n }, shape: 'a shape' });
    await load(odd, [{ read: ['1', 'v'] }]);
    await bench.sink.stopTable('shop', 'public.odd', { reason: 'it has another shape', next: 'millrace resync replica.public.odd', waits: 'resync' });
    await bench.commit();
    await bench.commit(rowsStep(makeBatch(people, [{ update: ['2', 'ben', unchanged] }, { update: ['3', 'chris', 'new'] }])));
    // Of two sessions that commit the next epoch, one has its share.
    const sharing = JSON.stringify({ lanes: 2, tables: { 'public.people': 'id', 'public.odd': 1 } });
    await bench.connection.query(`insert into millrace.lanes (consumer, part, lane, epoch, position, sharing) values ('replica', 'shop', 1, 3, '0/30', '${sharing}')`);
    const tables: Record<string, unknown> = {};
    for (const table of ['meta', 'positions', 'tables', 'chunks', 'lanes', 'dead_letters']) {
      const [row] = await bench.rows(`select coalesce(json_agg(t), '[]')::text from millrace.${table} t`);
      tables[table] = JSON.parse(row as string);
    }
    json('target.json', { ddl: millraceSchemaSql(), tables });
    await bench.close();
  } finally {
    await cluster.remove();
  }
}

/** As the columns of a real source are. */
const numbered = (relation: Relation): Relation => ({ ...relation, columns: relation.columns.map((column, i) => ({ ...column, number: i + 1 })) });

await writeLog();
writeFolder();
await writeTarget();
cpSync(join(import.meta.dirname, '../../examples/transform/millrace.schema.json'), join(folder, 'millrace.schema.json'));
