// tail --describe: a file becomes a description for people or as JSON, with a part of millrace.yaml.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { command } from './tail.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-describe-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function describe(lines: readonly string[], options: Record<string, boolean | string> = {}): Promise<string> {
  writeFileSync(join(folder, 'records of t.ndjson'), lines.join('\n'));
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await command.run({ folder, args: ['records of t.ndjson'], options: { describe: true, ...options }, stdout, stderr, env: {}, signal: new AbortController().signal });
  assert.equal(code, 0);
  stdout.end();
  return (await stdout.toArray()).join('');
}

const interval = { type: 'int64', optional: true, name: 'io.debezium.time.MicroDuration', field: 'every' };
const row = { type: 'struct', fields: [{ type: 'int32', optional: false, field: 'id' }, interval], optional: true, field: 'after' };
const schema = { type: 'struct', fields: [row, { type: 'struct', fields: [{ type: 'string', field: 'schema' }, { type: 'string', field: 'table' }], field: 'source' }, { type: 'string', field: 'op' }] };
const value = JSON.stringify({ schema, payload: { after: { id: 1, every: 5 }, source: { schema: 'public', table: 'jobs' }, op: 'c' } });
const line = (key: string | null): string => JSON.stringify({ topic: 'shop.public.jobs', partition: 0, offset: 1, ts: 0, headers: [], key, payload: value });

test('for people', async () => {
  const text = await describe([line('{"id":1}'), '', line('{"id":1}')]);
  assert.match(text, /shop\.public\.jobs: Debezium JSON with schema; 2 records \(update 2\)/);
  assert.match(text, /table public\.jobs, key \(id\)/);
  assert.match(text, /every {2}interval/);
  assert.match(text, /refused {3}every: an interval .*\(2 times, e\.g\. 5\)\n +mend: interval\.handling\.mode=string/);
});

test('as JSON, with the replica that fits', async () => {
  const { topics, yaml } = JSON.parse(await describe([line(null)], { json: true })) as { topics: { topic: string; envelope: string }[]; yaml: string };
  assert.deepEqual(topics.map(({ topic, envelope }) => [topic, envelope]), [['shop.public.jobs', 'debezium-schema']]);
  const { sources, replicas } = parse(yaml) as { sources: { legacy: object }; replicas: { warehouse: { tables: object } } };
  assert.deepEqual(sources.legacy, { kafka: '${KAFKA_BROKERS}', topics: ['shop.public.jobs'], envelope: 'debezium-schema' });
  assert.deepEqual(replicas.warehouse.tables, { 'legacy.public.jobs': { drop: ['every'], appendOnly: true } });
});

test('no records, no file, no record in a line', async () => {
  assert.equal(await describe([]), 'no records\n');
  await assert.rejects(describe(['{"topic":']), { code: 'PROTOCOL_VIOLATION', where: 'records of t.ndjson:1' });
  const context = { folder, args: ['absent'], options: { describe: true }, stdout: new PassThrough(), stderr: new PassThrough(), env: {}, signal: new AbortController().signal };
  await assert.rejects(command.run(context), { code: 'USAGE' });
});

test('Avro, with the schemas of a registry', async () => {
  const fixture = (file: string): string => gunzipSync(readFileSync(join(import.meta.dirname, '../../test/fixtures/debezium/avro', file))).toString();
  const schemas = JSON.parse(fixture('schemas.json.gz')) as Record<string, { schema: object }>;
  const lines = fixture('records.ndjson.gz').trim().split('\n');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const known = schemas[request.url?.split('/').at(-1) ?? ''];
    response.statusCode = request.headers.authorization !== `Basic ${btoa('me:p/w')}` ? 401 : known ? 200 : 404;
    response.end(JSON.stringify(known ? { schema: JSON.stringify(known.schema) } : { error_code: 40403 }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const described = await describe(lines, { registry: `http://me:p%2Fw@${address}/` });
    assert.match(described, /avro\.public\.customers: Debezium in Avro \(postgresql\); 40 records/);
    assert.match(described, /credit +numeric\(10,2\) +certain +\S+\.\d\d/);
    assert.deepEqual(asked.toSorted(), ['/schemas/ids/1', '/schemas/ids/2', '/schemas/ids/3', '/schemas/ids/4']);
    delete schemas['4'];
    assert.match(await describe(lines, { registry: `http://me:p%2Fw@${address}` }), /\d+ records are not readable, the first .*schema 4 is not known/);
    await assert.rejects(describe(lines, { registry: `http://${address}` }), { code: 'AUTH_FAILED' });
  } finally {
    server.close();
  }
  assert.match(await describe(lines), /avro\.public\.orders: binary records/);
  await assert.rejects(describe(lines, { registry: `http://${address}` }), { code: 'CONNECT_FAILED' });
  await assert.rejects(describe(lines, { registry: address }), { code: 'USAGE' });
});
