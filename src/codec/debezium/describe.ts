// What a topic holds: its envelope, the tables with their columns, and what was lost before. For people, over a sample of its records.
import { asMillraceError } from '../../base/index.ts';
import { asPosition, type Batch, fieldOf, Format, opNames, type PgType, type Relation, type Run, RunBuilder } from '../../data/index.ts';
import { typeCodec } from '../pg-types/codec.ts';
import type { EnvelopeKind } from './envelope.ts';
import { type LossEntry, type LossCode, losses } from './losses.ts';
import { type Confidence, type InferredType, Profile } from './profile.ts';
import { type DebeziumOptions, DebeziumReader } from './reader.ts';
import type { KafkaRecord } from '../kafka/record.ts';

/** As the configuration names it; the last ones have no rows. */
export type TopicEnvelope = 'debezium' | 'debezium-schema' | 'avro' | 'flat' | 'flat-schema' | 'flat-avro' | 'outbox' | 'heartbeat' | 'transaction' | 'schemaChange' | 'message' | 'binary' | 'unknown';

export interface ColumnDescription extends InferredType {
  readonly name: string;
  readonly inKey: boolean;
  readonly confidence: Confidence;
  readonly nulls: number;
  readonly values: number;
}

export interface TableDescription {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDescription[];
  readonly key: readonly string[];
  /** Column → PostgreSQL's text, of the row that shows most; a value that is refused or was unchanged is absent. */
  readonly sample: Readonly<Record<string, string | null>> | undefined;
}

export interface LossDescription extends LossEntry {
  readonly code: LossCode;
  /** Empty: rows, or the topic. */
  readonly column: string;
  /** Values that it was seen in; 0: it follows from types and settings. */
  readonly count: number;
  readonly sample: string;
}

export interface TopicDescription {
  readonly topic: string;
  readonly envelope: TopicEnvelope;
  /** `postgresql`, `sqlserver`, …; undefined where the records do not say. */
  readonly connector: string | undefined;
  readonly records: number;
  /** insert, update, delete, read, truncate → records; other kinds by their names. */
  readonly counts: Readonly<Record<string, number>>;
  readonly tables: readonly TableDescription[];
  readonly losses: readonly LossDescription[];
  /** Records that are no JSON: the first error. */
  readonly unreadable: { readonly count: number; readonly first: string } | undefined;
}

interface TableState {
  relation: Relation;
  readonly profiles: Map<string, Profile>;
  sample: Record<string, string | null> | undefined;
  sampleShown: number;
}

/** Collects the records of one topic. */
class TopicState {
  readonly reader: DebeziumReader;
  readonly kinds = new Map<EnvelopeKind, number>();
  readonly counts: Record<string, number> = {};
  readonly tables = new Map<string, TableState>();
  records = 0;
  withSchema = false;
  connector = '';
  isAvro = false;
  unreadable = 0;
  firstError = '';
  readonly #runs = new RunBuilder(asPosition(0n), (run) => this.#take(run));
  #position = 0n;
  #row: Readonly<Record<string, unknown>> | undefined;

  constructor(options: DebeziumOptions) {
    this.reader = new DebeziumReader(options);
  }

  add(record: KafkaRecord): void {
    this.records += 1;
    try {
      const kind = this.reader.open(record);
      this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
      if (kind !== 'change' && kind !== 'flat') this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      this.connector ||= this.reader.place?.connector ?? '';
      this.#row = this.reader.row;
      this.isAvro ||= kind !== 'binary' && record.value?.[0] === 0;
      this.withSchema ||= this.isAvro || record.value?.subarray(0, 10).toString() === '{"schema":';
      this.#inTransaction(() => this.reader.write(this.#runs));
    } catch (error) {
      const { code, where, detail, message } = asMillraceError(error);
      if (code !== 'PROTOCOL_VIOLATION') throw error;
      this.unreadable += 1;
      this.firstError ||= `${where ?? ''}: ${detail ?? message}`;
    }
  }

  end(): void {
    this.#inTransaction(() => this.reader.flush(this.#runs));
  }

  #inTransaction(work: () => void): void {
    this.#runs.begin(0, asPosition(this.#position), 0n);
    try {
      work();
    } finally {
      this.#runs.commit(asPosition((this.#position += 1n)));
      this.#runs.flush();
    }
  }

  #take(run: Run): void {
    for (const batch of run.batches) for (let row = 0; row < batch.count; row++) this.#takeRow(batch, row);
    for (const relation of run.truncate?.relations ?? []) {
      this.#table(relation);
      this.counts['truncate'] = (this.counts['truncate'] ?? 0) + 1;
    }
  }

  #table(relation: Relation): TableState {
    const id = JSON.stringify([relation.schema, relation.name]);
    const state = this.tables.get(id) ?? { relation, profiles: new Map<string, Profile>(), sample: undefined, sampleShown: 0 };
    this.tables.set(id, state);
    // A delete may be all that is left of a row, and then tells of its key only.
    if (relation.columns.length >= state.relation.columns.length || state.sample === undefined) state.relation = relation;
    return state;
  }

  #takeRow(batch: Batch, row: number): void {
    const state = this.#table(batch.relation);
    const op = opNames[batch.ops[row] as number] as string;
    this.counts[op] = (this.counts[op] ?? 0) + 1;
    const [start, end] = [batch.after.offsets[row] as number, batch.after.offsets[row + 1] as number];
    if (start === end) return;
    if (state.relation !== batch.relation) state.sample = undefined;
    state.relation = batch.relation;
    const fields = batch.relation.columns.map(({ name, type }, i) => [name, textOf(fieldOf(batch.after.bytes, start, i), type, batch.formats[i])] as const);
    // The row that shows most: long values do not count for more than a line.
    const shown = fields.reduce((sum, [, text]) => sum + Math.min(text?.length ?? 0, 40), 0);
    if (!state.sample || shown > state.sampleShown) {
      state.sample = Object.fromEntries(fields.flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
      state.sampleShown = shown;
    }
    for (const { name } of batch.relation.columns) {
      const profile = state.profiles.get(name) ?? new Profile();
      state.profiles.set(name, profile);
      profile.add(this.#row?.[name]);
    }
  }
}

const textOf = (bytes: Buffer | null | undefined, type: PgType, format: number | undefined): string | null | undefined =>
  bytes && (format === Format.binary ? typeCodec(type).toText(bytes) : bytes.toString());

export class RecordDescriber {
  readonly #topics = new Map<string, TopicState>();
  readonly #options: DebeziumOptions;

  constructor(options: DebeziumOptions = {}) {
    this.#options = options;
  }

  add(record: KafkaRecord): void {
    let state = this.#topics.get(record.topic);
    if (!state) this.#topics.set(record.topic, (state = new TopicState(this.#options)));
    state.add(record);
  }

  /** Of every topic, in the order in which they came. Call it once, at the end. */
  describe(): TopicDescription[] {
    return [...this.#topics].map(([topic, state]) => {
      state.end();
      return describeTopic(topic, state);
    });
  }
}

function describeTopic(topic: string, state: TopicState): TopicDescription {
  const { counts, records, kinds } = state;
  const found = state.reader.losses.list.map((loss) => ({ ...loss, ...losses[loss.code] }));
  const ofTopic = (code: LossCode): LossDescription => ({ code, column: '', count: 0, sample: '', ...losses[code] });
  const rows = (counts['insert'] ?? 0) + (counts['update'] ?? 0) + (counts['delete'] ?? 0);
  if (kinds.has('change') && rows > 0 && !counts['truncate']) found.push(ofTopic('truncates'));
  if ((counts['read'] ?? 0) > 0 && rows === 0) found.push(ofTopic('snapshotOnly'));
  return {
    topic,
    envelope: envelopeOf(state),
    connector: state.connector || undefined,
    records,
    counts,
    tables: [...state.tables.values()].map((table) => describeTable(table, state.withSchema)),
    losses: found.toSorted((a, b) => order[a.effect] - order[b.effect] || b.count - a.count),
    unreadable: state.unreadable === 0 ? undefined : { count: state.unreadable, first: state.firstError },
  };
}

const order = { refused: 0, restored: 1, possible: 2 } as const;

function envelopeOf({ kinds, withSchema, isAvro }: TopicState): TopicEnvelope {
  if (kinds.has('change')) return isAvro ? 'avro' : withSchema ? 'debezium-schema' : 'debezium';
  if (kinds.has('flat')) return isAvro ? 'flat-avro' : withSchema ? 'flat-schema' : 'flat';
  for (const kind of ['heartbeat', 'transaction', 'schemaChange', 'message', 'binary'] as const) if (kinds.has(kind)) return kind;
  return kinds.has('event') ? 'outbox' : 'unknown';
}

function describeTable({ relation, profiles, sample }: TableState, withSchema: boolean): TableDescription {
  const key = relation.key.map((index) => relation.columns[index]?.name ?? '');
  const columns = relation.columns.map(({ name, typeText }) => {
    const profile = profiles.get(name) ?? new Profile();
    const type = withSchema ? announced(typeText, profile) : profile.infer();
    return { name, ...type, inKey: key.includes(name), nulls: profile.nulls, values: profile.values };
  });
  return { schema: relation.schema, name: relation.name, columns, key, sample };
}

/** What schemas leave open. */
const remarks: Readonly<Record<string, string>> = {
  text: 'or an enum, or any type whose text it is', json: 'or jsonb', bytea: 'or the text of a type that Debezium does not know', boolean: 'or bit(1)', bigint: 'or oid',
};

function announced(typeText: string, profile: Profile): InferredType {
  // A schema says only `geometry` of what the values call box, path, lseg or polygon.
  if (typeText === 'public.geometry' && profile.geometry) return { typeText: profile.geometry, confidence: 'certain' };
  const remark = remarks[typeText.replace('[]', '')] ?? (typeText.startsWith('bit(') ? 'or bit varying' : undefined);
  return remark === undefined ? { typeText, confidence: 'certain' } : { typeText, confidence: 'likely', remark };
}
