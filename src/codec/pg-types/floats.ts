// float4 and float8.
import { FLOAT4_NORMAL_MIN, float4Text, float8Text } from '../../data/index.ts';
import { fixed, type ValueForm, wanted } from './value-form.ts';

/** From here on singles are whole numbers, and six digits may lie exactly between two of them. */
const FLOAT4_WHOLE = 2 ** 24;

/** The number that the shortest digits mean. */
function float4Number(value: number): number {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || (Number.isInteger(value) && size < FLOAT4_WHOLE)) return value;
  if (size < FLOAT4_NORMAL_MIN || size >= FLOAT4_WHOLE) return Number(float4Text(value));
  const near = Number(value.toPrecision(6));
  return Math.fround(near) === value ? near : Number(float4Text(value));
}

function floatOf(text: string): number {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) {
    const value = Number(trimmed);
    if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(trimmed.split(/e/i)[0] as string))) throw new RangeError('out of range');
    return value;
  }
  switch (trimmed.toLowerCase()) {
    case 'nan': return NaN;
    case 'infinity': case '+infinity': case 'inf': case '+inf': return Infinity;
    case '-infinity': case '-inf': return -Infinity;
    default: throw new RangeError('not a number');
  }
}

function numberOf(value: unknown): number {
  if (typeof value !== 'bigint') return wanted(value, 'number', 'a number');
  const near = Number(value);
  if (!Number.isFinite(near) || BigInt(near) !== value) throw new RangeError('a double cannot hold it exactly');
  return near;
}

const readDouble = (bytes: Buffer, start: number, end: number): number => {
  fixed(start, end, 8);
  return bytes.readDoubleBE(start);
};

export const float8: ValueForm = {
  jsType: 'number',
  read: readDouble,
  parse: floatOf,
  write: (value, out) => void out.f64(numberOf(value)),
  writeText: (text, out) => void out.f64(floatOf(text)),
  text: (bytes, start, end) => float8Text(readDouble(bytes, start, end)),
};

/** Rounds to single precision, as PostgreSQL does; what overflows or vanishes there is refused. */
function single(value: number): number {
  const near = Math.fround(value);
  if (Number.isFinite(value) && (!Number.isFinite(near) || (near === 0 && value !== 0))) throw new RangeError('out of range of single precision');
  return near;
}

const readSingle = (bytes: Buffer, start: number, end: number): number => {
  fixed(start, end, 4);
  return bytes.readFloatBE(start);
};

export const float4: ValueForm = {
  jsType: 'number',
  // The number that its shortest text means, so that 0.1 in the database is 0.1 here.
  read: (bytes, start, end) => float4Number(readSingle(bytes, start, end)),
  parse: (text) => {
    const value = floatOf(text);
    single(value);
    return value;
  },
  write: (value, out) => void out.f32(single(numberOf(value))),
  writeText: (text, out) => void out.f32(single(floatOf(text))),
  text: (bytes, start, end) => float4Text(readSingle(bytes, start, end)),
};
