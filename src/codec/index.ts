// codec: bytes ↔ data, pure. Values of PostgreSQL's types, the framing of COPY, replication messages, envelopes of Kafka records.
export { typeCodec, type TypeCodec } from './pg-types/codec.ts';
export { builtinPgTypes, typeByOid } from './pg-types/type-by-oid.ts';
export { COPY_HEADER, COPY_TRAILER } from './pgcopy/format.ts';
export { CopyParser } from './pgcopy/parser.ts';
export { decodeRun, RelationCache } from './run/decode.ts';
export { encodeRun } from './run/encode.ts';
export { PgoutputDecoder, type RelationMessage } from './pgoutput/decoder.ts';
export { announces, endsBlock, isStreamed, readStreamed, restInBlock } from './pgoutput/streamed.ts';
export type { KafkaRecord } from './kafka/record.ts';
export { readRecordLine } from './kafka/record-line.ts';
export { type AvroSchema, AvroSchemas, schemaIdOf } from './debezium/avro.ts';
export type { DebeziumSettings } from './debezium/connect-schema.ts';
export { RecordDescriber, type TableDescription, type TopicDescription } from './debezium/describe.ts';
export { losses } from './debezium/losses.ts';
export { DebeziumReader, type ExpectedTable } from './debezium/reader.ts';
