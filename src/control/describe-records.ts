// What `millrace tail FILE --describe` says: records from lines, described, and the replica that would fit.
import { stringify } from 'yaml';
import { readRecordLine, RecordDescriber, type TableDescription, type TopicDescription } from '../codec/index.ts';

export interface RecordsDescription {
  readonly topics: readonly TopicDescription[];
  /** A part of millrace.yaml; undefined where no topic has rows. */
  readonly yaml: string | undefined;
}

/** @param name Of the file, for places in errors. Throws PROTOCOL_VIOLATION for a line that is no record. */
export async function describeRecords(lines: AsyncIterable<string>, name: string): Promise<RecordsDescription> {
  const describer = new RecordDescriber();
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() !== '') describer.add(readRecordLine(line, `${name}:${number}`));
  }
  const topics = describer.describe();
  return { topics, yaml: fittingYaml(topics) };
}

function fittingYaml(topics: readonly TopicDescription[]): string | undefined {
  const withRows = topics.filter(({ tables }) => tables.length > 0);
  if (withRows.length === 0) return undefined;
  const envelopes = [...new Set(withRows.map(({ envelope }) => envelope.replace('flat-schema', 'flat')))];
  const tables = Object.fromEntries(withRows.flatMap((topic) => topic.tables.flatMap((table) => rules(topic, table))));
  return stringify({
    sources: { legacy: { kafka: '${KAFKA_BROKERS}', topics: withRows.map(({ topic }) => topic), envelope: envelopes.length === 1 ? envelopes[0] : 'auto' } },
    replicas: { warehouse: { from: 'legacy', postgres: '${WAREHOUSE_URL}', ...(Object.keys(tables).length > 0 ? { tables } : {}) } },
  });
}

/** What a table needs said: columns that are refused, and that it has no key. */
function rules(topic: TopicDescription, table: TableDescription): [string, object][] {
  const drop = [...new Set(topic.losses.filter(({ effect, column }) => effect === 'refused' && column !== '').map(({ column }) => column))];
  const rule = { ...(drop.length > 0 ? { drop } : {}), ...(table.key.length === 0 ? { appendOnly: true } : {}) };
  return Object.keys(rule).length > 0 ? [[`legacy.${table.schema}.${table.name}`, rule]] : [];
}
