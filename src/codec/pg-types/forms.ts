// Which ValueForm a type has.
import { baseType, type PgType } from '../../data/index.ts';
import { array, vector } from './array.ts';
import { bits, snapshot, tid, uuid } from './bits.ts';
import { composite } from './composite.ts';
import { float4, float8 } from './floats.ts';
import { type ValueForm } from './value-form.ts';
import { box, circle, line, lseg, path, point, polygon } from './geometry.ts';
import { cidr, inet, macaddr, macaddr8 } from './network.ts';
import { bool, int2, int4, int8, money, oid, pgLsn, xid8 } from './numbers.ts';
import { numeric } from './numeric.ts';
import { multirange, range } from './range.ts';
import { tsquery, tsvector } from './search.ts';
import { bytea, char, json, text, versionedText } from './texts.ts';
import { date, interval, time, timestamp, timetz } from './times.ts';

const builtin: Readonly<Record<string, ValueForm>> = {
  bool, bytea, char, int2, int4, int8, oid, xid: oid, cid: oid, xid8, float4, float8, numeric, money, pg_lsn: pgLsn,
  name: text, text, varchar: text, bpchar: text, xml: text, refcursor: text, json: json(false), jsonb: json(true), jsonpath: versionedText,
  date, time, timetz, timestamp: timestamp('timestamp'), timestamptz: timestamp('timestamptz'), interval,
  uuid, bit: bits, varbit: bits, tid, pg_snapshot: snapshot, txid_snapshot: snapshot, inet, cidr, macaddr, macaddr8,
  point, line, lseg, box, path, polygon, circle, tsvector, tsquery,
  int2vector: vector({ form: int2, oid: 21, delimiter: ',', mayBeArray: false }),
  oidvector: vector({ form: oid, oid: 26, delimiter: ',', mayBeArray: false }),
};

/** Types of extensions whose binary form is simple; they may live in any schema. */
const extensions: Readonly<Record<string, ValueForm>> = { citext: text, ltree: versionedText, lquery: versionedText, ltxtquery: versionedText };

const refuse = (): never => {
  throw new RangeError('Millrace does not know the binary form of this type; it travels as text');
};

/** A type that passes as text only. */
const textOnly: ValueForm = {
  jsType: 'string', read: refuse, parse: (value) => value, write: refuse, writeText: refuse, text: refuse, textOnly: true,
};

export function formOf(type: PgType): ValueForm {
  switch (type.kind) {
    case 'domain':
      return type.base ? formOf(type.base) : textOnly;
    case 'enum':
      return { ...text, jsType: type.labels?.map(literalType).join(' | ') || 'string' };
    case 'array':
      return type.element ? arrayOf(type.element) : textOnly;
    case 'range':
      return type.element ? range(formOf(type.element)) : textOnly;
    case 'multirange':
      return type.element?.element ? multirange(formOf(type.element.element)) : textOnly;
    case 'composite':
      return type.attributes ? composite(type.attributes.map((attribute) => ({ form: formOf(attribute.type), oid: attribute.type.oid }))) : textOnly;
    case 'base':
      return (type.schema === 'pg_catalog' ? builtin[type.name] : extensions[type.name]) ?? textOnly;
    case 'pseudo':
      return textOnly;
  }
}

/** A string literal of TypeScript in single quotes. */
const literalType = (text: string): string => `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

function arrayOf(element: PgType): ValueForm {
  const base = baseType(element);
  const form = formOf(element);
  // box is the one built-in type whose arrays are not separated by commas.
  const delimiter = base.schema === 'pg_catalog' && base.name === 'box' ? ';' : ',';
  return array({ form, oid: element.oid, delimiter, mayBeArray: base.kind === 'array' || base.name === 'json' || base.name === 'jsonb' });
}
