// What `millrace tail FILE --describe` prints.
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { MillraceError } from '../base/index.ts';
import type { TopicDescription } from '../codec/index.ts';
import { describeRecords } from '../control/index.ts';
import { displayIdent } from '../data/index.ts';
import { colorsFor, type CommandContext, type ExitCode, flag, printJson, printLine, text } from './command.ts';

type Colors = ReturnType<typeof colorsFor>;

/** `-` is standard input. */
export async function describeFile(context: CommandContext, file: string): Promise<ExitCode> {
  const { stdout, env } = context;
  const description = await described(context, file);
  if (flag(context, 'json')) {
    printJson(stdout, description);
    return 0;
  }
  const colours = colorsFor(stdout, env);
  for (const topic of description.topics) for (const line of topicLines(topic, colours)) printLine(stdout, line);
  if (description.topics.length === 0) printLine(stdout, 'no records');
  if (description.yaml) printLine(stdout, `${colours.bold('the replica that fits')}\n${indented(description.yaml.trimEnd())}`);
  return 0;
}

async function described(context: CommandContext, file: string): Promise<Awaited<ReturnType<typeof describeRecords>>> {
  const registry = text(context, 'registry');
  const options = { name: file, ...(registry === undefined ? {} : { registry }) };
  if (file === '-') return describeRecords(createInterface({ input: process.stdin, crlfDelay: Infinity }), options);
  const handle = await open(resolve(context.folder, file)).catch((error: Error) => {
    throw new MillraceError('USAGE', `${file} cannot be read`, { detail: error.message, hint: 'name a file with one record a line, as `kcat -J` prints them, or -' });
  });
  try {
    return await describeRecords(handle.readLines(), options);
  } finally {
    await handle.close();
  }
}

const indented = (text: string): string => text.split('\n').map((line) => `  ${line}`).join('\n');

const envelopes: Readonly<Record<TopicDescription['envelope'], string>> = {
  avro: 'Debezium in Avro', 'flat-avro': 'flattened rows in Avro',
  debezium: 'Debezium JSON without schema', 'debezium-schema': 'Debezium JSON with schema', flat: 'flattened rows as JSON', 'flat-schema': 'flattened rows as JSON with schema',
  outbox: 'events, not rows', heartbeat: 'heartbeats of Debezium', transaction: 'the transaction topic of Debezium', schemaChange: 'the schema-change topic of Debezium',
  message: 'logical decoding messages', binary: 'binary records; Avro is read with --registry', unknown: 'nothing that tells what it is',
};

function topicLines(topic: TopicDescription, c: Colors): string[] {
  const counts = Object.entries(topic.counts).map(([what, count]) => `${what} ${count}`).join(', ');
  const lines = [`${c.bold(topic.topic || '(topic not named)')}: ${envelopes[topic.envelope]}${topic.connector === undefined ? '' : ` (${topic.connector})`}; ${topic.records} records${counts ? ` (${counts})` : ''}`];
  if (topic.unreadable) lines.push(`  ${c.red(`${topic.unreadable.count} records are not readable`)}, the first ${topic.unreadable.first}`);
  for (const table of topic.tables) {
    lines.push(`  table ${displayIdent(table.schema)}.${displayIdent(table.name)}, ${table.key.length > 0 ? `key (${table.key.map(displayIdent).join(', ')})` : c.yellow('no key')}`);
    const rows = table.columns.map(({ name, typeText, confidence, remark, nulls, values }) => [
      displayIdent(name), typeText, confidence, short(table.sample?.[name]), [nulls > 0 ? `${nulls} of ${nulls + values} null` : '', remark ?? ''].filter((part) => part !== '').join('; '),
    ]);
    const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => (row[column] ?? '').length)));
    for (const row of rows) lines.push(`    ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ').trimEnd()}`);
  }
  if (topic.losses.length > 0) lines.push('  lost or changed before Kafka');
  for (const all of Map.groupBy(topic.losses, ({ code }) => code).values()) {
    const { says, mend, effect } = all[0] as TopicDescription['losses'][number];
    const sample = all.find((loss) => loss.sample !== '')?.sample;
    const columns = all.filter(({ column }) => column !== '').map(({ column }) => displayIdent(column)).join(', ');
    const count = all.reduce((sum, loss) => sum + loss.count, 0);
    const mark = effect === 'refused' ? c.red('refused ') : effect === 'restored' ? c.green('restored') : c.yellow('possible');
    const seen = count > 0 ? ` (${count} times${sample ? `, e.g. ${sample}` : ''})` : '';
    lines.push(`    ${mark}  ${columns ? `${columns}: ` : ''}${says}${seen}`, `              ${c.dim(`mend: ${mend}`)}`);
  }
  return [...lines, ''];
}

const CUT = 40;

function short(value: string | null | undefined): string {
  if (value === undefined) return '';
  if (value === null) return 'null';
  const line = value.replace(/\s+/g, ' ');
  return line.length > CUT ? `${line.slice(0, CUT - 1)}…` : line;
}
