// Masks: what stands at the target in place of a value that must not leave.
import { ByteWriter } from '../../base/index.ts';
import { typeByOid, typeCodec } from '../../codec/index.ts';
import { Format, type PgType, quoteLiteral } from '../../data/index.ts';
import type { TargetColumn } from '../../flow/index.ts';
import type { Mask } from '../spec.ts';
import type { Making, PlannedColumn } from './making.ts';
import type { Problems } from './problem.ts';

/** A type of pg_catalog that surely exists. */
export const pgText = typeByOid(25) as PgType;
export const pgTimestamptz = typeByOid(1184) as PgType;
export const pgLsn = typeByOid(3220) as PgType;

/** A nullable column that the source does not have. */
export const madeColumn = (name: string, type: PgType, typeText: string, typmod = -1, notNull = false): TargetColumn => ({ name, type, typmod, typeText, notNull });

/** The column under its mask; `field` is where the source's value stands. */
export function maskColumn(column: TargetColumn, field: number, mask: Mask, problems: Problems): PlannedColumn | undefined {
  switch (mask.kind) {
    case 'null':
      return { column: { ...column, notNull: false }, making: { kind: 'constant', bytes: null, format: Format.binary, sql: 'NULL' } };
    case 'hash':
      return { column: { ...madeColumn(column.name, pgText, 'text'), notNull: column.notNull }, making: { kind: 'hash', field, salt: mask.salt } };
    case 'fixed': {
      const making = constantOf(column, String(mask.value));
      if (making) return { column, making };
      problems.add('RULE_INVALID', `the mask of ${column.name} is not a value of its type, ${column.typeText}`, 'give a value of that type, or use the mask null or hash');
      return undefined;
    }
  }
}

/** The same value for all rows, given as text. Undefined when it is no value of the column's type. */
function constantOf(column: TargetColumn, text: string): Making | undefined {
  const codec = typeCodec(column.type);
  const sql = `${quoteLiteral(text)}::${column.typeText}`;
  if (!codec.binary) return { kind: 'constant', bytes: Buffer.from(text), format: Format.text, sql };
  if (column.type.kind === 'enum' && column.type.labels && !column.type.labels.includes(text)) return undefined;
  const out = new ByteWriter(64);
  try {
    codec.encodeText(text, out);
  } catch {
    return undefined;
  }
  return { kind: 'constant', bytes: out.take(), format: Format.binary, sql };
}
