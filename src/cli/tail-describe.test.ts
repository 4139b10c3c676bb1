// tail --describe: a file becomes a description for people or as JSON, with a part of millrace.yaml.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { command } from './tail.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-describe-'));
after(() => rmSync(folder, { recursive: true, force: true }));

async function describe(lines: readonly string[], options: Record<string, boolean> = {}): Promise<string> {
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
