// Columns that a rule adds: constants, SQL expressions, and those of `meta` and soft deletes.
import { ByteWriter } from '../../base/index.ts';
import { type PgType, type Relation, Format, quoteLiteral } from '../../data/index.ts';
import { typeCodec } from '../../codec/index.ts';
import type { Added, TableRule } from '../spec.ts';
import type { PlannedColumn } from './making.ts';
import { guardColumns } from '../../flow/index.ts';
import { madeColumn, pgLsn, pgText, pgTimestamptz } from './mask.ts';
import type { Problems } from './problem.ts';
import { bindSql } from './sql-expression.ts';

const DELETED_AT = '_deleted_at';

export function addedColumns(relation: Relation, rule: TableRule, problems: Problems): PlannedColumn[] {
  return Object.entries(rule.add).flatMap(([name, added]) => addedColumn(relation, rule, name, added, problems) ?? []);
}

function addedColumn(relation: Relation, rule: TableRule, name: string, added: Added, problems: Problems): PlannedColumn | undefined {
  if (added.kind === 'constant') return constantColumn(relation, name, added.value, added.type, problems);
  const expression = bindSql('expression', added.sql, relation, problems, rule);
  if (!expression) return undefined;
  if (expression.type.kind === 'pseudo') {
    problems.add('EXPRESSION_INVALID', `the type of the column ${name} is not known`, `cast it, for example: (${added.sql})::text`);
    return undefined;
  }
  return { column: madeColumn(name, expression.type, expression.typeText, expression.typmod), making: { kind: 'sql', expression } };
}

/** A constant has the type that its rule names, else that of its spelling: boolean, integer, bigint, numeric or text. */
function constantColumn(relation: Relation, name: string, value: string | number | boolean | null, type: string | undefined, problems: Problems): PlannedColumn | undefined {
  const literal = value === null ? 'NULL' : typeof value === 'string' ? quoteLiteral(value).trim() : String(value);
  const sql = type === undefined ? (typeof value === 'number' || typeof value === 'boolean' ? literal : `${literal}::text`) : `${literal}::${type}`;
  const bound = bindSql('expression', sql, relation, problems);
  if (!bound) return undefined;
  try {
    const computed = bound.run(() => null);
    const column = madeColumn(name, bound.type, bound.typeText, bound.typmod, computed !== null);
    return { column, making: { kind: 'constant', bytes: bytesOf(bound.type, computed), format: Format.binary, sql: bound.sql } };
  } catch (error) {
    problems.add('RULE_INVALID', `the constant of ${name} is not a value of its type: ${error instanceof Error ? error.message : String(error)}`, 'correct the value or its type');
    return undefined;
  }
}

function bytesOf(type: PgType, value: unknown): Buffer | null {
  if (value === null) return null;
  const out = new ByteWriter(64);
  typeCodec(type).encode(value, out);
  return out.take();
}

/** The columns of `meta: true`, of `guard: true` and of `deletes: soft`. */
export function metaColumns(rule: TableRule): PlannedColumn[] {
  const planned: PlannedColumn[] = [];
  if (rule.meta) {
    planned.push({ column: madeColumn(guardColumns.source, pgText, 'text', -1, true), making: { kind: 'meta', what: 'source' } });
    planned.push({ column: madeColumn('_op', pgText, 'text', -1, true), making: { kind: 'meta', what: 'op' } });
    planned.push({ column: madeColumn('_committed_at', pgTimestamptz, 'timestamp with time zone'), making: { kind: 'meta', what: 'committedAt' } });
  }
  if (rule.guard) {
    if (!rule.meta) planned.push({ column: madeColumn(guardColumns.source, pgText, 'text'), making: { kind: 'meta', what: 'source' } });
    planned.push({ column: madeColumn(guardColumns.lsn, pgLsn, 'pg_lsn'), making: { kind: 'meta', what: 'lsn' } });
  }
  if (rule.deletes === 'soft') {
    planned.push({ column: madeColumn(DELETED_AT, pgTimestamptz, 'timestamp with time zone'), making: { kind: 'meta', what: 'deletedAt' } });
  }
  return planned;
}
