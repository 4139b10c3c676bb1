// Random changes on a small key space, in random commits, against a plain Map. A unique column makes legal swaps and hand-overs that only
// the safe path can do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../../base/index.ts';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import type { TableStep } from '../../../flow/index.ts';
import { type Change, makeBatch, rowsStep, testRelation, unchanged, type Value } from '../../../../test/support/batches.ts';
import { sinkBench } from '../../../../test/support/sink-bench.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

interface Row { a: string; b: string; unique: string; text: string | null; big: string | null }

const relation = testRelation('t', { a: 23, b: 25, unique: 23, text: 25, big: 25 }, [0, 1]);
const keyOf = (row: Row): string => `${row.a} ${row.b}`;

/** A legal change of the model, applied to it. */
function change(random: Random, model: Map<string, Row>, next: () => string): Change {
  const freeKey = (): { a: string; b: string } => {
    for (;;) {
      const key = { a: String(random.below(5)), b: random.pick(['x', 'y', 'zé', '']) };
      if (!model.has(`${key.a} ${key.b}`)) return key;
    }
  };
  const value = (): string | null => (random.chance(0.2) ? null : `v${random.below(1000)}`);
  // A unique value that is free now, often one that another row has just given up.
  const unique = (): string => {
    const taken = new Set([...model.values()].map((row) => row.unique));
    const free = ['1', '2', '3', '4', '5', '6'].filter((each) => !taken.has(each));
    return free.length > 0 && random.chance(0.7) ? random.pick(free) : next();
  };
  const rows = [...model.values()];
  const kind = rows.length === 0 ? 'insert' : rows.length > 12 ? 'delete' : random.pick(['insert', 'update', 'update', 'update', 'move', 'move', 'delete'] as const);
  if (kind === 'insert') {
    const row = { ...freeKey(), unique: unique(), text: value(), big: value() };
    model.set(keyOf(row), row);
    return { insert: [row.a, row.b, row.unique, row.text, row.big] };
  }
  const old = random.pick(rows);
  const oldKey: Value[] = [old.a, old.b, null, null, null];
  model.delete(keyOf(old));
  if (kind === 'delete') return { delete: oldKey };
  const keepsBig = random.chance(0.5);
  const row: Row = { ...old, ...(kind === 'move' ? freeKey() : {}), ...(random.chance(0.6) ? { unique: unique() } : {}), text: value(), big: keepsBig ? old.big : value() };
  model.set(keyOf(row), row);
  const after: Value[] = [row.a, row.b, row.unique, row.text, keepsBig && old.big !== null ? unchanged : row.big];
  return kind === 'move' ? { update: after, old: oldKey } : { update: after };
}

for (const seed of [Number(process.env['SEED'] ?? Date.now() % 1_000_000), 7]) {
  test(`the target equals the model, seed ${seed}`, async () => {
    const random = new Random(seed);
    const bench = await sinkBench(cluster, 'create table t (a int, b text, "unique" int unique, text text, big text, primary key (a, b))');
    const model = new Map<string, Row>();
    let last = 100;
    for (let commit = 0; commit < 60; commit++) {
      const steps: TableStep[] = [];
      for (let step = random.between(1, 3); step > 0; step--) {
        steps.push(rowsStep(makeBatch(relation, Array.from({ length: random.between(1, 8) }, () => change(random, model, () => String(last++))))));
      }
      assert.equal((await bench.commit(...steps)).deadLetters, 0, `commit ${commit}`);
      const expected = [...model.values()].map((row) => [row.a, row.b, row.unique, row.text ?? '~', row.big ?? '~'].join('|')).sort();
      assert.deepEqual((await bench.rows('select * from t')).sort(), expected, `commit ${commit}`);
    }
    await bench.close();
  });
}
