// For the tests of rules: relations, batches and specs made by hand. Values are given as text, which all types have.
import { BatchBuilder, Before, type Column, NULL_FIELD, Op, parseTablePattern, type PgType, type Relation, type ReplicaIdentity, type Run, UNCHANGED_FIELD,
  asPosition, type TablePattern, type Batch } from '../../data/index.ts';
import type { ByteWriter } from '../../base/index.ts';
import { assert } from '../../base/index.ts';
import type { ReplicaSpec, TableRule } from '../spec.ts';

const oids: Readonly<Record<string, number>> = { bool: 16, int8: 20, int4: 23, text: 25, numeric: 1700, timestamptz: 1184, jsonb: 3802, bytea: 17, uuid: 2950, float8: 701 };
const texts: Readonly<Record<string, string>> = { bool: 'boolean', int8: 'bigint', int4: 'integer', timestamptz: 'timestamp with time zone', float8: 'double precision' };

const pgType = (name: string): PgType => ({ oid: oids[name] ?? 99999, schema: 'pg_catalog', name, kind: 'base', binary: true });

/** `{ id: 'int4', name: 'text?' }`: a trailing ? allows NULL. */
export function makeRelation(name: string, columns: Readonly<Record<string, string>>, key: readonly string[], identity: ReplicaIdentity = 'default'): Relation {
  const list = Object.entries(columns).map(([column, type]): Column => {
    const bare = type.replace('?', '');
    return { name: column, type: pgType(bare), typmod: -1, typeText: texts[bare] ?? bare, notNull: !type.endsWith('?') };
  });
  const [schema, table] = name.split('.') as [string, string];
  const oid = name.split('').reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1_000_003, 7) + 16384;
  return {
    oid, schema, name: table, columns: list, identity, key: key.map((one) => list.findIndex((column) => column.name === one)),
    version: JSON.stringify([columns, key, identity]),
  };
}

export function pattern(text: string): TablePattern {
  const found = parseTablePattern(text);
  assert(found, `not a pattern: ${text}`);
  return found;
}

export const makeRule = (tables: string, rule: Partial<Omit<TableRule, 'tables'>> = {}): TableRule => ({
  source: 'shop', tables: pattern(tables), drop: [], rename: {}, mask: {}, add: {}, deletes: 'hard', meta: false, guard: false, appendOnly: false, ...rule,
});

export const makeSpec = (rules: readonly TableRule[], spec: Partial<ReplicaSpec> = {}): ReplicaSpec => ({
  name: 'warehouse', from: [{ source: 'shop', tables: [pattern('*.*')] }], url: 'postgres://localhost/warehouse', names: 'as-is', onBadRow: 'deadLetter', schemaChanges: 'apply', existing: 'refuse', parallel: 1, rules, ...spec,
});

/** A field: text, NULL, or undefined for unchanged. */
export type Field = string | null | undefined;
export interface RowChange {
  readonly op: keyof typeof Op;
  readonly after?: readonly Field[];
  readonly before?: readonly Field[];
  /** What `before` is; by default full under replica identity full, else the key. */
  readonly seq?: number;
}

export function makeBatch(relation: Relation, changes: readonly RowChange[]): Batch {
  const builder = new BatchBuilder(relation, new Uint8Array(relation.columns.length).fill(1));
  for (const [i, { op, after, before, seq }] of changes.entries()) {
    if (after) writeTuple(builder.after, after);
    if (before) writeTuple(builder.before, before);
    const kind = before === undefined ? Before.none : relation.identity === 'full' ? Before.full : Before.key;
    builder.add(Op[op], seq ?? i, kind, after?.includes(undefined) ?? false);
  }
  return builder.build();
}

function writeTuple(out: ByteWriter, fields: readonly Field[]): void {
  out.i16(fields.length);
  for (const field of fields) {
    if (field === null) out.i32(NULL_FIELD);
    else if (field === undefined) out.i32(UNCHANGED_FIELD);
    else {
      const bytes = Buffer.from(field);
      out.i32(bytes.length).bytes(bytes);
    }
  }
}

const commitUs = 1_700_000_000_000_000n;

export const makeRun = (...batches: readonly Batch[]): Run => ({
  transactions: [{ xid: 1, commit: asPosition(100n), end: asPosition(101n), timeUs: commitUs, firstSeq: 0 }], batches, open: false, position: asPosition(101n),
});
