// The changes that a rule could not make rows of, as the sink keeps them: in the source's layout, without what the rules withhold.
import { MillraceError } from '../../base/index.ts';
import { type Batch, BatchBuilder, Before, type Op, type RowBlock, UNCHANGED_FIELD } from '../../data/index.ts';
import type { RejectedRows } from '../../flow/index.ts';
import type { TableRule } from '../spec.ts';
import { Image } from './image.ts';
import type { PlannedColumn } from './making.ts';
import { withholds } from './sql-expression.ts';

export function rejectedRows(
  batch: Batch, rejected: readonly { readonly row: number; readonly error: MillraceError }[], rule: TableRule | undefined, columns: readonly PlannedColumn[],
  keys: BatchBuilder, writeKey: (image: Image, op: Op, out: BatchBuilder['after']) => void,
): RejectedRows {
  const { relation } = batch;
  const withheld = relation.columns.map((column) => withholds(rule, column.name));
  const out = new BatchBuilder(relation, batch.formats);
  const image = new Image(relation);
  const copy = (block: RowBlock, row: number, to: BatchBuilder['after']): void => {
    if (block.offsets[row] === block.offsets[row + 1]) return;
    image.load(block, row, batch.formats);
    to.i16(relation.columns.length);
    for (const [field, hidden] of withheld.entries()) {
      if (hidden) to.i32(UNCHANGED_FIELD);
      else image.copy(field, to);
    }
  };
  const copyKey = (block: RowBlock, row: number, to: BatchBuilder['after'], before?: Image): void => {
    if (block.offsets[row] === block.offsets[row + 1]) return;
    image.load(block, row, batch.formats, before);
    const start = to.length;
    try {
      writeKey(image, batch.ops[row] as Op, to);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      to.truncate(start);
    }
  };
  const older = new Image(relation);
  for (const { row } of rejected) {
    copy(batch.after, row, out.after);
    copy(batch.before, row, out.before);
    const hasBefore = batch.befores[row] !== Before.none;
    if (hasBefore) older.load(batch.before, row, batch.formats);
    copyKey(batch.after, row, keys.after, hasBefore ? older : undefined);
    copyKey(batch.before, row, keys.before);
    keys.add(batch.ops[row] as Op, batch.seqs[row] as number, hasBefore ? Before.key : Before.none, true);
    out.add(batch.ops[row] as Op, batch.seqs[row] as number, batch.befores[row] as Before, batch.partial[row] === 1 || withheld.includes(true));
  }
  // What a transform returns need not be what it was given, even under the same name: only it could say what may leave the process.
  const fields = Int32Array.from(columns, ({ making }) => (making.kind === 'field' ? making.field : -1));
  return { batch: out.build(), fields, keys: keys.build(), errors: rejected.map((one) => one.error) };
}
