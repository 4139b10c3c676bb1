// How rows of one shape get into one target table: which column comes from which field, in which type it is sent, and how it is cast.
import { MillraceError } from '../../../base/index.ts';
import { baseType, type Column, Format, type PgType, quoteIdent, quoteTable, tableAddress } from '../../../data/index.ts';
import { TablesRefused, type TableWrite, type TargetTable } from '../../../flow/index.ts';
import type { Shape, ShapeColumn } from './shape.ts';

export interface LayoutColumn {
  /** Quoted. */
  readonly name: string;
  /** Field of the batch. */
  readonly field: number;
  readonly isKey: boolean;
  /** The type in which the value is sent. */
  readonly stageText: string;
  readonly stageOid: number;
  /** The target's type. */
  readonly typeText: string;
  readonly direct: boolean;
  readonly arrayable: boolean;
  readonly comparable: boolean;
  readonly identityAlways: boolean;
}

export interface Layout {
  readonly target: TargetTable;
  readonly table: string;
  readonly address: string;
  readonly shape: Shape;
  /** What is written; generated columns of the target are left out. */
  readonly columns: readonly LayoutColumn[];
  /** The key columns, as indexes into `columns`. */
  readonly key: readonly number[];
  readonly keyFields: Int32Array;
  readonly fieldCount: number;
  /** All fields of the batch in their order: whole rows are copied as they are. */
  readonly whole: boolean;
  /** Every column goes in the target's own type, so that rows may be COPYed straight into the table. */
  readonly direct: boolean;
  readonly arrayable: boolean;
  /**
   * `merge`: ON CONFLICT on the key. `replace`: DELETE, then INSERT, since the key has no immediate unique index or a column cannot be updated.
   * `ordered`: row by row in source order.
   */
  readonly path: 'merge' | 'replace' | 'ordered';
  /**
   * Whether many updates are best made by deleting the old rows and COPYing the new ones straight into the table, instead of by way of a
   * temporary table: whole rows, few indexes (each gets a new entry), and nobody who could tell the difference.
   */
  readonly rewrites: boolean;
  /** Whether an index finds rows by the key. */
  readonly keyIndexed: boolean;
  /** Whether keys that are equal are so in every way. */
  readonly keyPlain: boolean;
  /** Whether it is known which keys are the same row at the target: those with the same `keyText`. */
  readonly keySure: boolean;
  /** Whether several sessions may write it at a time, each the rows of some keys: nothing but its key binds its rows to each other. */
  readonly sharedByKey: boolean;
  /** Names for prepared statements and temporary tables. */
  readonly id: number;
}

/** Types of which some values are equal that are written differently, in a way that is known: numeric, float4, float8, bpchar. */
const writtenDifferently: ReadonlySet<number> = new Set([1700, 700, 701, 1042]);

/** The one way to write a value of a key. */
export function plainText(type: PgType, value: string): string {
  const { oid } = baseType(type);
  if (!writtenDifferently.has(oid)) return value;
  if (oid === 1700) return value.includes('.') ? value.replace(/\.?0+$/, '') : value;
  return oid === 1042 ? value.replace(/ +$/, '') : value === '-0' ? '0' : value;
}

let nextId = 1;

/** @param ordered The session can't switch off foreign keys and triggers, so dependent tables are written row by row. */
export function makeLayout(write: TableWrite, shape: Shape, replicaRole: boolean): Layout {
  const { target, batch, fields } = write;
  const address = tableAddress(target);
  const columns: LayoutColumn[] = [];
  const indexOf: number[] = [];
  for (const [i, column] of target.columns.entries()) {
    const actual = shape.columns.get(column.name);
    if (!actual) throw misfit(address, `column ${column.name} of ${address} does not exist in the target`);
    if (actual.generated) continue;
    const isKey = target.key.includes(i);
    indexOf[i] = columns.length;
    const field = fields[i] as number;
    columns.push({ name: quoteIdent(column.name), field, isKey, ...stage(column.type, batch.formats[field] as number, actual, address) });
  }
  const key = target.key.map((i) => {
    const at = indexOf[i];
    if (at === undefined) throw misfit(address, `key column ${target.columns[i]?.name} of ${address} is generated in the target`);
    return at;
  });
  const keyNames = target.key.map((i) => target.columns[i]?.name as string);
  const covering = shape.uniques.filter((unique) => unique.columns.length === keyNames.length && unique.columns.every((name) => keyNames.includes(name)));
  const arbiter = covering.some((unique) => unique.immediate);
  const fieldCount = batch.relation.columns.length;
  const written = [...shape.columns.values()].filter((column) => !column.generated).length;
  const fixed = columns.some((column) => column.identityAlways && !column.isKey);
  const path = key.length === 0 || (shape.dependent && !replicaRole) ? 'ordered' : arbiter && !fixed ? 'merge' : 'replace';
  const direct = columns.every((column) => column.direct);
  return {
    target, table: quoteTable(target), address, shape, columns, key,
    keyFields: Int32Array.from(key, (at) => (columns[at] as LayoutColumn).field),
    fieldCount,
    whole: columns.length === fieldCount && columns.every((column, i) => column.field === i),
    direct,
    arrayable: columns.every((column) => column.arrayable),
    path,
    rewrites: path === 'merge' && direct && columns.length === written && shape.indexes <= 2 && !shape.fires,
    keyIndexed: covering.length > 0 || shape.uniques.some((unique) => unique.columns.every((name) => keyNames.includes(name))),
    keyPlain: key.every((at) => columns[at]?.comparable),
    keySure: target.key.every((i) => {
      const [type, actual] = [baseType((target.columns[i] as Column).type).oid, shape.columns.get(target.columns[i]?.name as string)];
      return writtenDifferently.has(type) ? type === actual?.baseOid : actual?.comparable === true;
    }),
    sharedByKey: path === 'merge' && shape.constraints === covering.length && !shape.fires && key.every((at) => columns[at]?.comparable),
    id: nextId++,
  };
}

/** Rows of two writes may be folded together when they go to the same columns from the same fields in the same form. */
export const sameLayout = (a: TableWrite, b: TableWrite): boolean =>
  a.batch.relation.version === b.batch.relation.version && equal(a.fields, b.fields) && equal(a.batch.formats, b.batch.formats) &&
  a.target.key.join() === b.target.key.join() && a.target.columns.map((column) => column.name).join('\0') === b.target.columns.map((column) => column.name).join('\0');

const equal = (a: Int32Array | Uint8Array, b: Int32Array | Uint8Array): boolean => a.length === b.length && a.every((value, i) => value === b[i]);

const misfit = (address: string, message: string): TablesRefused => new TablesRefused('target', [address], new MillraceError('TARGET_MISMATCH', message));

type Stage = Pick<LayoutColumn, 'stageText' | 'stageOid' | 'typeText' | 'direct' | 'arrayable' | 'comparable' | 'identityAlways'>;

const firstUserOid = 16384;

function stage(type: PgType, format: number, actual: ShapeColumn, address: string): Stage {
  const rest = { typeText: actual.typeText, comparable: actual.comparable, identityAlways: actual.identity === 'always' };
  const base = baseType(type);
  if (format === Format.text || (base.kind === 'enum' && !sameType(base, actual))) {
    // Text, or an enum's label, which is its binary form too.
    const direct = actual.baseOid === 25 && actual.typeOid === 25;
    return { ...rest, stageText: 'pg_catalog.text', stageOid: 25, direct, arrayable: true };
  }
  if (sameType(type, actual) || sameType(base, actual)) {
    return { ...rest, stageText: actual.typeText, stageOid: actual.typeOid, direct: true, arrayable: actual.arrayable };
  }
  if (base.oid < firstUserOid) {
    return { ...rest, stageText: `pg_catalog.${quoteIdent(base.name)}`, stageOid: base.oid, direct: false, arrayable: base.kind !== 'array' };
  }
  throw misfit(address, `${address}.${actual.name} has type ${actual.typeText}, which values of type ${type.schema}.${type.name} cannot be written to`);
}

/** Whether the bytes of a value of `type` are those of the column's type. OIDs of built-in types are the same on all servers, others go by name. */
function sameType(type: PgType, actual: ShapeColumn): boolean {
  if (type.oid < firstUserOid) return actual.baseOid === type.oid;
  return actual.typeSchema === type.schema && actual.typeName === type.name;
}
