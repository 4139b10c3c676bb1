// Records that Debezium wrote → rows of runs. JSON with schema or without, or Avro; whole envelopes or flattened rows.
import { MillraceError } from '../../base/index.ts';
import { type BatchBuilder, Before, Op, type RunBuilder, type TableName } from '../../data/index.ts';
import type { AvroSchemas } from './avro.ts';
import type { DebeziumSettings, ExpectedType, Prefix } from './connect-schema.ts';
import { Envelope, type EnvelopeKind, type Habits, namesOfSchema, rowSchema, SourcePlace, type SourceTail } from './envelope.ts';
import { valueAt } from './json-scan.ts';
import { memberNames } from './layout.ts';
import { Losses } from './losses.ts';
import { Payload } from './payload.ts';
import { type IsPlaceholder, placeholderTest } from './placeholder.ts';
import { headerOf, type KafkaRecord } from '../kafka/record.ts';
import { Otherwise, Shape } from './shape.ts';

/** What the other side knows of a table. */
export interface ExpectedTable {
  readonly columns: ReadonlyMap<string, ExpectedType>;
  /** Columns that identify a row, for records that have no key. */
  readonly key?: readonly string[];
}

export interface DebeziumOptions {
  readonly tableOf?: (table: TableName) => ExpectedTable | undefined;
  readonly settings?: DebeziumSettings;
  /** For records in Avro; without it they are `binary`. May be added to before a record is opened. */
  readonly schemas?: AvroSchemas;
}

/** A table of a topic; a topic has more than one where names are sanitised to the same. */
interface TopicTable {
  readonly table: TableName;
  /** How its changes end their `source`. */
  tail: SourceTail | undefined;
  readonly oid: number;
  readonly expected: ExpectedTable | undefined;
  readonly shapes: Map<string, Shape>;
  current: Shape | undefined;
  /** The schema that `current` was made for. */
  prefix: Prefix | undefined;
  /** Of the newest record that had a key. */
  keyNames: readonly string[] | undefined;
}

interface Topic extends Habits {
  /** As its name tells. */
  readonly schema: string;
  readonly name: string;
  readonly prefixes: Prefix[];
  readonly keyPrefixes: Prefix[];
  readonly tables: TopicTable[];
  /** That of the last change. */
  current: TopicTable | undefined;
}

export class DebeziumReader {
  readonly losses = new Losses();
  readonly #options: DebeziumOptions;
  readonly #isPlaceholder: IsPlaceholder;
  readonly #topics = new Map<string, Topic>();
  readonly #payload = new Payload();
  readonly #keyPayload = new Payload();
  readonly #envelope = new Envelope();
  readonly #source = new SourcePlace();
  #lastName = '';
  #lastTopic: Topic | undefined;
  #tables = 0;
  #record: KafkaRecord | undefined;
  #kind: EnvelopeKind = 'tombstone';
  #place: SourcePlace | undefined;
  /** The batch that the record goes to, and where it stood before. */
  #builder: BatchBuilder | undefined;
  #afterFrom = 0;
  #beforeFrom = 0;
  /** A delete that may be the first half of a key change. */
  #held: KafkaRecord | undefined;

  constructor(options: DebeziumOptions = {}) {
    this.#options = options;
    this.#isPlaceholder = placeholderTest(options.settings?.placeholder);
  }

  /** Looks at a record, so that its transaction can be begun before `write`. Throws PROTOCOL_VIOLATION for what is not JSON. */
  open(record: KafkaRecord): EnvelopeKind {
    this.#record = record;
    this.#place = undefined;
    try {
      this.#kind = this.#look(record);
    } catch (error) {
      throw unreadable(error, record);
    }
    return this.#kind;
  }

  /** Where the opened record was changed, until the next one is opened; undefined where it does not say. */
  get place(): SourcePlace | undefined {
    return this.#place;
  }

  /** The row of the opened record with JavaScript's values, for looking at it: numbers are doubles. Undefined where there is none. */
  get row(): Readonly<Record<string, unknown>> | undefined {
    const { afterStart, afterEnd } = this.#envelope;
    if ((this.#kind !== 'change' && this.#kind !== 'flat') || afterStart < 0) return undefined;
    try {
      return valueAt(this.#payload.bytes, afterStart, afterEnd) as Record<string, unknown>;
    } catch {
      // `write` says what is wrong with it.
      return undefined;
    }
  }

  #look(record: KafkaRecord): EnvelopeKind {
    if (record.value === null) {
      this.#payload.close();
      return 'tombstone';
    }
    const topic = this.#topic(record.topic);
    const { schemas } = this.#options;
    if (record.value[0] !== 0) this.#payload.open(record.value, topic.prefixes);
    else if (schemas) this.#payload.openAvro(record.value, schemas);
    else return 'binary';
    const { kind, sourceStart, sourceEnd } = this.#envelope.read(record, this.#payload, topic);
    if (sourceStart >= 0) this.#place = this.#source.read(this.#payload.bytes, sourceStart, sourceEnd, topic);
    return kind;
  }

  /** Appends the opened record to the runs, which are in a transaction. */
  write(runs: RunBuilder): void {
    const record = this.#record as KafkaRecord;
    this.#builder = undefined;
    try {
      this.#write(record, runs);
    } catch (error) {
      this.#dropUnfinished();
      throw unreadable(error, record);
    }
  }

  #dropUnfinished(): void {
    this.#builder?.after.truncate(this.#afterFrom);
    this.#builder?.before.truncate(this.#beforeFrom);
  }

  /** The batch of a relation; what is written to it and not added is dropped when the record turns out to be unreadable. */
  #batchOf(runs: RunBuilder, shape: Shape): BatchBuilder {
    const builder = runs.batch(shape.relation);
    if (builder.count === 0) builder.formats.set(shape.formats);
    if (this.#builder === builder) return builder;
    this.#builder = builder;
    this.#afterFrom = builder.after.length;
    this.#beforeFrom = builder.before.length;
    return builder;
  }

  #write(record: KafkaRecord, runs: RunBuilder): void {
    const held = this.#held;
    let oldKey: Buffer | undefined;
    if (held) {
      if (record.value === null && isSamePlace(held, record) && held.key?.equals(record.key ?? noBytes) === true) return;
      if (this.#completes(held, record)) oldKey = held.key ?? undefined;
      else this.flush(runs);
      this.#held = undefined;
      this.#builder = undefined;
      this.open(record);
    }
    if (this.#kind === 'change') this.#change(record, runs, oldKey);
    else if (this.#kind === 'flat') this.#flat(record, runs, oldKey);
    else if (this.#kind === 'tombstone') this.#tombstone(record, runs);
  }

  /** Appends what waits for its second half. Call it before a transaction is committed. */
  flush(runs: RunBuilder): void {
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    this.open({ ...held, headers: held.headers.filter(({ key }) => key !== NEW_KEY) });
    this.write(runs);
  }

  #completes(held: KafkaRecord, record: KafkaRecord): boolean {
    const newKey = headerOf(held, NEW_KEY);
    if (!isSamePlace(held, record) || !newKey || !record.key || !headerOf(record, OLD_KEY)) return false;
    return this.#openKey(record, record.key).text() === newKey.toString();
  }

  #change(record: KafkaRecord, runs: RunBuilder, oldKey: Buffer | undefined): void {
    const { op, afterStart, afterEnd, beforeStart, beforeEnd } = this.#envelope;
    const place = this.#place as SourcePlace;
    const topic = this.#topic(record.topic);
    topic.isFlat = false;
    const table = this.#changedTable(topic, place);
    if (op === 't') {
      const shape = table.current ?? this.#shape(table, record, 0, 0);
      runs.truncate({ relations: [shape.relation], cascade: false, restartIdentity: false });
    } else if (op === 'd') this.#delete(table, record, runs, beforeStart, beforeEnd);
    else if (op === 'c' || op === 'r' || op === 'u') {
      if (afterStart < 0) throw new RangeError(`a change "${op}" without its row`);
      const kind = op === 'c' ? Op.insert : op === 'r' ? Op.read : Op.update;
      this.#row(topic, table, record, runs, kind, afterStart, afterEnd, oldKey, beforeStart, beforeEnd);
    } else throw new RangeError(`a change with the unknown op "${op}"`);
  }

  #changedTable(topic: Topic, place: SourcePlace): TopicTable {
    if (place.isSameTable && topic.current) return topic.current;
    const table = this.#table(topic, place.schema || topic.schema, place.table);
    table.tail ??= place.tail();
    topic.current = table;
    topic.source = table.tail;
    return table;
  }

  #flat(record: KafkaRecord, runs: RunBuilder, oldKey: Buffer | undefined): void {
    const topic = this.#topic(record.topic);
    topic.isFlat = true;
    const { op, afterStart, afterEnd } = this.#envelope;
    const table = this.#table(topic, topic.schema, topic.name);
    // Without a key it cannot be a row that is there already.
    this.#row(topic, table, record, runs, op === '' && record.key === null ? Op.insert : opOf(op), afterStart, afterEnd, oldKey, -1, -1);
  }

  #tombstone(record: KafkaRecord, runs: RunBuilder): void {
    const topic = this.#topics.get(record.topic);
    if (topic?.isFlat !== true || record.key === null) return;
    this.#delete(this.#table(topic, topic.schema, topic.name), record, runs, -1, -1);
  }

  /** A row that is there afterwards. */
  #row(topic: Topic, table: TopicTable, record: KafkaRecord, runs: RunBuilder, op: Op, start: number, end: number, oldKey: Buffer | undefined, beforeStart: number, beforeEnd: number): void {
    const { bytes } = this.#payload;
    let shape = this.#shape(table, record, start, end);
    topic.row = shape.layout;
    let builder = this.#batchOf(runs, shape);
    let from = builder.after.length;
    let partial = shape.writeRow(bytes, start, end, builder.after);
    if (partial === Otherwise) {
      shape = this.#shapeOf(table, record, start, end);
      topic.row = shape.layout;
      builder = this.#batchOf(runs, shape);
      from = builder.after.length;
      partial = shape.writeRow(bytes, start, end, builder.after);
      if (partial === Otherwise) throw new RangeError('a row with a column twice');
    }
    if (shape.deleted) {
      builder.after.truncate(from);
      this.#delete(table, record, runs, start, end, shape);
      return;
    }
    let kind = shape.op === '' ? op : opOf(shape.op);
    let before: Before = Before.none;
    if (oldKey) {
      kind = Op.update;
      before = Before.key;
      if (!this.#writeKeyOf(shape, record, oldKey, builder)) throw new RangeError('the old key of a row is not one of its table');
    } else if (kind === Op.update && record.key === null) {
      const verdict = this.#beforeWithoutKey(table, shape, builder, beforeStart, beforeEnd);
      if (verdict === undefined) {
        builder.after.truncate(from);
        return;
      }
      before = verdict;
    }
    if (partial && kind !== Op.update) {
      // Only an update may leave out fields: a row of which a part is not known is never inserted.
      kind = Op.update;
      if (shape.unavailable) this.losses.add('unavailable', '');
    }
    builder.add(kind, runs.nextSeq(), before, partial);
    runs.rowAdded();
  }

  /** The old row of an update that has no key of its own. Undefined: it cannot be told which row it is. */
  #beforeWithoutKey(table: TopicTable, shape: Shape, builder: BatchBuilder, start: number, end: number): Before | undefined {
    if (table.expected?.key) {
      if (start < 0) return Before.none;
      return shape.writeKey(this.#payload.bytes, start, end, builder.before) ? Before.key : Before.none;
    }
    if (table.keyNames) this.losses.add('keyLost', '');
    else if (start < 0) this.losses.add('keyMissing', '');
    else {
      const from = builder.before.length;
      // A row of which a part is not known does not tell which one it is.
      if (shape.writeRow(this.#payload.bytes, start, end, builder.before) === false) return Before.full;
      builder.before.truncate(from);
      this.losses.add('keyMissing', '');
    }
    return undefined;
  }

  #writeKeyOf(shape: Shape, record: KafkaRecord, key: Buffer, builder: BatchBuilder): boolean {
    const payload = this.#openKey(record, key);
    return payload.isObject && shape.writeKey(payload.bytes, payload.start, payload.end, builder.before);
  }

  /** `before`: the old row in the record's value, if it is there. */
  #delete(table: TopicTable, record: KafkaRecord, runs: RunBuilder, start: number, end: number, read?: Shape): void {
    if (headerOf(record, NEW_KEY) && record.key !== null) {
      this.#held = record;
      return;
    }
    const shape = read ?? (start >= 0 || !table.current ? this.#shape(table, record, start, end) : table.current);
    const builder = this.#batchOf(runs, shape);
    let before: Before;
    if (record.key !== null) {
      if (!this.#writeKeyOf(shape, record, record.key, builder)) {
        this.losses.add('keyMissing', '');
        return;
      }
      before = Before.key;
    } else {
      const verdict = this.#beforeWithoutKey(table, shape, builder, start, end);
      if (verdict === undefined) return;
      if (verdict === Before.none) {
        this.losses.add('keyMissing', '');
        return;
      }
      before = verdict;
    }
    builder.add(Op.delete, runs.nextSeq(), before, false);
    runs.rowAdded();
  }

  #openKey(record: KafkaRecord, key: Buffer): Payload {
    const { schemas } = this.#options;
    return key[0] === 0 && schemas ? this.#keyPayload.openAvro(key, schemas) : this.#keyPayload.open(key, this.#topic(record.topic).keyPrefixes);
  }

  #topic(name: string): Topic {
    if (name === this.#lastName && this.#lastTopic) return this.#lastTopic;
    let topic = this.#topics.get(name);
    if (!topic) this.#topics.set(name, (topic = newTopic(name)));
    this.#lastName = name;
    this.#lastTopic = topic;
    return topic;
  }

  #table(topic: Topic, schema: string, name: string): TopicTable {
    for (const known of topic.tables) if (known.table.name === name && known.table.schema === schema) return known;
    const table = { schema, name };
    this.#tables += 1;
    const made = {
      table, tail: undefined, oid: this.#tables, expected: this.#options.tableOf?.(table), shapes: new Map(), current: undefined, prefix: undefined, keyNames: undefined,
    };
    topic.tables.push(made);
    return made;
  }

  /** The shape of a row, which is that of the row before almost always. */
  #shape(table: TopicTable, record: KafkaRecord, start: number, end: number): Shape {
    const { current } = table;
    if (!current || table.prefix !== this.#payload.prefix || start < 0) return this.#shapeOf(table, record, start, end);
    if (record.key !== null) {
      const key = this.#openKey(record, record.key);
      if (key.isObject && !current.isKey(key.bytes, key.start, key.end)) return this.#shapeOf(table, record, start, end);
    }
    return current;
  }

  #shapeOf(table: TopicTable, record: KafkaRecord, start: number, end: number): Shape {
    const { prefix } = this.#payload;
    const key = record.key === null ? undefined : this.#openKey(record, record.key);
    const recordKey = key?.isObject === true ? memberNames(key.bytes, key.start, key.end) : undefined;
    if (recordKey) table.keyNames = recordKey;
    const keyNames = recordKey ?? table.expected?.key ?? table.keyNames ?? [];
    const names = start >= 0 && end > start ? memberNames(this.#payload.bytes, start, end) : namesOfSchema(rowSchema(prefix, this.#kind)) ?? keyNames;
    const schema = rowSchema(prefix, this.#kind) ?? (start < 0 ? key?.prefix?.schema : undefined);
    const id = JSON.stringify([schema ?? null, names, keyNames]);
    let shape = table.shapes.get(id);
    if (!shape) {
      const identity = keyNames.length > 0 ? 'default' : 'full';
      const isFlat = this.#kind === 'flat' || this.#kind === 'tombstone';
      const { losses } = this;
      if (!schema) losses.add('nullDefault', '', 0);
      const before = table.current?.layout.names;
      for (const name of before ? names : []) if (before?.includes(name) === false) losses.add('shapeChanged', name);
      shape = new Shape({
        table: table.table, oid: table.oid, schema, names, keyNames, identity, isFlat, expected: table.expected?.columns, settings: this.#options.settings ?? {},
        isPlaceholder: this.#isPlaceholder, losses,
      });
      table.shapes.set(id, shape);
    }
    table.current = shape;
    table.prefix = prefix;
    return shape;
  }
}

const NEW_KEY = '__debezium.newkey';
const OLD_KEY = '__debezium.oldkey';
const noBytes = Buffer.alloc(0);

const isSamePlace = (a: KafkaRecord, b: KafkaRecord): boolean => a.topic === b.topic && a.partition === b.partition;

/** A row that does not say what happened is written whether it is new or not. */
const opOf = (letter: string): Op => (letter === 'c' ? Op.insert : letter === 'r' ? Op.read : Op.update);

/** A topic is called `prefix.schema.table`; what its name has less of is guessed. */
function newTopic(topic: string): Topic {
  const parts = topic.split('.');
  const schema = parts.length > 1 ? (parts.at(-2) as string) : 'public';
  return { schema, name: parts.at(-1) as string, prefixes: [], keyPrefixes: [], tables: [], current: undefined, isFlat: false, outer: undefined, source: undefined, row: undefined };
}

function unreadable(error: unknown, record: KafkaRecord): unknown {
  if (!(error instanceof RangeError)) return error;
  return new MillraceError('PROTOCOL_VIOLATION', `a record of topic ${record.topic} is not what Debezium writes`, {
    where: `${record.topic}, partition ${record.partition}, offset ${record.offset}`, detail: error.message, cause: error, hint: 'look at the record that is named here',
  });
}
