// Rows that were read from recordings of Debezium, written by the sink into real tables: equal to what Debezium's source held.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import { quoteIdent, type Run } from '../../../data/index.ts';
import type { TableStep } from '../../../flow/index.ts';
import { rowsStep, targetOf } from '../../../../test/support/batches.ts';
import { expectedTable, type Fixture, readFixture, rebuild } from '../../../../test/support/debezium.ts';
import { type SinkBench, sinkBench } from '../../../../test/support/sink-bench.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

/** The tables of a recording, as the sink would find them: generated columns are plain ones. Partitions are left out below. */
function ddl(fixture: Fixture): string {
  const tables = Object.entries(fixture.expected).map(([address, { columns, primaryKey }]) => {
    const key = primaryKey.length > 0 ? `, primary key (${primaryKey.map(quoteIdent).join(', ')})` : '';
    return `create table ${address} (${columns.map(({ name, type }) => `${quoteIdent(name)} ${type}`).join(', ')}${key});`;
  });
  return `create extension hstore; create extension ltree; create extension citext; create schema "Odd Schema";
    create type mood as enum ('sad', 'ok', 'very happy'); create type pt as (x int, label text); create domain posint as int; ${tables.join('\n')}`;
}

function stepsOf(run: Run): TableStep[] {
  const rows = run.batches.filter(({ count, relation }) => count > 0 && !relation.name.startsWith('parted'));
  return [
    ...(rows.length > 0 ? [rowsStep(...rows)] : []),
    ...(run.truncate ? [{ kind: 'truncate' as const, truncate: { targets: run.truncate.relations.map(targetOf), cascade: run.truncate.cascade, restartIdentity: false } }] : []),
  ];
}

/** Writes a recording. */
async function written(fixture: Fixture): Promise<SinkBench> {
  const runs: Run[] = [];
  rebuild(fixture, (table) => expectedTable(fixture, table), (run) => runs.push(run));
  const bench = await sinkBench(cluster, ddl(fixture));
  for (const run of runs) await bench.commit(...stepsOf(run));
  return bench;
}

const copyOf = (bench: SinkBench, address: string): Promise<string[]> => bench.rows(`select t::text from ${address} t order by 1`);

/** The original rows, printed by the same server. */
async function original(bench: SinkBench, fixture: Fixture, address: string): Promise<string[]> {
  const table = fixture.expected[address];
  assert.ok(table);
  await bench.connection.query(`create temporary table original (like ${address})`);
  const rows = table.copy.split('\n').slice(0, -1).map((line) => line.split('\t').map((cell) => (cell === '\\N' ? 'null' : `E'${cell.replaceAll("'", "''")}'`)).join(', '));
  for (const row of rows) await bench.connection.query(`insert into original values (${row})`);
  const printed = await copyOf(bench, 'original');
  await bench.connection.query('drop table original');
  return printed;
}

for (const [name, addresses] of [
  ['json-schema', ['public.orders']], ['avro', ['public.orders']], ['unwrap', ['public.orders']],
  ['ops', ['public.cfg', 'public.full_ident', 'public.no_pk_full', 'public.uniq_ident', 'public.toast', 'public.child', '"Odd Schema"."Order Lines.é"', 'public."MixedCase"']],
  ['types-string-connect', ['public.t_int', 'public.t_float', 'public.t_num', 'public.t_text', 'public.t_interval', 'public.t_doc', 'public.t_net', 'public.t_range', 'public.t_ext', 'public.t_misc']],
] as const) {
  test(name, async () => {
    const fixture = readFixture(name);
    const bench = await written(fixture);
    for (const address of addresses) assert.deepEqual(await copyOf(bench, address), await original(bench, fixture, address), address);
    await bench.close();
  });
}

test('a row with a value that is refused is not inserted without it, and waits as a dead letter', async () => {
  const bench = await written(readFixture('types-string-connect'));
  // The bits of row 4 are null, and the array of row 2 is empty: both came whole.
  assert.deepEqual([await copyOf(bench, 'public.t_bin'), (await copyOf(bench, 'public.t_array')).length], [['(4,,,,,)'], 1]);
  assert.deepEqual(await bench.rows('select count(*), target_table, code from millrace.dead_letters group by 2, 3 order by 2'), ['2|public.t_array|ROW_MISSING', '4|public.t_bin|ROW_MISSING']);
  await bench.close();
});
