// Everything that a real Debezium has recorded decodes, and the tables rebuilt from it equal what its database held, but for what was lost before.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { asPosition, Decimal, RunBuilder, tableAddress } from '../../data/index.ts';
import { expectedTable, type Fixture, readFixture, rebuild, type Rebuilding, type RebuiltRow, rowsOfCopy } from '../../../test/support/debezium.ts';
import type { LossCode } from './losses.ts';
import { DebeziumReader } from './reader.ts';

interface KnownLoss {
  readonly cases: RegExp;
  /** Table and column; `*`: rows that are there or missing. */
  readonly at: string;
  /** Keys of the rows, where it is not all of them. */
  readonly rows?: readonly string[];
  /** As `tail --describe` tells it. */
  readonly told: LossCode;
  readonly because: string;
}

const types = /^types-(?!nasty)/;
const lossy = (cases: RegExp, at: string, told: LossCode, because: string, rows?: readonly string[]): KnownLoss => ({ cases, at, told, because, ...(rows ? { rows } : {}) });

/** Cells that were lost before Kafka. Each must be told by the reader, and must really differ. */
const knownLosses: readonly KnownLoss[] = [
  lossy(/^(json-|avro|unwrap)/, 'public.customers.active', 'nullDefault', 'the converter writes the default of the column for null', ['102']),
  lossy(/^ops/, 'public.only_null.e', 'nullDefault', 'the converter writes the default of the column for null', ['2']),
  lossy(/^ops/, 'public.only_null.f', 'nullDefault', 'the converter writes the default of the column for null', ['2']),
  lossy(/^ops/, 'public.gen.twice', 'columnAbsent', 'pgoutput leaves generated columns out'),
  lossy(/^ops/, 'public.gen.virt', 'columnAbsent', 'pgoutput leaves generated columns out'),
  lossy(/^ops/, 'public.parted.*', 'snapshotOnly', 'changes of a partitioned table are in the topics of its partitions', ['2,2', '3,2']),
  ...['child', 'full_ident', 'no_pk', 'parent'].map((table) => lossy(/^ops-defaults/, `public.${table}.*`, 'truncates', 'a TRUNCATE is skipped by default')),
  ...['price', 'd', 'e', 'f'].map((column) => lossy(/^schema-change/, `public.evolved.${column}`, 'shapeChanged', 'rows from before the DDL are not sent again')),
  lossy(types, 'public.t_array.ae', 'enumArray', 'arrays of enums come as null'),
  lossy(types, 'public.t_array.aint', 'columnAbsent', 'interval[] is dropped even with include.unknown.datatypes'),
  lossy(types, 'public.t_bin.vb', 'varbit', 'bits come without their number'),
  lossy(types, 'public.t_time.tz', 'timetz', 'moved to UTC', ['1', '3', '5']),
  ...['i', 'iym', 'ids'].map((column) => lossy(/^types-(default|isostring|microseconds)/, `public.t_interval.${column}`, 'intervalNumeric', 'microseconds with a month of 30.4375 days')),
  lossy(/^types-default/, 'public.t_array.an', 'numericScale', 'trailing zeros', ['1']),
  lossy(/^types-default/, 'public.t_num.n', 'numericScale', 'trailing zeros', ['2', '5', '9']),
  lossy(/^types-double/, 'public.t_array.an', 'numericDouble', 'rounded to a double', ['1']),
  lossy(/^types-double/, 'public.t_num.n', 'numericDouble', 'rounded to a double', ['2', '5', '9']),
  lossy(/^types-double/, 'public.t_num.n38_10', 'numericDouble', 'rounded to a double', ['2']),
  lossy(/^types-double/, 'public.t_num.m', 'numericDouble', 'rounded to a double', ['2', '3']),
  ...['t_array.ats', 't_time.t6', 't_time.ts6'].map((at) => lossy(/^types-string-connect/, `public.${at}`, 'milliseconds', 'cut to milliseconds')),
  ...['t0', 't3', 't6'].map((column) => lossy(/^types-isostring/, `public.t_time.${column}`, 'midnight24', '24:00 comes as 00:00', ['8'])),
  ...['m2', 'lb'].map((column) => lossy(/^types-nasty/, `public.t_array_md.${column}`, 'arrayShape', 'nested elements come as null, lower bounds are lost', ['1'])),
  lossy(/^types-nasty/, 'public.t_array_md.mt', 'javaObject', 'nested texts come as addresses of Java objects', ['1']),
  lossy(/^types-nasty$/, 'public.t_num_special.n', 'numericSpecial', 'NaN and infinities come as null', ['2', '4', '5']),
  lossy(/^types-nasty$/, 'public.t_num_special.n10_2', 'numericSpecial', 'NaN comes as null', ['2']),
  lossy(/^types-nasty$/, 'public.t_time_far.ts', 'timestampRange', 'wrapped around in int64', ['6']),
];

/** As the column shows it once it is stored: money without its signs, numerics with their scale. */
function stored(type: string, text: string | null | undefined): string | null | undefined {
  if (typeof text !== 'string') return text;
  if (type === 'money') return Decimal.parse(text.replace(/[$,]/g, '')).round(2).toString();
  const scale = /^numeric\(\d+,(\d+)\)(\[\])?$/.exec(type);
  if (scale?.[2]) return text.replace(/-?[\d.]+(e[+-]\d+)?/g, (number) => Decimal.parse(number).round(Number(scale[1])).toString());
  if (scale?.[1] && /\d/.test(text)) return Decimal.parse(text).round(Number(scale[1])).toString();
  return type === 'numeric' && text.includes('e') ? Decimal.parse(text).toString() : text;
}

/** `table.column key` of every cell that differs, `table.* key` of every row that is missing or too many. */
function differences(fixture: Fixture, { rebuilt }: Rebuilding): string[] {
  const found: string[] = [];
  for (const [address, table] of Object.entries(fixture.expected)) {
    const key = table.primaryKey.length > 0 ? table.primaryKey : table.columns.map(({ name }) => name);
    const keyOf = (row: RebuiltRow): string => key.map((name) => row[name]).join(',');
    const got = Map.groupBy(rebuilt.tables.get(address)?.values() ?? [], keyOf);
    const want = Map.groupBy(rowsOfCopy(table), keyOf);
    for (const each of new Set([...got.keys(), ...want.keys()])) if (got.get(each)?.length !== want.get(each)?.length) found.push(`${address}.* ${each}`);
    for (const [each, [row]] of want) {
      const there = got.get(each)?.[0];
      for (const { name, type } of there ? table.columns : []) if (stored(type, there?.[name]) !== stored(type, row?.[name])) found.push(`${address}.${name} ${each}`);
    }
  }
  return found;
}

const isKnown = (loss: KnownLoss, difference: string): boolean => {
  const at = difference.slice(0, difference.lastIndexOf(' '));
  return loss.at === at && (loss.rows?.includes(difference.slice(at.length + 1)) ?? true);
};

/** The table was renamed, so that its rows from before are in the topic of its old name, and rows from before the column e have only the old key. */
function withEvolvedKey(fixture: Fixture): Fixture {
  const evolved = fixture.expected['public.evolved'];
  assert.ok(evolved);
  return { ...fixture, expected: { ...fixture.expected, 'public.evolved': { ...evolved, primaryKey: ['id'] } } };
}

const rowCases = [
  'json-schema', 'json-plain', 'types-default', 'types-default-plain', 'types-double', 'types-string-connect', 'types-isostring', 'types-microseconds', 'types-nasty',
  'types-nasty-string', 'ops', 'ops-defaults', 'incremental', 'unwrap', 'unwrap-rewrite', 'avro',
];

describe('recordings of Debezium', () => {
  const used = new Set<KnownLoss>();
  const compare = (fixture: Fixture, rebuilding: Rebuilding, extra: readonly LossCode[]): void => {
    const known = knownLosses.filter((loss) => loss.cases.test(fixture.name));
    const found = differences(fixture, rebuilding);
    for (const loss of known) if (found.some((difference) => isKnown(loss, difference))) used.add(loss);
    assert.deepEqual(found.filter((difference) => !known.some((loss) => isKnown(loss, difference))), []);
    const told = new Set<string>([...rebuilding.reader.losses.list.map(({ code }) => code), ...extra]);
    assert.deepEqual(known.filter(({ told: code }) => !told.has(code)).map(({ at }) => at), []);
  };

  for (const name of rowCases) {
    test(name, () => {
      const fixture = readFixture(name);
      const rebuilding = rebuild(fixture);
      assert.equal(Object.values(rebuilding.kinds).reduce((sum, count) => sum + count, 0), fixture.records.length);
      assert.equal(rebuilding.kinds['event'] ?? 0, 0);
      // Of topics as a whole; describe.test.ts has them.
      compare(fixture, rebuilding, ['truncates', 'snapshotOnly']);
    });
  }
  test('schema-change', () => {
    const fixture = withEvolvedKey(readFixture('schema-change'));
    const rebuilding = rebuild(fixture, (table) => expectedTable(fixture, table.name === 'evolve' ? { schema: 'public', name: 'evolved' } : table));
    const { tables } = rebuilding.rebuilt;
    for (const [key, row] of tables.get('public.evolve') ?? []) tables.get('public.evolved')?.set(key, row);
    compare(fixture, rebuilding, []);
  });
  test('changes whose key was lost are refused, unless it is known from elsewhere', () => {
    const { reader, rebuilt } = rebuild(readFixture('schema-change'), () => undefined);
    assert.deepEqual(reader.losses.list.filter(({ code }) => code === 'keyLost').map(({ count }) => count), [3]);
    assert.equal(rebuilt.ops['update'], 3);
  });
  test('outbox: events, not rows', () => {
    const fixture = readFixture('outbox');
    const { kinds, rebuilt } = rebuild(fixture);
    assert.deepEqual([kinds, rebuilt.tables.size], [{ event: fixture.records.length }, 0]);
  });
  test('every known loss is there', () => assert.deepEqual(knownLosses.filter((loss) => !used.has(loss)).map(({ at }) => at), []));
});

test('where each change was made, whichever way its source was found', () => {
  for (const name of ['ops', 'json-schema', 'schema-change', 'incremental']) {
    const reader = new DebeziumReader();
    const runs = new RunBuilder(asPosition(0n), () => undefined);
    runs.begin(1, asPosition(0n), 0n);
    for (const record of readFixture(name).records) {
      reader.open(record);
      reader.write(runs);
      const value = JSON.parse(record.value?.toString() ?? 'null') as { payload?: Record<string, unknown>; source?: unknown } | null;
      const source = (value?.payload ?? value)?.['source'] as Record<string, string | number> | undefined;
      const place = reader.place;
      assert.deepEqual(place && [place.connector, place.schema, place.table, place.txId, place.lsn, place.timeUs], source && ['connector', 'schema', 'table', 'txId', 'lsn', 'ts_us'].map((key) => source[key] ?? 0));
    }
  }
});

describe('what a key change with an unchanged large value becomes', () => {
  test('an update that keeps the value', () => {
    const { rebuilt } = rebuild(readFixture('ops'));
    const row = [...(rebuilt.tables.get(tableAddress({ schema: 'public', name: 'toast' }))?.values() ?? [])].find(({ id }) => id === '20');
    assert.ok(row?.['biga']?.startsWith('{arrarr'));
  });
});
