// What every ChangeStream must do, whatever carries it. Run by the tests of each implementation.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { RandomRuns, plainRun } from '../../test/support/random-run.ts';
import { Random } from '../base/index.ts';
import { asPosition, type Position, type Run } from '../data/index.ts';
import { AbandonedTransaction, type ChangeStream, type StreamReader } from './stream.ts';

export interface StreamLimits {
  readonly segmentBytesMax: number;
  readonly memoryBytesMax: number;
  readonly queueBytesMax: number;
}

/** A stream in a place of its own. */
export interface StreamPlace {
  /** Opens it with small limits; again after `close` of the one before. */
  open(limits: StreamLimits): Promise<ChangeStream>;
  remove(): Promise<void>;
}

const limits: StreamLimits = { segmentBytesMax: 2000, memoryBytesMax: 2000, queueBytesMax: 1 << 20 };

/** All runs that are there now. */
export async function readAll(reader: StreamReader): Promise<Run[]> {
  const runs: Run[] = [];
  for (let run = await reader.next(false); run; run = await reader.next(false)) runs.push(run);
  return runs;
}

const plain = (runs: readonly Run[]): unknown[] => runs.map(plainRun);
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

export function streamContract(name: string, makePlace: () => Promise<StreamPlace>): void {
  describe(`${name} is a ChangeStream`, () => {
    let place: StreamPlace;
    let stream: ChangeStream;
    let runs: RandomRuns;
    let start: Position;

    beforeEach(async () => {
      place = await makePlace();
      stream = await place.open(limits);
      runs = new RandomRuns(new Random(7));
      start = runs.position;
      await stream.reset(start);
    });
    afterEach(async () => {
      await stream.close();
      await place.remove();
    });

    const append = (count: number): Run[] =>
      Array.from({ length: count }, () => {
        const run = runs.next();
        stream.append(run);
        return run;
      });

    test('has no beginning before the first reset', async () => {
      const other = await makePlace();
      const empty = await other.open(limits);
      assert.deepEqual([empty.start, empty.end, empty.durableEnd], [undefined, undefined, undefined]);
      assert.throws(() => empty.read(start), code('POSITION_GAP'));
      await empty.reset(asPosition(5n));
      assert.deepEqual([empty.start, empty.end, empty.durableEnd], [5n, 5n, 5n]);
      await empty.close();
      await other.remove();
    });

    test('gives runs in order, at once and again after a restart', async () => {
      const appended = append(60);
      assert.equal(stream.end, runs.position);
      assert.deepEqual(plain(await readAll(stream.read(start))), plain(appended));
      await stream.sync();
      assert.equal(stream.durableEnd, runs.position);
      await stream.close();
      stream = await place.open(limits);
      assert.deepEqual([stream.start, stream.end, stream.durableEnd], [start, runs.position, runs.position]);
      assert.deepEqual(plain(await readAll(stream.read(start))), plain(appended));
    });

    test('polls without waiting and waits when asked', async () => {
      const reader = stream.read(start);
      assert.equal(await reader.next(false), undefined);
      const waiting = reader.next(true);
      const [run] = append(1) as [Run];
      assert.deepEqual(plainRun((await waiting) as Run), plainRun(run));
    });

    test('serves readers at different places independently', async () => {
      const fast = stream.read(start);
      const slow = stream.read(start);
      const fastRuns: Run[] = [];
      const appended: Run[] = [];
      for (let i = 0; i < 40; i++) {
        appended.push(...append(1));
        fastRuns.push(...(await readAll(fast)));
        if (i % 10 === 0) await stream.sync();
      }
      const late = stream.read((appended[20] as Run).position);
      assert.deepEqual(plain(fastRuns), plain(appended));
      assert.deepEqual(plain(await readAll(slow)), plain(appended));
      assert.deepEqual(plain(await readAll(late)), plain(appended.slice(21)));
    });

    test('resumes in the middle of a run', async () => {
      const run = runs.next({ transactions: 4 });
      stream.append(run);
      for (const [i, transaction] of run.transactions.entries()) {
        const rest = await readAll(stream.read(transaction.end));
        const expected = run.transactions.slice(i + 1).map((one) => one.xid);
        assert.deepEqual(rest.flatMap((one) => one.transactions.map(({ xid }) => xid)), expected);
      }
    });

    test('never takes an open run for a place to resume', async () => {
      append(3);
      const { end } = stream;
      const open = [runs.next({ open: true }), runs.next({ open: true, transactions: 1 })];
      for (const run of open) stream.append(run);
      assert.equal(stream.end, end);
      const reader = stream.read(end as Position);
      assert.deepEqual(plain(await readAll(reader)), plain(open));
      await stream.sync();
      assert.equal(stream.durableEnd, end);
      const last = runs.next();
      stream.append(last);
      assert.equal(stream.end, last.position);
      assert.deepEqual(plain(await readAll(reader)), plain([last]));
      assert.deepEqual(plain(await readAll(stream.read(end as Position))), plain([...open, last]));
    });

    test('cuts off what a restart finds open', async () => {
      const whole = append(3);
      const { end } = stream;
      stream.append(runs.next({ open: true }));
      await stream.sync();
      await stream.close();
      stream = await place.open(limits);
      assert.equal(stream.end, end);
      assert.deepEqual(plain(await readAll(stream.read(start))), plain(whole));
      runs.restart(end as Position);
      const more = append(2);
      assert.deepEqual(plain(await readAll(stream.read(start))), plain([...whole, ...more]));
    });

    test('tells readers inside an abandoned transaction, and only them', async () => {
      const whole = append(2);
      const end = stream.end as Position;
      const inside = stream.read(start);
      const outside = stream.read(start);
      stream.append(runs.next({ open: true }));
      stream.append(runs.next({ open: true, transactions: 1 }));
      for (let i = 0; i < 3; i++) assert.ok(await inside.next(false));
      stream.abandonOpen();
      stream.abandonOpen();
      await assert.rejects(inside.next(true), AbandonedTransaction);
      runs.restart(end);
      const again = [runs.next({ open: true }), runs.next()];
      for (const run of again) stream.append(run);
      assert.deepEqual(plain(await readAll(inside)), plain(again));
      assert.deepEqual(plain(await readAll(outside)), plain([...whole, ...again]));
      await stream.sync();
      await stream.close();
      stream = await place.open(limits);
      assert.deepEqual(plain(await readAll(stream.read(start))), plain([...whole, ...again]));
    });

    test('wakes a reader that waits inside a transaction when it is abandoned', async () => {
      const reader = stream.read(start);
      stream.append(runs.next({ open: true }));
      assert.ok(await reader.next(true));
      const waiting = reader.next(true);
      stream.abandonOpen();
      await assert.rejects(waiting, AbandonedTransaction);
    });

    test('passes on progress of an idle source', async () => {
      append(1);
      const reader = stream.read(start);
      assert.ok(await reader.next(true));
      const waiting = reader.next(true);
      stream.append(runs.progress());
      const progress = (await waiting) as Run;
      assert.deepEqual([progress.transactions, progress.position, stream.end], [[], runs.position, runs.position]);
      stream.append(runs.progress());
      const [next] = append(1) as [Run];
      const last = (await readAll(reader)).at(-1) as Run;
      assert.equal(last.position, next.position);
      assert.ok((stream.durableEnd as Position) <= (stream.end as Position));
    });

    test('never reports as durable what a restart does not find', async () => {
      append(2);
      stream.append(runs.progress());
      await stream.sync();
      const told = stream.durableEnd as Position;
      await stream.close();
      stream = await place.open(limits);
      assert.ok((stream.end as Position) >= told);
    });

    test('refuses to read where it holds nothing', async () => {
      append(2);
      for (const position of [start - 1n, runs.position + 1n]) assert.throws(() => stream.read(asPosition(position)), code('POSITION_GAP'));
      assert.throws(() => stream.read(asPosition(0x16_0000_abcdn)), /16\/ABCD.*0\/3E8/s);
    });

    test('trims what may go, and readers behind it find the gap', async () => {
      const appended = append(80);
      await stream.sync();
      const slow = stream.read(start);
      const { bytes } = stream;
      const keep = (appended[60] as Run).position;
      await stream.trim(keep);
      assert.ok((stream.start as Position) > start && (stream.start as Position) <= keep, 'the start moved, but not too far');
      assert.ok(stream.bytes < bytes);
      assert.deepEqual(plain(await readAll(stream.read(keep))), plain(appended.slice(61)));
      await assert.rejects(slow.next(false), code('POSITION_GAP'));
      await stream.trim(runs.position);
      assert.equal(stream.end, runs.position);
      await stream.close();
      stream = await place.open(limits);
      assert.equal(stream.end, runs.position);
    });

    test('begins anew', async () => {
      append(10);
      await stream.sync();
      await stream.reset(asPosition(500_000n));
      assert.deepEqual([stream.start, stream.end, stream.durableEnd], [500_000n, 500_000n, 500_000n]);
      runs.restart(asPosition(500_000n));
      const appended = append(5);
      await stream.sync();
      await stream.close();
      stream = await place.open(limits);
      assert.equal(stream.start, 500_000n);
      assert.deepEqual(plain(await readAll(stream.read(asPosition(500_000n)))), plain(appended));
    });

    test('ends a wait when the reader or the stream closes', async () => {
      const one = stream.read(start);
      const other = stream.read(start);
      const waits = [one.next(true), other.next(true)];
      one.close();
      assert.equal(await waits[0], undefined);
      assert.equal(await one.next(true), undefined);
      await stream.close();
      assert.equal(await waits[1], undefined);
      assert.equal(await other.next(true), undefined);
    });

    test('holds the writer back while the queue is full, whatever readers do', async () => {
      await stream.close();
      stream = await place.open({ ...limits, queueBytesMax: 20_000 });
      await stream.reset(start);
      const dead = stream.read(start);
      const appended: Run[] = [];
      let held = 0;
      for (let i = 0; i < 300; i++) {
        appended.push(...append(1));
        let open = false;
        const ready = stream.ready().then(() => (open = true));
        await Promise.resolve();
        if (!open) held += 1;
        await ready;
      }
      assert.ok(held > 0, 'it was never full');
      assert.ok(held < 300, 'it was always full');
      await stream.sync();
      await stream.ready();
      assert.deepEqual(plain(await readAll(dead)), plain(appended));
    });
  });
}
