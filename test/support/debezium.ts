// The recordings of Debezium in test/fixtures/debezium, and a table rebuilt from them in the dumbest way: a map from key to row.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type AvroSchema, AvroSchemas, DebeziumReader, type DebeziumSettings, type ExpectedTable, type KafkaRecord, readRecordLine, typeCodec } from '../../src/codec/index.ts';
import { asPosition, type Batch, fieldOf, Format, Op, opNames, type Run, RunBuilder, type TableName, tableAddress } from '../../src/data/index.ts';

const folder = join(import.meta.dirname, '../fixtures/debezium');

interface FixtureTable {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly primaryKey: readonly string[];
  readonly copy: string;
}

export interface Fixture {
  readonly name: string;
  readonly records: readonly KafkaRecord[];
  /** By `schema.table` as PostgreSQL quotes it. */
  readonly expected: Readonly<Record<string, FixtureTable>>;
  readonly settings: DebeziumSettings;
  /** Of the registry. */
  readonly schemas: AvroSchemas;
}

export function readFixture(name: string): Fixture {
  const unzipped = (file: string): string => gunzipSync(readFileSync(join(folder, name, file))).toString();
  const connector = JSON.parse(readFileSync(join(folder, name, 'connector.json'), 'utf8')) as Record<string, string>;
  const schemas = new AvroSchemas();
  if (existsSync(join(folder, name, 'schemas.json.gz'))) {
    for (const [id, { schema }] of Object.entries(JSON.parse(unzipped('schemas.json.gz')) as Record<string, { schema: AvroSchema }>)) schemas.add(Number(id), schema);
  }
  const settings = { decimal: connector['decimal.handling.mode'], time: connector['time.precision.mode'], binary: connector['binary.handling.mode'], interval: connector['interval.handling.mode'], hstore: connector['hstore.handling.mode'] };
  return {
    name,
    records: unzipped('records.ndjson.gz').trim().split('\n').map((line, i) => readRecordLine(line, `${name}:${i + 1}`)),
    expected: JSON.parse(unzipped('expected.json.gz')) as Fixture['expected'],
    settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as DebeziumSettings,
    schemas,
  };
}

/** User-defined types of the fixtures, which their names alone do not tell. */
const kinds: Readonly<Record<string, 'composite' | 'enum' | 'domain'>> = { pt: 'composite', mood: 'enum', posint: 'domain' };

/** What the fixture's database said of a table. */
export function expectedTable(fixture: Fixture, table: TableName): ExpectedTable | undefined {
  const found = fixture.expected[tableAddress(table)];
  if (!found) return undefined;
  const columns = new Map(found.columns.map(({ name, type }) => {
    const kind = kinds[type.replace('[]', '')];
    return [name, { typeText: type, ...(kind ? { kind } : {}) }] as const;
  }));
  return { columns, ...(found.primaryKey.length > 0 ? { key: found.primaryKey } : {}) };
}

/** Column → PostgreSQL's text, null for NULL; a column that was never told is absent. */
export type RebuiltRow = Record<string, string | null>;

/** Tables by address; rows by the text of their key, or by a number where there is none. */
export class Rebuilt {
  readonly tables = new Map<string, Map<string, RebuiltRow>>();
  readonly ops: Record<string, number> = {};
  #unkeyed = 0;

  apply(run: Run): void {
    for (const batch of run.batches) for (let row = 0; row < batch.count; row++) this.#applyRow(batch, row);
    for (const relation of run.truncate?.relations ?? []) this.tables.get(tableAddress(relation))?.clear();
  }

  #applyRow(batch: Batch, row: number): void {
    const address = tableAddress(batch.relation);
    const table = this.tables.get(address) ?? new Map<string, RebuiltRow>();
    this.tables.set(address, table);
    const op = batch.ops[row] as Op;
    const name = opNames[op] as string;
    this.ops[name] = (this.ops[name] ?? 0) + 1;
    const after = rowOf(batch, batch.after, row);
    const before = rowOf(batch, batch.before, row);
    const oldKey = before ? this.#keyOf(batch, before, table) : undefined;
    const old = table.get(oldKey ?? (after && batch.relation.key.length > 0 ? this.#keyOf(batch, after, table) : '')) ?? {};
    if (oldKey !== undefined) table.delete(oldKey);
    if (after) table.set(batch.relation.key.length > 0 ? this.#keyOf(batch, after, table) : String((this.#unkeyed += 1)), { ...old, ...after });
  }

  #keyOf(batch: Batch, row: RebuiltRow, table: ReadonlyMap<string, RebuiltRow>): string {
    const { columns, key } = batch.relation;
    if (key.length > 0) return JSON.stringify(key.map((index) => row[columns[index]?.name ?? '']));
    const text = JSON.stringify(row);
    for (const [number, other] of table) if (JSON.stringify(other) === text) return number;
    return String((this.#unkeyed += 1));
  }
}

function rowOf(batch: Batch, block: Batch['after'], row: number): RebuiltRow | undefined {
  const [start, end] = [block.offsets[row] as number, block.offsets[row + 1] as number];
  if (start === end) return undefined;
  const fields = batch.relation.columns.map(({ name, type }, index) => {
    const bytes = fieldOf(block.bytes, start, index);
    return [name, bytes && (batch.formats[index] === Format.binary ? typeCodec(type).toText(bytes) : bytes.toString())] as const;
  });
  return Object.fromEntries(fields.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
}

export interface Rebuilding {
  readonly rebuilt: Rebuilt;
  readonly reader: DebeziumReader;
  /** Records by what they are. */
  readonly kinds: Readonly<Record<string, number>>;
}

/** Reads all records of a fixture, each topic a transaction; every run is handed to `take` too. */
export function rebuild(
  fixture: Fixture,
  tableOf: (table: TableName) => ExpectedTable | undefined = (table) => expectedTable(fixture, table),
  take: (run: Run) => void = () => undefined,
): Rebuilding {
  const rebuilt = new Rebuilt();
  const runs = new RunBuilder(asPosition(0n), (run) => {
    rebuilt.apply(run);
    take(run);
  });
  const reader = new DebeziumReader({ settings: fixture.settings, tableOf, schemas: fixture.schemas });
  const kinds: Record<string, number> = {};
  let topic: string | undefined;
  let position = 0n;
  const commit = (): void => {
    if (!runs.inTransaction) return;
    reader.flush(runs);
    runs.commit(asPosition((position += 1n)));
    runs.flush();
  };
  for (const record of fixture.records) {
    if (record.topic !== topic) {
      commit();
      topic = record.topic;
      runs.begin(1, asPosition(position), 0n);
    }
    const kind = reader.open(record);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    reader.write(runs);
  }
  commit();
  return { rebuilt, reader, kinds };
}

/** The rows of COPY's text. */
export function rowsOfCopy(table: FixtureTable): RebuiltRow[] {
  const names = table.columns.map(({ name }) => name);
  return table.copy.split('\n').slice(0, -1).map((line) => Object.fromEntries(line.split('\t').map((cell, i) => [names[i], cell === '\\N' ? null : unescaped(cell)])));
}

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

const unescaped = (cell: string): string => cell.replace(/\\(.)/g, (_, letter: string) => letters[letter] ?? letter);
