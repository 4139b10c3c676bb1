// Random relations and runs, for tests of what carries them.
import { createHash } from 'node:crypto';
import { Random } from '../../src/base/index.ts';
import {
  asPosition, BatchBuilder, Before, NULL_FIELD, Op, type Column, type PgType, type Position, type Relation, type Run, type Transaction, UNCHANGED_FIELD,
} from '../../src/data/index.ts';

const types: PgType[] = [
  { oid: 20, schema: 'pg_catalog', name: 'int8', kind: 'base', binary: true },
  { oid: 25, schema: 'pg_catalog', name: 'text', kind: 'base', binary: true },
  { oid: 90001, schema: 'shop', name: 'état', kind: 'enum', labels: ['new', 'läuft', '終'], binary: true },
];

export function randomRelation(random: Random, oid = random.between(16384, 16390)): Relation {
  const columns: Column[] = Array.from({ length: random.between(1, 5) }, (_, i) => {
    const type = random.pick(types);
    const older = random.pick([{}, {}, { missing: 'an old value' }, { filled: true as const }]);
    return { name: `c${i}`, type, typmod: -1, typeText: type.name, notNull: random.chance(0.3), ...older, ...(random.chance(0.8) ? { number: i + 1 } : {}) };
  });
  const shape = { oid, schema: 'shop', name: `t${oid}`, columns, identity: random.pick(['default', 'full'] as const), key: random.chance(0.8) ? [0] : [] };
  return { ...shape, version: createHash('md5').update(JSON.stringify(shape)).digest('hex') };
}

function writeTuple(random: Random, builder: BatchBuilder, side: 'after' | 'before', bytesMax: number, unchanged: boolean): void {
  const writer = builder[side];
  writer.i16(builder.relation.columns.length);
  for (let i = 0; i < builder.relation.columns.length; i++) {
    if (unchanged && i > 0) writer.i32(UNCHANGED_FIELD);
    else if (random.chance(0.2)) writer.i32(NULL_FIELD);
    else {
      const value = Buffer.alloc(random.below(bytesMax + 1), random.below(256));
      writer.i32(value.length).bytes(value);
    }
  }
}

/** Makes runs that follow one another as a source's do. */
export class RandomRuns {
  readonly random: Random;
  readonly #rowBytesMax: number;
  readonly #relations: Relation[];
  #position: bigint;
  #xid = 700;
  #origin: string | undefined;
  /** The transaction that the last run left open. */
  #open: { xid: number; commit: Position; timeUs: bigint } | undefined;

  constructor(random: Random, options: { start?: bigint; rowBytesMax?: number } = {}) {
    this.random = random;
    this.#position = options.start ?? 1000n;
    this.#rowBytesMax = options.rowBytesMax ?? 40;
    this.#relations = Array.from({ length: 4 }, (_, i) => randomRelation(random, 16384 + i));
  }

  get position(): Position {
    return asPosition(this.#position);
  }

  /** As after a reconnect: the open transaction will be sent again, from `position`. */
  restart(position: Position): void {
    this.#open = undefined;
    this.#position = position;
  }

  /** The next run. A run after an open one goes on with its transaction. */
  next(options: { open?: boolean; transactions?: number } = {}): Run {
    const { random } = this;
    // A transaction has one origin.
    if (!this.#open) this.#origin = random.chance(0.2) ? random.pick(['7711/5', '7711/5 8822/16384']) : undefined;
    const origin = this.#origin;
    const builders = new Map<Relation, BatchBuilder>();
    const transactions: Transaction[] = [];
    const count = options.transactions ?? random.between(1, 4);
    let seq = 0;
    for (let i = 0; i < count; i++) {
      const goesOn = i === count - 1 && options.open === true;
      const current = this.#open ?? { xid: this.#xid++, commit: asPosition(this.#position + BigInt(random.between(1, 50))), timeUs: BigInt(random.below(1e9)) * 1000n };
      const firstSeq = seq;
      for (let rows = random.below(6); rows > 0; rows--) this.#addRow(builders, seq++);
      this.#open = goesOn ? current : undefined;
      const end = asPosition(current.commit + (goesOn ? 1n : 8n));
      transactions.push({ ...current, end, firstSeq });
      if (!goesOn) this.#position = end;
    }
    const truncate = random.chance(0.1) ? { relations: [random.pick(this.#relations)], cascade: random.chance(0.5), restartIdentity: random.chance(0.5) } : undefined;
    return {
      transactions,
      batches: [...builders.values()].map((builder) => builder.build()),
      ...(truncate ? { truncate } : {}),
      open: options.open === true,
      ...(origin === undefined ? {} : { origin }),
      position: asPosition(this.#position),
    };
  }

  /** The source is idle and has moved on. */
  progress(): Run {
    this.#position += BigInt(this.random.between(1, 100));
    return { transactions: [], batches: [], open: false, position: asPosition(this.#position) };
  }

  #addRow(builders: Map<Relation, BatchBuilder>, seq: number): void {
    const { random } = this;
    const relation = random.pick(this.#relations);
    let builder = builders.get(relation);
    if (!builder) builders.set(relation, (builder = new BatchBuilder(relation, Uint8Array.from(relation.columns, () => random.below(2)))));
    const op = random.pick([Op.insert, Op.update, Op.delete]);
    const before = op === Op.insert ? Before.none : random.pick(op === Op.delete ? [Before.key, Before.full] : [Before.none, Before.key, Before.full]);
    const partial = op === Op.update && random.chance(0.2);
    if (op !== Op.delete) writeTuple(random, builder, 'after', this.#rowBytesMax, partial);
    if (before !== Before.none) writeTuple(random, builder, 'before', this.#rowBytesMax, false);
    builder.add(op, seq, before, partial);
  }
}

/** A run as plain data, row bytes in hex, independent of how its blocks are cut: for deepEqual. */
export function plainRun(run: Run): unknown {
  return {
    ...run,
    batches: run.batches.map((batch) => ({
      relation: batch.relation,
      formats: [...batch.formats],
      rows: Array.from({ length: batch.count }, (_, row) => ({
        op: batch.ops[row],
        seq: batch.seqs[row],
        kind: batch.befores[row],
        partial: batch.partial[row],
        after: batch.after.bytes.subarray(batch.after.offsets[row], batch.after.offsets[row + 1]).toString('hex'),
        before: batch.before.bytes.subarray(batch.before.offsets[row], batch.before.offsets[row + 1]).toString('hex'),
      })),
    })),
  };
}
