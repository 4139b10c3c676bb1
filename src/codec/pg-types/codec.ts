// typeCodec: the door to a type's values. Binary form, text form and JavaScript form of every type of PostgreSQL.
//
// bool → boolean; int2, int4, oid, float4, float8 → number; int8 → bigint; numeric → Decimal; bytea → Buffer; json, jsonb → Json; date, time,
// timestamp, timestamptz, interval → the classes of src/data; arrays → nested arrays; domains → as the type beneath; others → the text form.
// The JavaScript form does not keep: lower bounds of arrays; of json white space, duplicate keys, the order of keys that are whole numbers,
// and trailing zeros of fractions. A float4 is the number that its shortest text means (0.1, not 0.10000000149011612). Arrays of json with
// more than one dimension stay text, since json may itself be an array. jsType tells of one dimension.
import { ByteWriter, MillraceError } from '../../base/index.ts';
import { baseType, type PgType, Unchanged } from '../../data/index.ts';
import type { ValueForm } from './value-form.ts';
import { formOf } from './forms.ts';

export interface TypeCodec {
  readonly type: PgType;
  /** TypeScript type text for generated declarations, e.g. `bigint`, `Decimal`, `'new' | 'paid'`. Never includes null. */
  readonly jsType: string;
  /**
   * Whether Millrace knows the binary form. False for types of extensions, reg… and whatever is made of them: decode, encode, encodeText and
   * toText then throw; only decodeText works, and the value travels as text.
   */
  readonly binary: boolean;
  /** The value of the binary form in `bytes[start..end)`. */
  decode(bytes: Buffer, start?: number, end?: number): unknown;
  /** The value of the text form. */
  decodeText(text: string): unknown;
  /**
   * Appends the binary form without a length word. Takes what decode gives and friendly inputs: number, bigint or text for numbers, Date for
   * dates, text for every type (for json a string is a JSON string: JSON text goes through encodeText). On error nothing is appended.
   */
  encode(value: unknown, out: ByteWriter): void;
  /** Appends the binary form of a text form. */
  encodeText(text: string, out: ByteWriter): void;
  /** PostgreSQL's text output: DateStyle ISO, TimeZone UTC, IntervalStyle postgres, bytea_output hex, extra_float_digits 1. */
  toText(bytes: Buffer, start?: number, end?: number): string;
}

const cache = new WeakMap<PgType, TypeCodec>();

/** The codec of a type; one object a PgType. All its functions throw MillraceError VALUE_INVALID, naming type and value, for what is no value. */
export function typeCodec(type: PgType): TypeCodec {
  let codec = cache.get(type);
  if (!codec) cache.set(type, (codec = makeCodec(type, formOf(type))));
  return codec;
}

function makeCodec(type: PgType, form: ValueForm): TypeCodec {
  const failed = (thrown: unknown, value: unknown): MillraceError => {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const detail = thrown instanceof MillraceError ? (thrown.detail ?? thrown.message) : reason;
    return new MillraceError('VALUE_INVALID', `${shown(value)} is not a value of type ${typeName(type)}: ${detail}`, { cause: thrown });
  };
  const put = (value: unknown, out: ByteWriter, write: () => void): void => {
    const before = out.length;
    try {
      write();
    } catch (thrown) {
      out.truncate(before);
      throw failed(thrown, value);
    }
  };
  return {
    type,
    jsType: form.jsType,
    binary: form.textOnly !== true,
    decode(bytes, start = 0, end = bytes.length) {
      try {
        return form.read(bytes, start, end);
      } catch (thrown) {
        throw failed(thrown, bytes.subarray(start, end));
      }
    },
    decodeText(text) {
      try {
        return form.parse(text);
      } catch (thrown) {
        throw failed(thrown, text);
      }
    },
    encode(value, out) {
      put(value, out, () => {
        if (typeof value === 'string' && !form.ownsStrings) form.writeText(value, out);
        else form.write(value, out);
      });
    },
    encodeText(text, out) {
      put(text, out, () => form.writeText(text, out));
    },
    toText(bytes, start = 0, end = bytes.length) {
      try {
        return form.text(bytes, start, end);
      } catch (thrown) {
        throw failed(thrown, bytes.subarray(start, end));
      }
    },
  };
}

/** A value as messages show it, cut to a line. */
function shown(value: unknown): string {
  const text = describe(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function describe(value: unknown): string {
  if (value === Unchanged) return 'an unchanged value';
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value.subarray(0, 40)).toString('hex')}`;
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'undefined') return String(value);
  try {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)) ?? typeof value;
  } catch {
    return typeof value;
  }
}

/** A type's name as SQL writes it: `numeric`, `int4[]`, `sales.status`. */
function typeName(type: PgType): string {
  if (type.kind === 'array' && type.element) return `${typeName(type.element)}[]`;
  return type.schema === 'pg_catalog' ? type.name : `${type.schema}.${type.name}`;
}

/** PostgreSQL's text of a JavaScript value, for keys in messages, dead letters and `tail --json`; null for NULL. Throws VALUE_INVALID. */
export function valueToText(type: PgType, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const codec = typeCodec(type);
  if (!codec.binary && typeof value === 'string') return value;
  if (typeof value === 'string' && baseType(type).kind === 'base' && codec.jsType === 'string') return value;
  const out = new ByteWriter(64);
  codec.encode(value, out);
  return codec.toText(out.take());
}
