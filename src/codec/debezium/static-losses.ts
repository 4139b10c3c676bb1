// What a column loses by its type and the connector's settings, before any value is seen.
import { type ConnectSchema, type ExpectedType, typeNameOf } from './connect-schema.ts';
import type { LossCode } from './losses.ts';

const byMeaning: Readonly<Record<string, LossCode>> = {
  'org.apache.kafka.connect.data.Decimal': 'numericSpecial',
  'org.apache.kafka.connect.data.Time': 'milliseconds',
  'org.apache.kafka.connect.data.Timestamp': 'milliseconds',
  'io.debezium.time.NanoTimestamp': 'nanoseconds',
  'io.debezium.time.ZonedTime': 'timetz',
  'io.debezium.time.IsoTime': 'midnight24',
};

export function staticLosses(schema: ConnectSchema, expected: ExpectedType | undefined): LossCode[] {
  const found: LossCode[] = [];
  if (!expected && schema.name === 'io.debezium.data.Bits') found.push('bits');
  if (expected && schema.type === 'struct' && typeNameOf(expected.typeText).base === 'polygon') found.push('polygonRing');
  if (schema.name === 'io.debezium.data.VariableScaleDecimal') found.push('numericSpecial', 'numericScale');
  const code = schema.name === undefined ? undefined : byMeaning[schema.name];
  if (code) found.push(code);
  if (expected && (schema.type === 'double' || schema.type === 'float') && typeNameOf(expected.typeText).base === 'numeric') found.push('numericDouble');
  if (schema.type === 'array' && schema.items) found.push('arrayShape', ...staticLosses(schema.items, expected));
  if (schema.optional === true && schema.default !== undefined && schema.default !== null) found.push('nullDefault');
  return found;
}

/** An array of an enum, which comes as null. */
export const isEnumArray = (schema: ConnectSchema | undefined): boolean => schema?.type === 'array' && schema.items?.name === 'io.debezium.data.Enum';
