// The columns of a table, inferred from the schema of its records.
import type { Column, PgType } from '../../data/index.ts';
import { builtinPgTypes } from '../pg-types/type-by-oid.ts';
import { type ConnectSchema, type ExpectedType, typeNameOf } from './connect-schema.ts';

const plain: Readonly<Record<string, string>> = {
  boolean: 'boolean', int8: 'smallint', int16: 'smallint', int32: 'integer', int64: 'bigint', float: 'real', double: 'double precision', string: 'text', bytes: 'bytea', map: 'public.hstore', struct: 'jsonb',
};

const meanings: Readonly<Record<string, string>> = {
  'io.debezium.data.VariableScaleDecimal': 'numeric', 'io.debezium.data.Json': 'json', 'io.debezium.data.Xml': 'xml', 'io.debezium.data.Uuid': 'uuid', 'io.debezium.data.Enum': 'text',
  'io.debezium.data.Ltree': 'public.ltree', 'io.debezium.data.Tsvector': 'tsvector', 'io.debezium.data.geometry.Point': 'point', 'io.debezium.data.geometry.Line': 'line',
  'io.debezium.data.geometry.Circle': 'circle', 'io.debezium.data.geometry.Geometry': 'public.geometry', 'io.debezium.data.geometry.Geography': 'public.geography',
  'io.debezium.data.DoubleVector': 'public.vector', 'io.debezium.data.FloatVector': 'public.halfvec', 'io.debezium.time.Interval': 'interval', 'io.debezium.time.MicroDuration': 'interval',
  'io.debezium.time.NanoDuration': 'interval', 'io.debezium.time.ZonedTimestamp': 'timestamptz', 'io.debezium.time.ZonedTime': 'timetz',
};

/** The type that holds every value of this schema; `json` may have been jsonb, `text` an enum or any type whose text it is. */
function typeOfSchema(schema: ConnectSchema): string {
  const { name, parameters } = schema;
  if (name === 'org.apache.kafka.connect.data.Decimal') {
    const [precision, scale] = [parameters?.['connect.decimal.precision'], Number(parameters?.['scale'] ?? 0)];
    return precision === undefined || scale > 1000 ? 'numeric' : `numeric(${precision},${scale})`;
  }
  if (name === 'io.debezium.data.Bits') return `bit(${parameters?.['length'] ?? 1})`;
  const time = name === undefined ? undefined : /^(?:io\.debezium\.time|org\.apache\.kafka\.connect\.data)\.(?:Micro|Nano|Iso)?(Date|Timestamp|Time)$/.exec(name)?.[1];
  if (time) return time.toLowerCase();
  if (schema.type === 'array') return name !== undefined && meanings[name] ? meanings[name] : `${schema.items ? typeOfSchema(schema.items) : 'text'}[]`;
  return (name === undefined ? undefined : meanings[name]) ?? plain[schema.type] ?? 'text';
}

const builtin = new Map(builtinPgTypes().map((type) => [type.name, type]));
const shortNames: Readonly<Record<string, string>> = {
  smallint: 'int2', integer: 'int4', bigint: 'int8', real: 'float4', 'double precision': 'float8', boolean: 'bool', 'character varying': 'varchar', character: 'bpchar', 'bit varying': 'varbit',
  'timestamp without time zone': 'timestamp', 'timestamp with time zone': 'timestamptz', 'time without time zone': 'time', 'time with time zone': 'timetz',
};

/** A type by its name in SQL; one that is not PostgreSQL's own travels as text. */
function pgType(typeText: string): PgType {
  const { base, isArray } = typeNameOf(typeText);
  const name = `${isArray ? '_' : ''}${shortNames[base] ?? base}`;
  return builtin.get(name) ?? { oid: 0, schema: 'public', name, kind: isArray ? 'array' : 'base', binary: false };
}

/** A column whose values come as text. What the other side says of its type goes before what the record says. */
export function inferredColumn(name: string, schema: ConnectSchema | undefined, expected: ExpectedType | undefined, inKey: boolean): Column {
  const typeText = expected?.typeText ?? (schema ? typeOfSchema(schema) : 'text');
  return { name, type: pgType(typeText), typmod: -1, typeText, notNull: inKey || schema?.optional === false };
}
