// sink: rows of 10 columns into a keyed table, against what people write by hand, and against the same COPY with nothing to decide.
import { ByteWriter, silentLogger, systemClock } from '../../src/base/index.ts';
import { startCluster } from '../../src/cli/demo/cluster.ts';
import { COPY_HEADER, COPY_TRAILER, CopyParser } from '../../src/codec/index.ts';
import { PostgresSink, readRelations } from '../../src/connect/index.ts';
import { asLsn, type Batch, Op, parseTablePattern, type Relation, type TablePattern } from '../../src/data/index.ts';
import type { TableStep, TargetTable } from '../../src/flow/index.ts';
import { parsePgUrl, PgConnection } from '../../src/wire/index.ts';
import { cpuUs } from '../cpu.ts';
import { type BenchOptions, median, type Report, versus } from '../report.ts';
import { changesTable, rowsBefore } from '../workload.ts';

const names = 'id, customer, status, amount, quantity, at, note, tags, details, flag';
const setList = names.split(', ').slice(1).map((name) => `${name} = excluded.${name}`).join(', ');

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  // As a server of a user is: a commit waits for the disk.
  const cluster = await startCluster({ settings: { fsync: 'on', max_wal_size: '8GB' } });
  const db = await PgConnection.connect(parsePgUrl(cluster.url()));
  try {
    await changesTable(db);
    await db.query('create table original as select * from changes');
    const reader = await PgConnection.connect(parsePgUrl(cluster.url())); // its own: reading the catalog sets the search path
    const [relation] = await readRelations(reader, [parseTablePattern('public.changes') as TablePattern]);
    await reader.close();
    if (!relation) throw new Error('no relation');
    const rows = quick ? 80_000 : 200_000;
    // The first round warms both sides up and is not counted.
    const tries = quick ? 3 : 4;
    const figures = { mixed: [] as number[], mixedCpu: [] as number[], inserts: [] as number[], copy: [] as number[], prebuilt: [] as number[], single: [] as number[], multi: [] as number[] };
    for (let i = 0; i < tries; i++) {
      const mixed = await batchesOf(db, relation, rows, 'mixed');
      await reset(db);
      const cpu = cpuUs(process.pid);
      figures.mixed.push(rows / (await sinkAll(cluster.url(), relation, mixed)));
      figures.mixedCpu.push((cpuUs(process.pid) - cpu) / rows);
      const prebuilt = mixed.map(prebuild);
      await reset(db);
      figures.prebuilt.push(rows / (await seconds(() => sendPrebuilt(db, prebuilt))));
      await reset(db);
      figures.single.push(await oneRowUpserts(db, quick ? 2000 : 10_000));
      await reset(db);
      figures.multi.push(await multiRowUpserts(db, Math.min(rows, 50_000)));
      const inserts = await batchesOf(db, relation, rows, 'inserts');
      await reset(db);
      figures.inserts.push(rows / (await sinkAll(cluster.url(), relation, inserts)));
      await reset(db);
      figures.copy.push(rows / (await seconds(() => copyAll(db, inserts))));
    }
    for (const values of Object.values(figures)) values.shift();
    report(versus('50 % updates, epochs of 10,000', median(figures.mixed), 'rows/s', 'the same SQL with prebuilt COPY buffers', median(figures.prebuilt), 0.9));
    report(versus('50 % updates, epochs of 10,000', median(figures.mixed), 'rows/s', 'one-row autocommit upserts', median(figures.single), 30));
    report(versus('50 % updates, epochs of 10,000', median(figures.mixed), 'rows/s', 'upserts of 1,000 rows a statement', median(figures.multi), 2.5));
    report(versus('inserts only', median(figures.inserts), 'rows/s', 'COPY BINARY of prebuilt buffers', median(figures.copy), 0.9));
    report({ figure: '50 % updates: CPU of client and server', value: median(figures.mixedCpu), unit: 'µs/row' });
  } finally {
    await db.close();
    await cluster.remove();
  }
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** The table as it was before, and nothing left to clean up. */
const reset = async (db: PgConnection): Promise<void> => {
  await db.query('truncate changes; insert into changes select * from original');
  await db.query('vacuum analyze changes');
  await db.query('checkpoint');
};

/** Rows from the server's own COPY as changes: `mixed` is new and existing ids in turn, `inserts` new ones. */
async function batchesOf(db: PgConnection, relation: Relation, rows: number, kind: 'mixed' | 'inserts'): Promise<Batch[]> {
  const id = kind === 'inserts' ? `${rowsBefore} + i` : `case when i % 2 = 0 then i / 2 % ${rowsBefore} + 1 else ${rowsBefore} + i end`;
  const reader = new CopyParser(relation, { batchBytesMax: 2_800_000 });
  const sql = `copy (select (${id})::bigint as id, i % 5000, 'changed-' || i % 5, (i % 100000) / 100.0::numeric(12,2), i % 50, now(), 'note of row ' || i || repeat('.', 40),
    array['a', 'tag' || i % 9], jsonb_build_object('id', i, 'source', 'web', 'items', i % 20, 'text', repeat('x', 60)), i % 2 = 0
    from generate_series(1, ${rows}) i) to stdout (format binary)`;
  const chunks: Buffer[] = [];
  for await (const chunk of db.copyOut(sql)) chunks.push(chunk);
  const batches = reader.push(Buffer.concat(chunks));
  reader.end();
  for (const batch of batches) {
    for (let row = 0; row < batch.count; row++) {
      const offset = (batch.after.offsets[row] as number) + 6;
      batch.ops[row] = Number(batch.after.bytes.readBigInt64BE(offset)) > rowsBefore ? Op.insert : Op.update;
    }
  }
  return batches;
}

/** Seconds from the first epoch to the end of the last; the session is open before. */
async function sinkAll(url: string, relation: Relation, batches: readonly Batch[]): Promise<number> {
  const target: TargetTable = { schema: 'public', name: 'changes', columns: relation.columns, key: relation.key };
  const sink = new PostgresSink({
    connect: parsePgUrl(url), consumer: `bench${Math.random()}`, identityOf: () => ({ systemId: '1', timeline: 1 }), onBadRow: 'stop', clock: systemClock, logger: silentLogger,
  });
  await sink.open();
  const fields = Int32Array.from(relation.columns, (_, i) => i);
  let position = 1n;
  const took = await seconds(async () => {
    // As a replica under load does it: the next epoch is folded while the one before it is on its way.
    const epochs = batches.map((batch): TableStep[] => [{ kind: 'rows', writes: [{ target, from: relation, batch, fields }] }]);
    for (const [i, steps] of epochs.entries()) {
      const committing = sink.commit('bench', asLsn((position += 1n)), steps);
      const next = epochs[i + 1];
      if (next) sink.prepare(next);
      await committing;
    }
  });
  await sink.close();
  return took;
}

/** What the sink sends for a batch, made ahead: the ids whose rows are replaced, as a binary int8[], and all rows in COPY's format, by id. */
interface Prebuilt {
  readonly ids: Buffer;
  readonly rows: Buffer;
}

function prebuild(batch: Batch): Prebuilt {
  const { bytes, offsets } = batch.after;
  const rows = Array.from({ length: batch.count }, (_, i) => {
    const row = bytes.subarray(offsets[i], offsets[i + 1]);
    return { row, id: row.readBigInt64BE(6), replaces: batch.ops[i] === Op.update };
  }).toSorted((a, b) => Number(a.id - b.id));
  const replaced = rows.filter((one) => one.replaces);
  const ids = new ByteWriter(20 + replaced.length * 12).i32(1).i32(0).u32(20).i32(replaced.length).i32(1);
  for (const { id } of replaced) ids.i32(8).i64(id);
  return { ids: ids.take(), rows: Buffer.concat([COPY_HEADER, ...rows.map(({ row }) => row), COPY_TRAILER]) };
}

/** The sink's own statements, pipelined as it does it, without the work of a sink. */
async function sendPrebuilt(db: PgConnection, batches: readonly Prebuilt[]): Promise<void> {
  await db.query('create table if not exists position as select 0 as position');
  for (const { ids, rows } of batches) {
    const outcomes = [
      db.query('begin'),
      db.query('update position set position = position + 1'),
      db.execute('replace', 'delete from changes t where t.id = any ($1::int8[])', [ids], { binary: true }),
      db.copyIn(`copy changes (${names}) from stdin (format binary)`, [rows]),
      db.query('commit'),
    ];
    await Promise.all(outcomes);
  }
}

async function copyAll(db: PgConnection, batches: readonly Batch[]): Promise<void> {
  for (const batch of batches) {
    await db.copyIn(`copy changes (${names}) from stdin (format binary)`, [COPY_HEADER, batch.after.bytes, COPY_TRAILER]);
  }
}

const text = (value: string | number): Buffer => Buffer.from(String(value));
const rowTexts = (i: number): Buffer[] => {
  const id = i % 2 === 0 ? ((i / 2) % rowsBefore) + 1 : rowsBefore + i;
  return [text(id), text(i % 5000), text(`changed-${i % 5}`), text((i % 100_000) / 100), text(i % 50), text('2026-01-01T00:00:00Z'), text(`note of row ${i}${'.'.repeat(40)}`),
    text(`{a,tag${i % 9}}`), text(JSON.stringify({ id: i, source: 'web', items: i % 20, text: 'x'.repeat(60) })), text(i % 2 === 0 ? 't' : 'f')];
};

async function oneRowUpserts(db: PgConnection, rows: number): Promise<number> {
  const sql = `insert into changes (${names}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do update set ${setList}`;
  const took = await seconds(async () => {
    for (let i = 1; i <= rows; i++) await db.execute('one', sql, rowTexts(i), { binary: false });
  });
  return rows / took;
}

/** The better of VALUES lists and arrays, 1,000 rows a statement. */
async function multiRowUpserts(db: PgConnection, rows: number): Promise<number> {
  const types = ['bigint', 'int', 'text', 'numeric', 'int', 'timestamptz', 'text', 'text', 'jsonb', 'boolean'];
  const arrays = `insert into changes (${names}) select a, b, c, d, e, f, g, h::text[], i, j from unnest(${types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')}) u(a, b, c, d, e, f, g, h, i, j)
    on conflict (id) do update set ${setList}`;
  const quoted = (value: Buffer): string => `"${value.toString().replace(/(["\\])/g, '\\$1')}"`;
  const byArrays = await seconds(async () => {
    for (let at = 0; at < rows; at += 1000) {
      const chunk = Array.from({ length: 1000 }, (_, i) => rowTexts(at + i + 1));
      const params = types.map((_, column) => Buffer.from(`{${chunk.map((row) => quoted(row[column] as Buffer)).join(',')}}`));
      await db.execute('arrays', arrays, params, { binary: false });
    }
  });
  await reset(db);
  const list = Array.from({ length: 1000 }, (_, row) => `(${types.map((type, column) => `$${row * 10 + column + 1}::${type === 'text' && column === 7 ? 'text[]' : type}`).join(', ')})`);
  const byValues = await seconds(async () => {
    for (let at = 0; at < rows; at += 1000) {
      const params = Array.from({ length: 1000 }, (_, i) => rowTexts(at + i + 1)).flat();
      await db.execute('values', `insert into changes (${names}) values ${list.join(', ')} on conflict (id) do update set ${setList}`, params, { binary: false });
    }
  });
  return rows / Math.min(byArrays, byValues);
}
