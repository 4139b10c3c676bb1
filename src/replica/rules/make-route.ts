// Makes the route of a plan: the byte path where nothing is computed, a ChangeWriter otherwise.
import { assert } from '../../base/index.ts';
import { type Batch, BatchBuilder, NULL_FIELD, Op, opNames, type Relation } from '../../data/index.ts';
import type { TableWrite, TargetTable } from '../../flow/index.ts';
import { ChangeWriter } from './change-writer.ts';
import { declaredShaper } from './declared-shaper.ts';
import type { Plan } from './plan.ts';
import { rejectedRows } from './rejects.ts';
import type { Route } from './route.ts';
import { rowShaper } from './row-shaper.ts';
import type { Shaper } from './shaper.ts';

export function makeRoute(plan: Plan, target: TargetTable, source: string): Route {
  const { relation, rule, columns, whereSql } = plan;
  const route = { relation, target, rule, columns, whereSql };
  const computed = plan.where !== undefined || rule?.row !== undefined || rule?.appendOnly || rule?.deletes === 'soft' || columns.some(({ making }) => making.kind !== 'field');
  return { ...route, write: computed ? computedWrite(plan, target, source) : byteWrite(plan, target) };
}

function byteWrite({ relation, rule, columns }: Plan, target: TargetTable): Route['write'] {
  const fields = Int32Array.from(columns, ({ making }) => {
    assert(making.kind === 'field', 'a computed column on the byte path');
    return making.field;
  });
  return (batch) => {
    const rows = rule?.deletes === 'ignore' ? withoutDeletes(batch) : undefined;
    if ((rows?.length ?? batch.count) === 0) return undefined;
    return { target, from: relation, batch, fields, ...(rows ? { rows } : {}) };
  };
}

/** The rows that are no deletes; undefined when none is one. */
function withoutDeletes(batch: Batch): Uint32Array | undefined {
  if (!batch.ops.includes(Op.delete)) return undefined;
  const rows: number[] = [];
  for (let row = 0; row < batch.count; row++) if (batch.ops[row] !== Op.delete) rows.push(row);
  return Uint32Array.from(rows);
}

function computedWrite(plan: Plan, target: TargetTable, source: string): Route['write'] {
  const { relation, rule, columns, where } = plan;
  const { key } = target;
  const shaper: Shaper = rule?.row
    ? rowShaper(relation, rule, rule.row, columns, key, plan.named, where)
    : declaredShaper(relation, columns, key, where);
  const shape: Relation = { ...relation, columns: columns.map((one) => one.column), key, version: `${relation.version}>${target.schema}.${target.name}` };
  const writer = new ChangeWriter(source, relation, shape, shaper, rule);
  const fields = Int32Array.from(columns, (_, i) => i);
  return (batch, run): TableWrite | undefined => {
    const written = writer.write(batch, run);
    const rejected = written.rejected.length > 0
      ? rejectedRows(batch, written.rejected, rule, columns, new BatchBuilder(shape, written.batch.formats), (image, op, out) =>
        shaper.key(image, { source, op: opNames[op], committedUs: undefined, commit: undefined, deleted: false }, NULL_FIELD, out))
      : undefined;
    if (written.batch.count === 0 && !rejected) return undefined;
    return { target, from: relation, batch: written.batch, fields, ...(written.batch.count === 0 ? { rows: new Uint32Array(0) } : {}), ...(rejected ? { rejected } : {}) };
  };
}
