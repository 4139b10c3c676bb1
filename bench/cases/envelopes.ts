// Reading records of Debezium into rows, against JSON.parse alone of the same records: CPU of this process, best of several rounds, in turn.
import { DebeziumReader, type KafkaRecord } from '../../src/codec/index.ts';
import { asPosition, RunBuilder } from '../../src/data/index.ts';
import { expectedTable, type Fixture, readFixture } from '../../test/support/debezium.ts';
import { type BenchOptions, type Report, versus } from '../report.ts';

/** The promise: so many times the rate of JSON.parse. */
const reaches: Readonly<Record<string, readonly [figure: string, reach: number | undefined]>> = {
  'json-schema': ['Debezium JSON with schema → rows', 5],
  'json-plain': ['Debezium JSON without schema → rows', 1.5],
  'unwrap-rewrite': ['flattened JSON with schema → rows', undefined],
  unwrap: ['flattened JSON without schema → rows', undefined],
};

export async function run({ quick }: BenchOptions, report: Report): Promise<void> {
  for (const [name, [figure, reach]] of Object.entries(reaches)) {
    const fixture = readFixture(name);
    const records = fixture.records.filter((record) => record.value !== null && record.headers.every(({ key }) => !/^__debezium\.(old|new)key$/.test(key)));
    const rounds = Math.ceil((quick ? 20_000 : 100_000) / records.length);
    const read = reading(fixture, records);
    const best = { parse: Infinity, read: Infinity };
    for (let attempt = 0; attempt < 5; attempt++) {
      best.parse = Math.min(best.parse, cpuUsOf(() => parse(records, rounds)));
      best.read = Math.min(best.read, cpuUsOf(() => read(rounds)));
    }
    const rate = (us: number): number => (rounds * records.length * 1e6) / us;
    report(versus(figure, rate(best.read), 'records/CPU s', 'JSON.parse of key and value', rate(best.parse), reach));
  }
}

function cpuUsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

function parse(records: readonly KafkaRecord[], rounds: number): void {
  let seen = 0;
  for (let round = 0; round < rounds; round++) {
    for (const { key, value } of records) {
      if (key !== null && JSON.parse(key.toString()) !== null) seen += 1;
      if (value !== null && JSON.parse(value.toString()) !== null) seen += 1;
    }
  }
  if (seen < rounds * records.length) throw new Error('records without a value');
}

function reading(fixture: Fixture, records: readonly KafkaRecord[]): (rounds: number) => void {
  const reader = new DebeziumReader({ settings: fixture.settings, tableOf: (table) => expectedTable(fixture, table) });
  let rows = 0;
  const runs = new RunBuilder(asPosition(0n), (done) => {
    for (const { count } of done.batches) rows += count;
  });
  runs.begin(1, asPosition(0n), 0n);
  return (rounds) => {
    const before = rows;
    for (let round = 0; round < rounds; round++) {
      for (const record of records) {
        reader.open(record);
        reader.write(runs);
      }
    }
    runs.flush();
    if (rows - before !== rounds * records.length) throw new Error(`${rows - before} rows of ${rounds * records.length} records`);
  };
}
