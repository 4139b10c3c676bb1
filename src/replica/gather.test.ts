// Epochs never pass a hold, wherever in the runs its place is, never tear a transaction, and have one origin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, systemClock } from '../base/index.ts';
import type { StreamReader } from '../bus/index.ts';
import { asPosition, type Position, type Run, transactionOf } from '../data/index.ts';
import { RandomRuns } from '../../test/support/random-run.ts';
import { Gatherer } from './gather.ts';

const limits = { rowsMax: 30, tablesMax: 100, bytesMax: 10_000, wholeBytesMax: 1 << 30, lingerRowsMin: 1000, lingerMsMax: 1 };

/** Rows of each transaction, by the place of its commit. */
function count(runs: readonly Run[], into = new Map<Position, number>()): Map<Position, number> {
  for (const run of runs) {
    for (const { commit } of run.transactions) into.set(commit, into.get(commit) ?? 0);
    for (const batch of run.batches) {
      for (let row = 0; row < batch.count; row++) {
        const { commit } = transactionOf(run, batch.seqs[row] as number);
        into.set(commit, (into.get(commit) ?? 0) + 1);
      }
    }
  }
  return into;
}

test('random runs, random places to stand', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  let cuts = 0;
  for (let round = 0; round < 400; round++) {
    const random = new Random(seed + round);
    const source = new RandomRuns(random);
    const start = source.position;
    const runs: Run[] = [];
    const opens = round % 4 !== 0;
    while (runs.length < 12 || runs.at(-1)?.open) runs.push(source.next(opens && random.chance(0.5) ? { open: true } : {}));
    const leavesOut = (origin: string): boolean => round % 2 === 1 && origin === '7711/5';
    const isOut = (run: Run): boolean => run.origin !== undefined && leavesOut(run.origin);
    const all = count(runs.filter((run) => !isOut(run)));
    const ends = new Map(runs.flatMap(({ transactions }) => transactions.map(({ commit, end }): [Position, Position] => [commit, end])));
    const hold = random.pick([...ends.values(), start]);
    const queue = [...runs];
    const reader: StreamReader = { next: async () => queue.shift(), close: () => undefined };
    const tablesMax = random.pick([1, 2, 3, 100]);
    const gatherer = new Gatherer(reader, { ...limits, tablesMax, leavesOut }, systemClock, new AbortController().signal);
    gatherer.hold = hold;
    const got = new Map<Position, number>();
    let position = start;
    for (let held = true; ; ) {
      const gathered = await gatherer.next(position);
      if (!gathered) {
        if (!held || (queue.length === 0 && position < hold)) break;
        assert.equal(position <= hold, true);
        const wanted = [...all].filter(([commit]) => (ends.get(commit) as Position) <= hold);
        assert.deepEqual([...got].filter(([, rows]) => rows > 0), wanted.filter(([, rows]) => rows > 0), `seed ${seed + round}: what is there at the hold`);
        if (queue.length > 0) cuts += 1;
        held = false;
        gatherer.hold = undefined;
        continue;
      }
      assert.equal(gathered.runs.at(-1)?.open, false, `seed ${seed + round}: an epoch ends in the middle of a transaction`);
      if (held) assert.ok(gathered.position <= hold, `seed ${seed + round}: an epoch passes the hold`);
      for (const run of gathered.runs) if (run.batches.length > 0) assert.equal(run.origin, gathered.origin, `seed ${seed + round}: an epoch has two origins`);
      const oids = new Set(gathered.runs.flatMap(({ batches }) => batches.filter((batch) => batch.count > 0).map((batch) => batch.relation.oid)));
      const filled = [...count(gathered.runs).values()].filter((rows) => rows > 0).length;
      assert.ok(oids.size <= tablesMax || filled === 1 || opens, `seed ${seed + round}: an epoch of ${oids.size} tables`);
      count(gathered.runs, got);
      position = gathered.position;
    }
    assert.deepEqual([...got].filter(([, rows]) => rows > 0), [...all].filter(([, rows]) => rows > 0), `seed ${seed + round}: every row once`);
    assert.equal(position, asPosition(source.position));
  }
  assert.ok(cuts > 50, 'most holds lie inside');
});
