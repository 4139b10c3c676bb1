// The parser on what a server copies out.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, type Cluster } from '../../cli/demo/cluster.ts';
import { type Batch, type Column, fieldOf, type Relation } from '../../data/index.ts';
import { parsePgUrl, PgConnection } from '../../wire/index.ts';
import { typeCodec } from '../pg-types/codec.ts';
import { typeByOid } from '../pg-types/type-by-oid.ts';
import { CopyParser } from './parser.ts';

let cluster: Cluster;
let connection: PgConnection;

before(async () => {
  cluster = await startCluster();
  connection = await PgConnection.connect(parsePgUrl(cluster.url()));
});

after(async () => {
  await connection?.close();
  await cluster?.remove();
});

test('rows of a COPY decode to what was selected', async () => {
  const column = (name: string, oid: number): Column => {
    const type = typeByOid(oid);
    assert.ok(type);
    return { name, type, typmod: -1, typeText: type.name, notNull: false };
  };
  const columns = [column('id', 23), column('name', 25), column('price', 1700), column('large', 17)];
  const relation: Relation = { schema: 'public', name: 't', oid: 1, columns, identity: 'full', key: [0], version: 'v' };
  const parser = new CopyParser(relation, { batchBytesMax: 10_000 });
  const batches: Batch[] = [];
  const rows = `select i, nullif('row ' || i, 'row 7'), i / 8.0, convert_to(repeat('x', case when i = 500 then 5000000 else 0 end), 'UTF8') from generate_series(1, 1000) i`;
  for await (const chunk of connection.copyOut(`copy (${rows}) to stdout (format binary)`)) batches.push(...parser.push(chunk));
  parser.end();
  assert.ok(batches.length > 3);
  let id = 0;
  for (const { after: { bytes, offsets }, count } of batches) {
    for (let row = 0; row < count; row++) {
      id += 1;
      const values = columns.map(({ type }, i) => {
        const field = fieldOf(bytes, offsets[row] as number, i);
        return field ? typeCodec(type).decode(field) : null;
      });
      assert.equal(values[0], id);
      assert.equal(values[1], id === 7 ? null : `row ${id}`);
      assert.equal(Number(values[2]), id / 8);
      assert.equal((values[3] as Buffer).length, id === 500 ? 5_000_000 : 0);
    }
  }
  assert.equal(id, 1000);
  assert.equal(parser.rows, 1000);
});
