// Random changes, some of them refused, against a plain Map: a row that differs has an open letter, and when the cause is mended and all
// letters are replayed, none differs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../../base/index.ts';
import { type Cluster, startCluster } from '../../../cli/demo/cluster.ts';
import type { TableStep } from '../../../flow/index.ts';
import { parsePgUrl } from '../../../wire/index.ts';
import { type Change, makeBatch, rowsStep, testRelation, unchanged, type Value } from '../../../../test/support/batches.ts';
import { sinkBench, type SinkBench } from '../../../../test/support/sink-bench.ts';
import { listLetters, replayLetter } from '../../index.ts';

let cluster: Cluster;
before(async () => void (cluster = await startCluster()));
after(() => cluster.remove());

interface Row { id: string; v: string; big: string }

/** `spell`: how an id is written; the model knows it by its number. */
function change(random: Random, model: Map<string, Row>, next: () => string, spell: (id: string) => string): Change {
  const free = ['1', '2', '3', '4', '5', '6'].filter((id) => !model.has(id));
  const rows = [...model.values()];
  const v = random.chance(0.2) ? 'bad' : next();
  const kind = rows.length === 0 ? 'insert' : free.length === 0 ? random.pick(['update', 'delete'] as const) : random.pick(['insert', 'update', 'update', 'move', 'move', 'delete'] as const);
  if (kind === 'insert') {
    const row = { id: spell(random.pick(free)), v, big: next() };
    model.set(plain(row.id), row);
    return { insert: [row.id, row.v, row.big] };
  }
  const old = random.pick(rows);
  model.delete(plain(old.id));
  if (kind === 'delete') return { delete: [old.id, null, null] };
  const keeps = random.chance(0.5);
  const row: Row = { id: kind === 'move' ? spell(random.pick(free)) : old.id, v, big: keeps ? old.big : next() };
  model.set(plain(row.id), row);
  const after: Value[] = [row.id, row.v, keeps ? unchanged : row.big];
  return kind === 'move' ? { update: after, old: [old.id, null, null] } : { update: after };
}

const plain = (id: string): string => String(Number(id));

async function differing(bench: SinkBench, model: ReadonlyMap<string, Row>): Promise<string[]> {
  const target = new Set(await bench.rows('select * from t'));
  const source = new Set([...model.values()].map((row) => [row.id, row.v, row.big].join('|')));
  return [...target.symmetricDifference(source)];
}

/** What there may be besides: a key that cannot be merged by, numbers that are spelled in several ways, a sink that is opened anew, values as text, letters that are replayed early. */
type Ways = 'plain' | 'wild';

async function run(seed: number, ways: Ways): Promise<void> {
  const random = new Random(seed);
  const wild = new Random(seed + 1_000_000);
  const happens = (probability: number): boolean => ways === 'wild' && wild.chance(probability);
  // Every other target takes rows in source order.
  const ordered = random.chance(0.3);
  const spelled = happens(0.3);
  const spell = (id: string): string => (spelled ? id + wild.pick(['', '.0', '.00']) : id);
  const relation = testRelation('t', { id: spelled ? 1700 : 23, v: 25, big: 25 });
  const bench = await sinkBench(cluster, `create table t (id ${spelled ? 'numeric' : 'int'} primary key${happens(0.3) ? ' deferrable' : ''}, v text check (v <> 'bad'), big text)${ordered ? asOwnRole : ''}`, ordered ? { user: 'r' } : {});
  const connect = { ...parsePgUrl(cluster.url((await bench.rows('select current_database()'))[0])), ...(ordered ? { user: 'r' } : {}) };
  const model = new Map<string, Row>();
  const replay = async (some: () => boolean): Promise<void> => {
    await bench.connection.query('alter table t drop constraint t_v_check');
    for (const letter of await listLetters(connect, 'replica')) if (letter.state === 'open' && some()) await replayLetter(connect, 'replica', letter.id);
  };
  const everyDifferenceHasALetter = async (round: number): Promise<void> => {
    const open = await bench.rows("select key ->> 0, coalesce(encode(old_key, 'hex'), '') from millrace.dead_letters where state in ('open', 'joined')");
    const known = new Set(open.flatMap((each) => each.split('|').map((key, i) => plain(i === 0 ? key : idOf(key, spelled)))));
    for (const row of await differing(bench, model)) assert.ok(known.has(plain(row.split('|')[0] as string)), `round ${round}: ${row} differs without a letter`);
  };
  let last = 100;
  for (let round = 0; round < 12; round++) {
    for (let commit = random.between(1, 5); commit > 0; commit--) {
      const steps: TableStep[] = [];
      const textColumns = spelled || happens(0.2) ? ['id', 'v', 'big'] : [];
      for (let step = random.between(1, 2); step > 0; step--) {
        steps.push(rowsStep(makeBatch(relation, Array.from({ length: random.between(1, 6) }, () => change(random, model, () => String(last++), spell)), textColumns)));
      }
      await bench.commit(...steps);
      await everyDifferenceHasALetter(round);
      if (happens(0.1)) await bench.sink.open();
      if (!happens(0.2)) continue;
      await replay(() => wild.chance(0.5));
      await bench.connection.query("alter table t add constraint t_v_check check (v <> 'bad') not valid");
      await everyDifferenceHasALetter(round);
    }
    await replay(() => true);
    assert.deepEqual(await differing(bench, model), [], `round ${round}`);
    assert.deepEqual(await listLetters(connect, 'replica'), [], `round ${round}`);
    await bench.connection.query("update t set v = 'was' where v = 'bad'; alter table t add constraint t_v_check check (v <> 'bad')");
    for (const row of model.values()) if (row.v === 'bad') row.v = 'was';
  }
  await bench.close();
}

const asOwnRole = `; do $x$ begin create role r login; exception when duplicate_object then null; end $x$; grant all on t to r;
  create function f() returns trigger language plpgsql as $$ begin return null; end $$; create trigger f after insert on t for each row execute function f();
  do $$ begin execute format('grant create on database %I to r', current_database()); end $$`;

/** The number in a key, which is a COPY row of one int4 or of a text. */
function idOf(hex: string, isText: boolean): string {
  const key = Buffer.from(hex, 'hex');
  return key.length > 0 && key.readInt32BE(2) === 4 && !isText ? String(key.readInt32BE(6)) : key.subarray(6).toString();
}

// Seeds that have failed once, and another one each time. SEED=n tries that one alone.
const given = process.env['SEED'];
for (const seed of given ? [] : [2012, 3048, 3123]) test(`what differs has a letter, and nothing does after replay, seed ${seed}`, () => run(seed, 'plain'));
const seed = Number(given ?? Date.now() % 1_000_000);
test(`the same with more ways to go wrong, seed ${seed}`, () => run(seed, 'wild'));
