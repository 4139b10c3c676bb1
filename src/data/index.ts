// data: the nouns. Relations, batches in their bytes, runs of transactions, positions, epochs, names. No I/O.
export { batchBytes, BatchBuilder, Before, Format, NULL_FIELD, Op, opNames, UNCHANGED_FIELD, type Batch, type RowBlock } from './batch.ts';
export { asEpoch, type Epoch } from './epoch.ts';
export { isAmong } from './key-list.ts';
export { keyFromText, keyOfTuple, type KeyRange, keyToText, rangeKey, rangesLeft } from './key-range.ts';
export {
  displayIdent, nearestName, parseTablePattern, quoteAddress, quoteIdent, quoteLiteral, quoteTable, selects, snakeCase, splitName, tableAddress,
  type TableName, type TablePattern,
} from './names.ts';
export { cameThrough, databaseId, type Origin, originPrefix } from './origin.ts';
export { asLsn, asPosition, formatLsn, parseLsn, type Lsn, type Position, type SourceIdentity } from './position.ts';
export { baseType, type Column, type Partition, type PartitionName, type PgType, type Relation, type ReplicaIdentity } from './relation.ts';
export { batchFrom, firstRowFrom, runAfter, runBytes, runRows, transactionOf, type Run, type Transaction, type Truncate } from './run.ts';
export { RunBuilder } from './run-builder.ts';
export { fieldOf, locateFields, writeField, writeFields } from './tuple.ts';
export { CalendarDate, TimeOfDay } from './values/calendar-date.ts';
export { Decimal } from './values/decimal.ts';
export { FLOAT4_NORMAL_MIN, float4Text, float8Text } from './values/float-text.ts';
export { Interval } from './values/interval.ts';
export { JsonNull, Unchanged, type Json } from './values/marks.ts';
export { Timestamp, type TimestampKind } from './values/timestamp.ts';
