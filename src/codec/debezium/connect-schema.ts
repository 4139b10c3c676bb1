// The schemas of Kafka Connect: as a record carries one in front of its payload, or as a connector's settings make one of a column's type.
import { MillraceError } from '../../base/index.ts';

export type ConnectType = 'boolean' | 'int8' | 'int16' | 'int32' | 'int64' | 'float' | 'double' | 'string' | 'bytes' | 'array' | 'map' | 'struct';

/** As JsonConverter spells it. */
export interface ConnectSchema {
  readonly type: ConnectType;
  readonly optional?: boolean;
  /** The meaning, e.g. `io.debezium.time.Date`. */
  readonly name?: string;
  readonly field?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly default?: unknown;
  readonly items?: ConnectSchema;
  readonly fields?: readonly ConnectSchema[];
}

/** A schema, and the bytes that it is in front of the payload of JSON. One object a shape of record, so that others can hang what they make of it on it. */
export interface Prefix {
  readonly bytes: Buffer;
  readonly schema: ConnectSchema;
}

const types = new Set<string>(['boolean', 'int8', 'int16', 'int32', 'int64', 'float', 'double', 'string', 'bytes', 'array', 'map', 'struct']);

/** Throws PROTOCOL_VIOLATION for what is no schema. */
export function checkedSchema(value: unknown): ConnectSchema {
  const schema = value as ConnectSchema | null;
  if (typeof schema !== 'object' || schema === null || !types.has(schema.type)) {
    throw new MillraceError('PROTOCOL_VIOLATION', 'a record carries a schema that is none of Kafka Connect', { detail: JSON.stringify(value)?.slice(0, 200) ?? String(value) });
  }
  schema.fields?.forEach(checkedSchema);
  if (schema.items) checkedSchema(schema.items);
  return schema;
}

export const fieldOfSchema = (schema: ConnectSchema, name: string): ConnectSchema | undefined => schema.fields?.find((field) => field.field === name);

/** Settings of the connector that a record without schema does not tell. What is left out is Debezium's default. */
export interface DebeziumSettings {
  readonly decimal?: 'precise' | 'string' | 'double';
  readonly time?: 'adaptive' | 'adaptive_time_microseconds' | 'connect' | 'isostring' | 'microseconds' | 'nanoseconds';
  readonly binary?: 'bytes' | 'base64' | 'base64-url-safe' | 'hex';
  readonly interval?: 'numeric' | 'string';
  readonly hstore?: 'json' | 'map';
  /** unavailable.value.placeholder */
  readonly placeholder?: string;
}

/** A column's type as far as it is known at the other side. */
export interface ExpectedType {
  /** As SQL writes it: `numeric(10,2)`, `text[]`, `public.hstore`. For records without schema, that of the type beneath a domain. */
  readonly typeText: string;
  /** Of a type that is not PostgreSQL's own, or of the elements of an array of it. */
  readonly kind?: 'base' | 'enum' | 'domain' | 'composite' | 'range' | 'multirange';
}

export interface TypeName {
  /** Without modifiers and brackets, e.g. `timestamp with time zone`. */
  readonly base: string;
  readonly modifiers: readonly number[];
  readonly isArray: boolean;
}

export function typeNameOf(typeText: string): TypeName {
  const isArray = typeText.endsWith(']');
  const element = typeText.replace(/(?:\[\d*\])+$/, '');
  const modifiers = /\((-?\d+)(?:,(-?\d+))?\)/.exec(element);
  const base = element.replace(/\([^)]*\)/, '').replace(/^interval .*/, 'interval').replace(/^.*\.(?=(hstore|ltree|citext|geometry|geography|vector|halfvec)$)/, '').trim();
  return { base: aliases[base] ?? base, isArray, modifiers: (modifiers?.slice(1) ?? []).flatMap((one) => (one === undefined ? [] : [Number(one)])) };
}

const aliases: Readonly<Record<string, string>> = {
  int2: 'smallint', int4: 'integer', int: 'integer', int8: 'bigint', float4: 'real', float8: 'double precision', bool: 'boolean', varchar: 'character varying', bpchar: 'character',
  decimal: 'numeric', varbit: 'bit varying', timestamp: 'timestamp without time zone', timestamptz: 'timestamp with time zone', time: 'time without time zone',
  timetz: 'time with time zone',
};

const named = (type: ConnectType, name: string, parameters?: ConnectSchema['parameters']): ConnectSchema => ({ type, name, ...(parameters ? { parameters } : {}) });

const plain: Readonly<Record<string, ConnectType>> = {
  smallint: 'int16', integer: 'int32', bigint: 'int64', oid: 'int64', real: 'float', 'double precision': 'double', boolean: 'boolean', bytea: 'bytes',
};

const meanings: Readonly<Record<string, ConnectSchema>> = {
  'timestamp with time zone': named('string', 'io.debezium.time.ZonedTimestamp'),
  'time with time zone': named('string', 'io.debezium.time.ZonedTime'),
  json: named('string', 'io.debezium.data.Json'),
  jsonb: named('string', 'io.debezium.data.Json'),
  uuid: named('string', 'io.debezium.data.Uuid'),
  xml: named('string', 'io.debezium.data.Xml'),
  ltree: named('string', 'io.debezium.data.Ltree'),
  tsvector: named('string', 'io.debezium.data.Tsvector'),
  point: named('struct', 'io.debezium.data.geometry.Point'),
  line: named('struct', 'io.debezium.data.geometry.Line'),
  circle: named('struct', 'io.debezium.data.geometry.Circle'),
  ...Object.fromEntries(['lseg', 'box', 'path', 'polygon', 'geometry', 'geography'].map((type) => [type, named('struct', 'io.debezium.data.geometry.Geometry')])),
};

/** Types of PostgreSQL that Debezium has no converter for: their text comes as bytes. */
const unknownTypes = /^(tsquery|jsonpath|\w+multirange|pg_lsn|xid8?|cid|tid|reg\w+|pg_snapshot|txid_snapshot|refcursor|aclitem)$/;

/** Whether Debezium sends the text of this type as bytes (include.unknown.datatypes=true). */
export const isUnknownToDebezium = (expected: ExpectedType): boolean => {
  if (expected.kind === 'composite' || expected.kind === 'multirange') return true;
  return unknownTypes.test(typeNameOf(expected.typeText).base);
};

/** What Debezium announces for a column of this type under these settings; undefined where that is not known. */
export function schemaOfType(expected: ExpectedType, settings: DebeziumSettings): ConnectSchema | undefined {
  const { base, modifiers, isArray } = typeNameOf(expected.typeText);
  if (isArray) {
    const items = schemaOfType({ ...expected, typeText: expected.typeText.replace(/(?:\[\d*\])+$/, '') }, settings);
    return items ? { type: 'array', items } : undefined;
  }
  if (isUnknownToDebezium(expected)) return { type: settings.binary === undefined || settings.binary === 'bytes' ? 'bytes' : 'string' };
  if (expected.kind === 'enum') return named('string', 'io.debezium.data.Enum');
  if (expected.kind === 'domain') return undefined;
  if (base === 'numeric' || base === 'money') return decimalSchema(base === 'money' ? [19, 2] : modifiers, settings);
  if (base === 'bit' && (modifiers[0] ?? 1) === 1) return { type: 'boolean' };
  if (base === 'bit' || base === 'bit varying') return named('bytes', 'io.debezium.data.Bits', { length: String(modifiers[0] ?? 2_147_483_647) });
  if (base === 'bytea' && settings.binary !== undefined && settings.binary !== 'bytes') return { type: 'string' };
  if (base === 'interval') return settings.interval === 'string' ? named('string', 'io.debezium.time.Interval') : named('int64', 'io.debezium.time.MicroDuration');
  if (base === 'hstore') return settings.hstore === 'map' ? { type: 'map' } : named('string', 'io.debezium.data.Json');
  if (base === 'date' || base === 'time without time zone' || base === 'timestamp without time zone') return timeSchema(base, modifiers[0] ?? 6, settings.time ?? 'adaptive');
  const type = plain[base];
  return type ? { type } : (meanings[base] ?? { type: 'string' });
}

function decimalSchema(modifiers: readonly number[], settings: DebeziumSettings): ConnectSchema {
  if (settings.decimal === 'string') return { type: 'string' };
  if (settings.decimal === 'double') return { type: 'double' };
  const [precision, scale = 0] = modifiers;
  if (precision === undefined) return named('struct', 'io.debezium.data.VariableScaleDecimal');
  return named('bytes', 'org.apache.kafka.connect.data.Decimal', { scale: String(scale < 0 ? scale + 2048 : scale), 'connect.decimal.precision': String(precision) });
}

type TimeMode = NonNullable<DebeziumSettings['time']>;

function timeSchema(base: string, precision: number, mode: TimeMode): ConnectSchema {
  const what = base === 'date' ? 'Date' : base.startsWith('timestamp') ? 'Timestamp' : 'Time';
  if (mode === 'isostring') return named('string', `io.debezium.time.Iso${what}`);
  if (mode === 'connect') return named(what === 'Timestamp' ? 'int64' : 'int32', `org.apache.kafka.connect.data.${what}`);
  if (what === 'Date') return named('int32', 'io.debezium.time.Date');
  if (mode === 'nanoseconds') return named('int64', `io.debezium.time.Nano${what}`);
  const micro = mode === 'microseconds' || precision > 3 || (mode === 'adaptive_time_microseconds' && what === 'Time');
  return named(micro || what === 'Timestamp' ? 'int64' : 'int32', `io.debezium.time.${micro ? 'Micro' : ''}${what}`);
}
