// Warnings about values that an update may not carry: PostgreSQL does not send a large value (TOAST) that the update left unchanged.
import { baseType, type PgType, type Relation } from '../../data/index.ts';
import { fullIdentity } from './identity.ts';
import type { PlannedColumn } from './making.ts';
import type { Problems } from './problem.ts';

const fixedLength = new Set([
  'bool', 'char', 'int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'money', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'uuid', 'name',
  'macaddr', 'macaddr8', 'pg_lsn', 'xid', 'xid8', 'cid', 'tid', 'point', 'line', 'lseg', 'box', 'circle',
]);

/** Whether a large value of the type may be stored apart, so that an update does not carry it. */
function isToastable(type: PgType): boolean {
  const base = baseType(type);
  return base.kind !== 'enum' && !(base.kind === 'base' && fixedLength.has(base.name));
}

/** Warns when `where` (the fields that it reads, if known) or a computed column depends on such values under an identity that is not full. */
export function warnOfToast(relation: Relation, reads: readonly number[] | undefined, columns: readonly PlannedColumn[], problems: Problems): void {
  if (relation.identity === 'full') return;
  const toastable = (field: number): boolean => !relation.key.includes(field) && isToastable(relation.columns[field]?.type as PgType);
  const warn = (what: string, field: number): void =>
    problems.add('RULE_INVALID', `${what} depends on ${relation.columns[field]?.name}; an update that leaves a large value of it unchanged does not carry it and becomes a dead letter`,
      `at the source: ${fullIdentity(relation)}`);
  const inWhere = reads?.find(toastable);
  if (inWhere !== undefined) warn('`where`', inWhere);
  else if (reads) {
    const carried = columns.flatMap(({ making }) => (making.kind === 'field' || making.kind === 'returned' ? (making.field ?? []) : [])).find(toastable);
    if (carried !== undefined) {
      problems.add('RULE_INVALID', `an update by which a row begins to match \`where\` may come without a large value of ${relation.columns[carried]?.name}; it becomes a dead letter then`,
        `at the source: ${fullIdentity(relation)}`);
    }
  }
  for (const { column, making } of columns) {
    const field = making.kind === 'sql' && making.expression.columns.length > 1 ? making.expression.columns.find(toastable) : undefined;
    if (field !== undefined) warn(`the column ${column.name}`, field);
  }
}
