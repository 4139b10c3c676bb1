// Transactions in progress against a dumber twin that holds everything: random blocks, subtransactions that roll back, whole rollbacks.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Random } from '../../../base/index.ts';
import { type Committed, InProgress } from './in-progress.ts';
import type { Spill } from './spill.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-spill-'));
after(() => rmSync(root, { recursive: true, force: true }));

const u32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
};
const startOf = (xid: number): Buffer => Buffer.concat([Buffer.from('S'), u32(xid), Buffer.from([1])]);
const stop = Buffer.from('E');
const abortOf = (xid: number, subxid: number): Buffer => Buffer.concat([Buffer.from('A'), u32(xid), u32(subxid)]);
const commitOf = (xid: number): Buffer => Buffer.concat([Buffer.from('c'), u32(xid), Buffer.alloc(25)]);

interface Message {
  readonly xid: number;
  readonly order: number;
  readonly text: string;
}

interface Open {
  readonly messages: Message[];
  /** Open subtransactions, the outermost first. */
  readonly stack: number[];
  readonly parents: Map<number, number>;
  readonly cut: Set<number>;
}

async function take(spilled: InProgress, message: Buffer): Promise<Committed | undefined> {
  // In the middle of other bytes, which are gone afterwards.
  const bytes = Buffer.concat([Buffer.from('zzz'), message, Buffer.from('zzz')]);
  const taken = spilled.take(bytes, 3, 3 + message.length);
  bytes.fill(255);
  if (!(taken instanceof Promise)) return taken;
  await taken;
  return undefined;
}

async function replayed(spill: Spill): Promise<{ order: number; text: string }[]> {
  const out: { order: number; text: string }[] = [];
  await spill.replay((order, bytes, from, to) => {
    out.push({ order, text: bytes.toString('latin1', from, to) });
    return out.length % 7 === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
  });
  return out;
}

async function proveOne(seed: number): Promise<void> {
  const random = new Random(seed);
  const folder = join(root, String(seed));
  let orders = 0;
  const spilled = new InProgress({ folder, memoryBytesMax: random.pick([300, 8000, 1 << 20]) }, () => (orders += 1));
  await spilled.begin();
  const open = new Map<number, Open>();
  let nextXid = 0xffff_ff00;
  let twinOrders = 0;
  const change = async (xid: number, one: Open): Promise<void> => {
    const sub = one.stack.at(-1) ?? xid;
    const type = random.pick(['I', 'I', 'U', 'D', 'T', 'R', 'Y', 'O']);
    const rest = random.pick(['', 'r', 'row', 'x'.repeat(random.below(600)), random.chance(0.02) ? 'y'.repeat(300_000) : 'z'.repeat(40)]);
    await take(spilled, Buffer.concat([Buffer.from(type), type === 'O' ? Buffer.alloc(0) : u32(sub), Buffer.from(rest)]));
    one.messages.push({ xid: type === 'O' ? xid : sub, order: type === 'R' ? (twinOrders += 1) : 0, text: type + rest });
  };
  for (let step = 0; step < 120; step++) {
    const roll = random.below(100);
    const [xid, one] = open.size > 0 && roll >= 10 ? random.pick([...open]) : [nextXid++, { messages: [], stack: [], parents: new Map(), cut: new Set() } as Open];
    if (!open.has(xid)) open.set(xid, one);
    if (roll < 60) {
      await take(spilled, startOf(xid));
      for (let n = random.below(12); n > 0; n--) {
        if (random.chance(0.2)) {
          one.parents.set(nextXid, one.stack.at(-1) ?? xid);
          one.stack.push(nextXid++);
        } else if (random.chance(0.1)) one.stack.pop();
        await change(xid, one);
      }
      await take(spilled, stop);
    } else if (roll < 75) {
      // Rolls back to a savepoint: all subtransactions within it too, also those that were released.
      const sub = one.stack.length > 0 ? random.pick(one.stack) : undefined;
      if (sub === undefined) continue;
      one.stack.splice(one.stack.indexOf(sub));
      const within = (candidate: number | undefined): boolean => candidate !== undefined && (candidate === sub || within(one.parents.get(candidate)));
      for (const each of [...one.parents.keys()].filter(within)) {
        one.cut.add(each);
        await take(spilled, abortOf(xid, each));
      }
    } else if (roll < 85) {
      await take(spilled, startOf(xid));
      await take(spilled, stop);
      await take(spilled, abortOf(xid, xid));
      open.delete(xid);
    } else {
      if (one.messages.length === 0) continue;
      open.delete(xid);
      const committed = await take(spilled, commitOf(xid));
      assert.ok(committed, `seed ${seed}`);
      const expected = one.messages.filter((message) => !one.cut.has(message.xid)).map(({ order, text }) => ({ order, text }));
      assert.deepEqual(await replayed(committed.spill), expected, `seed ${seed}`);
      await spilled.drop(committed.spill);
    }
  }
  for (const xid of open.keys()) {
    await take(spilled, startOf(xid));
    await take(spilled, stop);
    await take(spilled, abortOf(xid, xid));
  }
  assert.equal(spilled.bytes, 0, `seed ${seed}`);
  assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], [], `seed ${seed}`);
  await spilled.end();
  assert.equal(existsSync(folder), false);
}

test('what commits comes out whole and in order, without what rolled back, from memory and from files', async () => {
  const first = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  for (let seed = first; seed < first + 60; seed++) await proveOne(seed);
});

test('memory stays within its limit, however many transactions are in progress', async () => {
  const spilled = new InProgress({ folder: join(root, 'many'), memoryBytesMax: 80_000 }, () => 1);
  const row = Buffer.concat([Buffer.from('I'), u32(0), Buffer.from('r'.repeat(100))]);
  const rows = 40;
  for (let n = 0; n < rows; n++) {
    for (let xid = 1; xid <= 200; xid++) {
      await take(spilled, startOf(xid));
      row.writeUInt32BE(xid, 1);
      await take(spilled, row);
      await take(spilled, stop);
    }
  }
  const size = 200 * rows * 113;
  const onDisk = readdirSync(join(root, 'many'), { withFileTypes: true }).length;
  assert.equal(spilled.bytes, size);
  assert.ok(spilled.memoryBytes <= 80_000, `${spilled.memoryBytes} bytes`);
  assert.ok(onDisk > 50);
  await spilled.end();
});

test('what cannot be written is LOG_DISK and can be tried again; a block with messages of others is refused', async () => {
  writeFileSync(join(root, 'file'), '');
  const spilled = new InProgress({ folder: join(root, 'file', 'within'), memoryBytesMax: 10 }, () => 1);
  await take(spilled, startOf(1));
  const row = Buffer.concat([Buffer.from('I'), u32(1), Buffer.from('row')]);
  await assert.rejects(take(spilled, row), { code: 'LOG_DISK', retriable: true });
  for (const wrong of ['B', 'C', 'S', 'c', 'A', '?']) assert.throws(() => spilled.take(Buffer.from(`${wrong}12345`), 0, 6), { code: 'PROTOCOL_VIOLATION' });
  await take(spilled, stop);
  assert.throws(() => spilled.take(commitOf(9), 0, 30), { code: 'PROTOCOL_VIOLATION' });
});
