// The texts of rebuilt rows, read and printed by PostgreSQL as the types of their columns: they are what COPY printed of the original rows.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Cluster, startCluster } from '../../cli/demo/cluster.ts';
import { readFixture, rebuild, rowsOfCopy } from '../../../test/support/debezium.ts';

let cluster: Cluster;
let client: pg.Client;

before(async () => {
  // The recordings' database printed money as en_US does.
  cluster = await startCluster({ settings: { datestyle: 'ISO, MDY', intervalstyle: 'postgres', extra_float_digits: '1', timezone: 'UTC' } });
  client = new pg.Client(cluster.url());
  await client.connect();
  await client.query(`
    create extension hstore; create extension ltree; create extension citext;
    create type mood as enum ('sad', 'ok', 'very happy'); create type pt as (x int, label text); create domain posint as int check (value > 0);`);
});

after(async () => {
  await client?.end();
  await cluster?.remove();
});

/** Cells whose value was lost before Kafka, as fixtures.test.ts has them with their reasons. */
const lost = /^(t_array\.(ae|aint)|t_bin\.vb|t_time\.tz|t_interval\..*)$/;
const lostIn: Readonly<Record<string, RegExp>> = {
  'types-default': /^(t_num\.n|t_array\.an)$/,
  'types-double': /^(t_num\.(n|n38_10|m)|t_array\.an)$/,
  'types-string-connect': /^(t_array\.ats|t_time\.(t6|ts6))$/,
  'types-isostring': /^t_time\.t[036]$/,
  'types-microseconds': /^never$/,
};

for (const [name, lostHere] of Object.entries(lostIn)) {
  test(name, async () => {
    const fixture = readFixture(name);
    const { rebuilt } = rebuild(fixture);
    let compared = 0;
    for (const [address, table] of Object.entries(fixture.expected)) {
      const rows = [...(rebuilt.tables.get(address)?.values() ?? [])];
      const want = new Map(rowsOfCopy(table).map((row) => [row['id'], row]));
      for (const { name: column, type } of table.columns) {
        const cell = `${address.replace('public.', '')}.${column}`;
        if (lostHere.test(cell) || (lost.test(cell) && !(cell.startsWith('t_interval') && fixture.settings.interval === 'string'))) continue;
        const there = rows.filter((row) => typeof row[column] === 'string');
        // A cast to char pads what text leaves out, as storing does.
        const { rows: printed } = await client.query<{ text: string }>({ text: `select record_out(row(v::${type}))::text as text from unnest($1::text[]) with ordinality u(v, n) order by n`, values: [there.map((row) => row[column])] });
        const { rows: original } = await client.query<{ text: string }>({ text: `select record_out(row(v::${type}))::text as text from unnest($1::text[]) with ordinality u(v, n) order by n`, values: [there.map((row) => want.get(row['id'])?.[column])] });
        assert.deepEqual(printed.map(({ text }) => text), original.map(({ text }) => text), `${cell} as ${type}`);
        compared += there.length;
      }
    }
    assert.ok(compared > 150, String(compared));
  });
}
