// From a JSON token to a field: PostgreSQL's text, appended to a row. What a token means is told by a Connect schema, and by the column's type
// where that is known; one cell reader is made for each column and serves all its values.
import type { ByteWriter } from '../../base/index.ts';
import { float4Text, float8Text } from '../../data/index.ts';
import { isUnknownToDebezium, type ConnectSchema, type DebeziumSettings, type ExpectedType, typeNameOf } from './connect-schema.ts';
import { Scan, stringAt, Token, valueAt, writeShort, writeStringAt } from './json-scan.ts';
import type { LossCode } from './losses.ts';
import { isPlaceholderPoint } from './placeholder.ts';
import { readBase64Integer, readInteger, writeDate, writeDecimal, writeIsoTimestamp, writeTime, writeTimestamp } from './quick.ts';
import { circleText, geometryText, lineText, pointText } from './shapes.ts';
import {
  arrayText, bigIntOf, bitsText, dateText, decimalName, decimalText, hstoreText, intervalText, isInfiniteDay, isInfiniteIso, isNegativeScale, isoText, isoTimeText,
  refuse, Refusal, timestampText, timeText, type Unit, wholeText,
} from './value-text.ts';

/** Appends the text of the token, which is not null. A refusal, or `unchanged`: what it has appended is to be dropped. */
export type CellReader = (bytes: Buffer, start: number, end: number, out: ByteWriter) => undefined | 'unchanged' | Refusal;

export interface CellParts {
  /** Absent: the token is taken as it comes. */
  readonly schema: ConnectSchema | undefined;
  readonly expected: ExpectedType | undefined;
  readonly settings: DebeziumSettings;
  /** A value was put right. */
  readonly note: (code: LossCode) => void;
}

export function cellReader(parts: CellParts): CellReader {
  const { schema } = parts;
  if (!schema) return asItComes;
  const meaning = schema.name === undefined ? undefined : meanings[schema.name];
  if (meaning) return meaning(parts, schema);
  if (schema.type === 'boolean') return booleanReader(parts.expected);
  if (schema.type === 'float') return floatReader(float4Text, parts);
  if (schema.type === 'double') return floatReader(float8Text, parts);
  if (schema.type === 'bytes') return bytesReader(parts, decodeBase64);
  if (schema.type === 'string') return stringReader(parts);
  if (schema.type === 'array') return arrayReader(parts, schema);
  if (schema.type === 'map') return hstoreMap;
  return schema.type === 'struct' ? asItComes : digits;
}

type Text = string | Refusal;
type MeaningReader = (parts: CellParts, schema: ConnectSchema) => CellReader;

const malformed = refuse('malformed');

function write(out: ByteWriter, text: Text): undefined | Refusal {
  if (text instanceof Refusal) return text;
  out.text(text);
  return undefined;
}

/** Of a string token. */
const fromString = (make: (text: string) => Text): CellReader => (bytes, start, end, out) =>
  bytes[start] === Token.string ? write(out, make(stringAt(bytes, start, end))) : malformed;

/** Of a whole number, with all its digits; `quick` writes it if it can. */
const fromInteger = (make: (value: bigint) => Text, quick: (value: number, out: ByteWriter) => boolean): CellReader => (bytes, start, end, out) => {
  if (quick(readInteger(bytes, start, end), out)) return undefined;
  const text = bytes.toString('latin1', start, end);
  return /^-?\d+$/.test(text) ? write(out, make(BigInt(text))) : malformed;
};

const isNumber = (bytes: Buffer, start: number): boolean => bytes[start] === 0x2d || ((bytes[start] as number) >= 0x30 && (bytes[start] as number) <= 0x39);

const digits: CellReader = (bytes, start, end, out) => {
  if (!isNumber(bytes, start)) return malformed;
  writeShort(out, bytes, start, end);
  return undefined;
};

const plainString: CellReader = (bytes, start, end, out) => {
  if (bytes[start] !== Token.string) return malformed;
  writeStringAt(out, bytes, start, end);
  return undefined;
};

function booleanReader(expected: ExpectedType | undefined): CellReader {
  const isBit = expected !== undefined && typeNameOf(expected.typeText).base.startsWith('bit');
  return (bytes, start, _end, out) => {
    if (bytes[start] !== Token.true && bytes[start] !== Token.false) return malformed;
    const isTrue = bytes[start] === Token.true;
    out.u8(isBit ? (isTrue ? 0x31 : 0x30) : isTrue ? 0x74 : 0x66);
    return undefined;
  };
}

const isNumeric = (expected: ExpectedType | undefined): boolean => expected !== undefined && ['numeric', 'money'].includes(typeNameOf(expected.typeText).base);

function floatReader(text: (value: number) => string, { expected }: CellParts): CellReader {
  // A numeric in the mode `double`: its digits are those of the double, without an exponent.
  const make = isNumeric(expected) ? String : text;
  return (bytes, start, end, out) => {
    if (isNumber(bytes, start)) return write(out, make(Number(bytes.toString('latin1', start, end))));
    const name = bytes[start] === Token.string ? stringAt(bytes, start, end) : '';
    return /^(NaN|-?Infinity)$/.test(name) ? write(out, name) : malformed;
  };
}

type Decode = (token: string) => Buffer | Refusal;

/** Both alphabets, with and without padding. */
const decodeBase64: Decode = (text) => (/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) ? Buffer.from(text, 'base64') : malformed);
const decodeHex: Decode = (text) => (/^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex') : malformed);
const unknownBinary: Decode = () => refuse('binaryUnknown');

const isBytea = ({ expected }: CellParts): boolean => expected === undefined || typeNameOf(expected.typeText).base === 'bytea';

/** bytea, or the text of a type that Debezium does not know. */
function bytesReader(parts: CellParts, decode: Decode): CellReader {
  const bytea = isBytea(parts);
  return (bytes, start, end, out) => {
    if (bytes[start] !== Token.string) return malformed;
    const value = decode(stringAt(bytes, start, end));
    if (value instanceof Refusal) return value;
    if (bytea) out.text(`\\x${value.toString('hex')}`);
    else out.bytes(value);
    return undefined;
  };
}

function stringReader(parts: CellParts): CellReader {
  const { expected, settings } = parts;
  if (isNumeric(expected)) {
    const { modifiers } = typeNameOf((expected as ExpectedType).typeText);
    const whole = (modifiers[1] ?? 0) < 0;
    return fromString((text) => {
      const name = decimalName(text);
      if (name !== undefined && name !== 'NaN') parts.note('infinityName');
      return name ?? (whole ? wholeText(text) : text);
    });
  }
  const encoded = expected !== undefined && (isBytea(parts) || isUnknownToDebezium(expected));
  if (!encoded) return plainString;
  if (settings.binary === 'hex') return bytesReader(parts, decodeHex);
  return bytesReader(parts, settings.binary === undefined ? unknownBinary : decodeBase64);
}

/** Addresses that Java prints instead of an array. */
const javaObject = /^\[+(?:L[\w.$]+;|[ZBCSIJFD])@[0-9a-f]+$/;

function arrayReader(parts: CellParts, schema: ConnectSchema): CellReader {
  const expected = parts.expected && { ...parts.expected, typeText: parts.expected.typeText.replace(/(?:\[\d*\])+$/, '') };
  const element = cellReader({ ...parts, schema: schema.items, expected });
  return arrayOf(element, expected?.typeText === 'box' ? ';' : ',');
}

function arrayOf(element: CellReader, delimiter: string): CellReader {
  const read = (bytes: Buffer, start: number, end: number, out: ByteWriter): ReturnType<CellReader> => {
    if (bytes[start] !== Token.array) return malformed;
    const scan = new Scan().open(bytes, start, end);
    const from = out.length;
    const texts: (string | null)[] = [];
    while (scan.next()) {
      if (bytes[scan.valueStart] === Token.null) {
        texts.push(null);
        continue;
      }
      const verdict = element(bytes, scan.valueStart, scan.valueEnd, out);
      if (verdict !== undefined) return verdict;
      const text = out.view(from).toString();
      out.truncate(from);
      if (javaObject.test(text)) return refuse('javaObject');
      texts.push(text);
    }
    out.text(arrayText(texts, delimiter));
    return undefined;
  };
  return read;
}

const hstoreMap: CellReader = (bytes, start, end, out) => {
  if (bytes[start] !== Token.object) return malformed;
  return write(out, hstoreOf(valueAt(bytes, start, end)));
};

function hstoreOf(map: unknown): Text {
  const pairs = Object.entries(map as Record<string, unknown>);
  if (pairs.some(([, value]) => value !== null && typeof value !== 'string')) return malformed;
  return hstoreText(pairs as [string, string | null][]);
}

/** json and jsonb; hstore in the mode `json`. */
const jsonReader: MeaningReader = ({ expected }) => {
  if (expected === undefined || typeNameOf(expected.typeText).base !== 'hstore') return plainString;
  return fromString((text) => {
    const map = valueAt(Buffer.from(text), 0, Buffer.byteLength(text));
    return typeof map === 'object' && map !== null ? hstoreOf(map) : malformed;
  });
};

const dateReader: MeaningReader = ({ note }) => fromInteger((days) => {
  if (isInfiniteDay(Number(days))) note('infinityDate');
  return dateText(Number(days));
}, (days, out) => writeDate(out, days));

/** Of numbers: of nanoseconds, 2^53 are a hundred days, so that they are left to bigints. */
const microsOf: Readonly<Record<Unit, number>> = { ms: 1000, us: 1, ns: Number.NaN };

const timestampReader = (unit: Unit): MeaningReader => ({ note }) => fromInteger((value) => {
  const text = timestampText(value, unit);
  if (typeof text === 'string' && text.endsWith('infinity')) note('infinityDate');
  return text;
}, (value, out) => writeTimestamp(out, value * microsOf[unit]));

const timeReader = (unit: Unit): MeaningReader => () => fromInteger((value) => timeText(value, unit), (value, out) => writeTime(out, value * microsOf[unit]));

const isoReader = (type: 'date' | 'timestamp' | 'timestamptz'): MeaningReader => ({ note }) => {
  const slow = fromString((iso) => {
    if (isInfiniteIso(iso, type)) note('infinityDate');
    return isoText(iso, type);
  });
  if (type === 'date') return slow;
  return (bytes, start, end, out) => (writeIsoTimestamp(out, bytes, start, end, type === 'timestamptz') ? undefined : slow(bytes, start, end, out));
};

const decimalReader: MeaningReader = ({ note }, schema) => {
  const scale = Number(schema.parameters?.['scale'] ?? 0);
  const negative = isNegativeScale(scale);
  return (bytes, start, end, out) => {
    if (negative) note('negativeScale');
    // decimal.format=NUMERIC of the converter.
    if (isNumber(bytes, start)) return write(out, negative ? wholeText(bytes.toString('latin1', start, end)) : bytes.toString('latin1', start, end));
    if (bytes[start] !== Token.string) return malformed;
    if (writeDecimal(out, readBase64Integer(bytes, start, end), scale)) return undefined;
    const unscaled = decodeBase64(stringAt(bytes, start, end));
    if (unscaled instanceof Refusal) return unscaled;
    const text = decimalText(bigIntOf(unscaled), scale);
    return write(out, negative ? wholeText(text) : text);
  };
};

const variableDecimal: CellReader = (bytes, start, end, out) => {
  if (isNumber(bytes, start)) return digits(bytes, start, end, out);
  if (bytes[start] !== Token.object) return malformed;
  const scan = new Scan().open(bytes, start, end);
  let scale = Number.NaN;
  let unscaled: bigint | undefined;
  while (scan.next()) {
    const key = scan.key();
    if (key === 'scale') scale = Number(bytes.toString('latin1', scan.valueStart, scan.valueEnd));
    else if (key === 'value' && bytes[scan.valueStart] === Token.string) {
      const decoded = decodeBase64(stringAt(bytes, scan.valueStart, scan.valueEnd));
      if (decoded instanceof Buffer) unscaled = bigIntOf(decoded);
    }
  }
  return unscaled === undefined || !Number.isInteger(scale) ? malformed : write(out, decimalText(unscaled, scale));
};

const bitsReader: MeaningReader = ({ expected }, schema) => {
  const length = Number(schema.parameters?.['length'] ?? 0);
  if (expected !== undefined && typeNameOf(expected.typeText).base === 'bit varying') return () => refuse('varbit');
  if (length <= 0 || length > 83_886_080) return () => refuse('varbit');
  return fromString((text) => {
    const bytes = decodeBase64(text);
    return bytes instanceof Refusal ? bytes : bitsText(bytes, length);
  });
};

interface Shape {
  readonly x?: number;
  readonly y?: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly radius?: number;
  readonly center?: Shape;
  readonly wkb?: string;
  readonly srid?: number | null;
  readonly extensions?: Readonly<Record<string, string>> | null;
}

/** Its members are doubles, which JSON.parse reads exactly. */
const shapeReader = (make: (shape: Shape) => Text | 'unchanged'): MeaningReader => () => shapeOf(make);

const shapeOf = (make: (shape: Shape) => Text | 'unchanged'): CellReader => (bytes, start, end, out) => {
  if (bytes[start] !== Token.object) return malformed;
  const text = make(valueAt(bytes, start, end) as Shape);
  return text === 'unchanged' ? text : write(out, text);
};

const known = (...numbers: (number | undefined)[]): boolean => numbers.every((number) => typeof number === 'number');

const point = ({ x, y }: Shape): Text => (known(x, y) ? pointText(x as number, y as number) : malformed);
const line = ({ a, b, c }: Shape): Text => (known(a, b, c) ? lineText(a as number, b as number, c as number) : malformed);
const circle = ({ center, radius }: Shape): Text =>
  known(center?.x, center?.y, radius) ? circleText(center?.x as number, center?.y as number, radius as number) : malformed;

function geometry({ wkb, srid, extensions }: Shape): Text | 'unchanged' {
  const bytes = typeof wkb === 'string' ? decodeBase64(wkb) : malformed;
  if (bytes instanceof Refusal) return bytes;
  if (isPlaceholderPoint(bytes)) return 'unchanged';
  return geometryText(bytes, srid ?? undefined, extensions?.['type'], extensions?.['closed'] === 'true');
}

const vector: CellReader = (bytes, start, end, out) => {
  if (bytes[start] !== Token.array) return malformed;
  out.bytes(bytes, start, end);
  return undefined;
};

const meanings: Readonly<Record<string, MeaningReader | undefined>> = {
  'org.apache.kafka.connect.data.Decimal': decimalReader,
  'org.apache.kafka.connect.data.Date': dateReader,
  'org.apache.kafka.connect.data.Time': timeReader('ms'),
  'org.apache.kafka.connect.data.Timestamp': timestampReader('ms'),
  'io.debezium.data.VariableScaleDecimal': () => variableDecimal,
  'io.debezium.time.Date': dateReader,
  'io.debezium.time.Time': timeReader('ms'),
  'io.debezium.time.MicroTime': timeReader('us'),
  'io.debezium.time.NanoTime': timeReader('ns'),
  'io.debezium.time.Timestamp': timestampReader('ms'),
  'io.debezium.time.MicroTimestamp': timestampReader('us'),
  'io.debezium.time.NanoTimestamp': timestampReader('ns'),
  'io.debezium.time.IsoDate': isoReader('date'),
  'io.debezium.time.IsoTimestamp': isoReader('timestamp'),
  'io.debezium.time.ZonedTimestamp': isoReader('timestamptz'),
  'io.debezium.time.IsoTime': () => fromString((iso) => isoTimeText(iso, false)),
  'io.debezium.time.ZonedTime': () => fromString((iso) => isoTimeText(iso, true)),
  'io.debezium.time.Interval': () => fromString(intervalText),
  'io.debezium.time.MicroDuration': () => () => refuse('intervalNumeric'),
  'io.debezium.time.NanoDuration': () => () => refuse('intervalNumeric'),
  'io.debezium.data.Bits': bitsReader,
  'io.debezium.data.Json': jsonReader,
  'io.debezium.data.Enum': () => plainString,
  'io.debezium.data.geometry.Point': shapeReader(point),
  'io.debezium.data.geometry.Line': shapeReader(line),
  'io.debezium.data.geometry.Circle': shapeReader(circle),
  'io.debezium.data.geometry.Geometry': shapeReader(geometry),
  'io.debezium.data.geometry.Geography': shapeReader(geometry),
  'io.debezium.data.DoubleVector': () => vector,
  'io.debezium.data.FloatVector': () => vector,
};

/** Without schema and type: what the form of the token tells by itself, otherwise JSON's own text. */
const asItComes: CellReader = (bytes, start, end, out) => {
  const first = bytes[start];
  if (first === Token.string) return plainString(bytes, start, end, out);
  if (first === Token.array) return arrayOf(asItComes, ',')(bytes, start, end, out);
  if (first === Token.true || first === Token.false) {
    out.u8(first === Token.true ? 0x74 : 0x66);
    return undefined;
  }
  if (first !== Token.object) return digits(bytes, start, end, out);
  const shape = valueAt(bytes, start, end) as Record<string, unknown>;
  const kind = shapeKind(shape);
  if (kind === 'numeric') return variableDecimal(bytes, start, end, out);
  if (kind) return shapeOf(shapes[kind])(bytes, start, end, out);
  out.bytes(bytes, start, end);
  return undefined;
};

const shapes = { point, line, circle, geometry };

/** What an object without schema is, by the names of its members. */
export function shapeKind(object: Readonly<Record<string, unknown>>): 'numeric' | keyof typeof shapes | undefined {
  const names = Object.keys(object).sort().join();
  if (names === 'scale,value') return 'numeric';
  if (names === 'srid,wkb,x,y') return 'point';
  if (names === 'a,b,c') return 'line';
  if (names === 'center,radius') return 'circle';
  return names === 'srid,wkb' || names === 'extensions,srid,wkb' ? 'geometry' : undefined;
}
