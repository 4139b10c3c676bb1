// What `millrace tail FILE --describe` says: records from lines, described, and the replica that would fit.
import { stringify } from 'yaml';
import { AvroSchemas, readRecordLine, RecordDescriber, schemaIdOf, type TableDescription, type TopicDescription } from '../codec/index.ts';
import { SchemaRegistry } from './schema-registry.ts';

export interface RecordsDescription {
  readonly topics: readonly TopicDescription[];
  /** A part of millrace.yaml; undefined where no topic has rows. */
  readonly yaml: string | undefined;
}

export interface DescribeOptions {
  /** Of the file, for places in errors. */
  readonly name: string;
  /** Address of a schema registry. Without it, records in Avro are only recognised. */
  readonly registry?: string;
}

/** Throws PROTOCOL_VIOLATION for a line that is no record, and what the registry answers. */
export async function describeRecords(lines: AsyncIterable<string>, options: DescribeOptions): Promise<RecordsDescription> {
  const registry = options.registry === undefined ? undefined : new SchemaRegistry(options.registry);
  const schemas = new AvroSchemas();
  const describer = new RecordDescriber(registry ? { schemas } : {});
  let number = 0;
  for await (const line of lines) {
    number += 1;
    if (line.trim() === '') continue;
    const record = readRecordLine(line, `${options.name}:${number}`);
    for (const id of [schemaIdOf(record.key), schemaIdOf(record.value)]) if (id !== undefined) await registry?.fetchInto(schemas, id);
    describer.add(record);
  }
  const topics = describer.describe();
  return { topics, yaml: fittingYaml(topics) };
}

function fittingYaml(topics: readonly TopicDescription[]): string | undefined {
  const withRows = topics.filter(({ tables }) => tables.length > 0);
  if (withRows.length === 0) return undefined;
  const envelopes = [...new Set(withRows.map(({ envelope }) => envelope.replace(/^flat-.*/, 'flat')))];
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
