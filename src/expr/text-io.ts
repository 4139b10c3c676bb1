// Values to and from PostgreSQL's text form, by type.
import {
  CalendarDate, Decimal, float4Text, float8Text, Interval, type PgType, TimeOfDay, Timestamp,
} from '../data/index.ts';
import { arrayText, parseArray } from './array-text.ts';
import { badDate, badInput, evaluationFailed, typeInMessages } from './errors.ts';
import { jsonText, parseJson } from './json.ts';
import { parseFloatText } from './float-text.ts';
import { typeName } from './types.ts';

/** PostgreSQL's text of a value of the type (never NULL), with DateStyle ISO, TimeZone UTC, bytea_output hex. */
export function textOf(type: PgType): (value: any) => string {
  if (type.kind === 'array' && type.element) {
    const element = textOf(type.element);
    return (value: readonly unknown[]) => arrayText(value, element);
  }
  switch (type.name) {
    case 'bool':
      return (value: boolean) => (value ? 't' : 'f');
    case 'bytea':
      return (value: Buffer) => `\\x${value.toString('hex')}`;
    case 'float4':
      return float4Text;
    case 'float8':
      return float8Text;
    case 'json':
    case 'jsonb':
      return jsonText;
    default:
      return String;
  }
}

const integerRange: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int2: [-32768n, 32767n], int4: [-2147483648n, 2147483647n], int8: [-(1n << 63n), (1n << 63n) - 1n], oid: [0n, 4294967295n],
};

/** Reads PostgreSQL's text form; the function throws EvaluationError. Undefined for types whose text form Millrace does not read. */
export function parserOf(type: PgType): ((text: string) => unknown) | undefined {
  if (type.kind === 'array') {
    const element = type.element && parserOf(type.element);
    return element && ((text) => parseArray(text, element));
  }
  if (type.kind === 'enum') {
    const labels = new Set(type.labels ?? []);
    return (text) => (labels.has(text) ? text : evaluationFailed('22P02', `invalid input value for enum ${typeName(type)}: "${text}"`));
  }
  switch (type.name) {
    case 'bool':
      return parseBool;
    case 'int2':
    case 'int4':
    case 'oid':
      return (text) => Number(parseInteger(type.name, text));
    case 'int8':
      return (text) => parseInteger('int8', text);
    case 'float4':
    case 'float8':
      return (text) => parseFloatText(type.name as 'float4', text);
    case 'numeric':
      return reading(type.name, badInput, (text) => (/^\s*[+-]?(0[xob]|\d[\d_]*_)/i.test(text) ? parseRadix(text) : Decimal.parse(text)));
    case 'date':
      return reading(type.name, badDate, (text) => CalendarDate.parse(text));
    case 'time':
      return reading(type.name, badDate, (text) => TimeOfDay.parse(text));
    case 'timestamp':
    case 'timestamptz':
      return reading(type.name, badDate, (text) => Timestamp.parse(text, type.name as 'timestamp'));
    case 'interval':
      return reading(type.name, badDate, (text) => Interval.parse(text));
    case 'uuid':
      return parseUuid;
    case 'bytea':
      return parseBytea;
    case 'json':
    case 'jsonb':
      return parseJson;
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
      return (text) => text;
    default:
      return undefined;
  }
}

function reading(type: string, bad: (type: string, text: string) => never, parse: (text: string) => unknown): (text: string) => unknown {
  return (text) => {
    try {
      return parse(text);
    } catch {
      return bad(type, text);
    }
  };
}

function parseBool(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word !== '' && word !== 'o') {
    if ('true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on' || word === '1') return true;
    if ('false'.startsWith(word) || 'no'.startsWith(word) || 'off'.startsWith(word) || word === '0') return false;
  }
  return badInput('bool', text);
}

function parseInteger(type: string, text: string): bigint {
  const match = /^[ \t\n\v\f\r]*([+-]?)(\d+(?:_\d+)*|0[xX](?:_?[\da-fA-F]+)+|0[oO](?:_?[0-7]+)+|0[bB](?:_?[01]+)+)[ \t\n\v\f\r]*$/.exec(text);
  if (!match) {
    // As PostgreSQL does, what does not fit comes before what follows it.
    const start = /^\s*[+-]?\d+(?=.)/.exec(text)?.[0];
    if (start !== undefined) parseInteger(type, start);
    return badInput(type, text);
  }
  const magnitude = BigInt((match[2] as string).replaceAll('_', ''));
  const value = match[1] === '-' ? -magnitude : magnitude;
  const [low, high] = integerRange[type] as readonly [bigint, bigint];
  if (value < low || value > high) return evaluationFailed('22003', `value "${text}" is out of range for type ${typeInMessages(type)}`);
  return value;
}

/** `0x1F`, `1_000`: integers of numeric's input that Decimal.parse leaves out. */
function parseRadix(text: string): Decimal {
  const plain = text.trim().replaceAll('_', '');
  const negative = plain.startsWith('-');
  const magnitude = plain.replace(/^[+-]/, '');
  if (!/^0[xob]/i.test(magnitude)) return Decimal.parse(plain);
  return new Decimal(negative ? -BigInt(magnitude) : BigInt(magnitude));
}

function parseUuid(text: string): string {
  const inner = /^\{.*\}$/.test(text) ? text.slice(1, -1) : text;
  if (!/^[\da-f]{4}(-?[\da-f]{4}){7}$/i.test(inner)) return badInput('uuid', text);
  const hex = inner.replaceAll('-', '').toLowerCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function parseBytea(text: string): Buffer {
  if (text.startsWith('\\x')) {
    const hex = text.slice(2).replace(/[ \t\n\r]/g, '');
    const odd = /[^\da-f]/i.exec(hex);
    if (odd) return evaluationFailed('22023', `invalid hexadecimal digit: "${odd[0]}"`);
    if (hex.length % 2 === 1) return evaluationFailed('22023', 'invalid hexadecimal data: odd number of digits');
    return Buffer.from(hex, 'hex');
  }
  if (!/^([^\\]|\\\\|\\[0-3][0-7]{2})*$/.test(text)) return badInput('bytea', text);
  const bytes: number[] = [];
  for (const piece of text.match(/[^\\]+|\\\\|\\\d{3}/g) ?? []) {
    if (piece === '\\\\') bytes.push(92);
    else if (piece.startsWith('\\')) bytes.push(Number.parseInt(piece.slice(1), 8));
    else bytes.push(...Buffer.from(piece));
  }
  return Buffer.from(bytes);
}

