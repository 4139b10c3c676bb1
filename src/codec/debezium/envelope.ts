// What a record is: which envelope, and where in its bytes the parts lie.
import { type ConnectSchema, fieldOfSchema, type Prefix } from './connect-schema.ts';
import { stringAt, Token } from './json-scan.ts';
import { Layout, memberNames } from './layout.ts';
import type { Payload } from './payload.ts';
import { readInteger } from './quick.ts';
import { headerOf, type KafkaRecord } from '../kafka/record.ts';

/**
 * `change`: before, after, source, op. `flat`: a row by itself (ExtractNewRecordState, or plain JSON). `event`: of an outbox or anything else that is
 * no row. The others are Debezium's own topics and records.
 */
export type EnvelopeKind = 'change' | 'flat' | 'tombstone' | 'transaction' | 'heartbeat' | 'message' | 'schemaChange' | 'event' | 'binary';

/** What the records of a topic looked like so far, so that the next one is found at once. */
export interface Habits {
  /** Of whole envelopes. */
  outer: Layout | undefined;
  source: Layout | undefined;
  /** Of rows: what a shape hands in. */
  row: Layout | undefined;
  isFlat: boolean;
}

/** Offsets of the parts in the value; −1: absent or null. */
export class Envelope {
  kind: EnvelopeKind = 'event';
  /** r, c, u, d, t, m; of a flat record only where it says so. */
  op = '';
  beforeStart = -1;
  beforeEnd = -1;
  afterStart = -1;
  afterEnd = -1;
  sourceStart = -1;
  sourceEnd = -1;

  /** Reads the value of a record, which `payload` has opened. */
  read(record: KafkaRecord, payload: Payload, habits: Habits): this {
    this.op = '';
    this.beforeStart = this.afterStart = this.sourceStart = -1;
    this.kind = this.#kindOf(record, payload, habits);
    return this;
  }

  #kindOf(record: KafkaRecord, payload: Payload, habits: Habits): EnvelopeKind {
    const { bytes, start, end } = payload;
    if (!payload.isObject) return payload.isNull ? 'tombstone' : 'event';
    if (habits.isFlat && habits.row?.walk(bytes, start, end) === end) return this.#flat(record, payload);
    if (!habits.isFlat && habits.outer) {
      const { outer } = habits;
      linkInner(outer, 'after', habits.row);
      linkInner(outer, 'source', habits.source);
      if (outer.find(bytes, start, end) && this.#parts(bytes, outer)) return this.op === 'm' ? 'message' : 'change';
    }
    return this.#unfamiliar(record, payload, habits);
  }

  #unfamiliar(record: KafkaRecord, payload: Payload, habits: Habits): EnvelopeKind {
    const { bytes, start, end } = payload;
    if (record.topic.startsWith('__debezium-heartbeat')) return 'heartbeat';
    const known = payload.prefix && kindOfSchema(payload.prefix);
    if (known === 'flat') return this.#flat(record, payload);
    const names = memberNames(bytes, start, end);
    const kind = known ?? kindOfNames(names);
    if (kind === 'change') {
      const outer = new Layout(names);
      if (outer.find(bytes, start, end) && this.#parts(bytes, outer)) {
        habits.outer = outer;
        return this.op === 'm' ? 'message' : 'change';
      }
    } else if (kind !== 'flat') return kind;
    return isOutbox(record) ? 'event' : this.#flat(record, payload);
  }

  #flat(record: KafkaRecord, payload: Payload): EnvelopeKind {
    [this.afterStart, this.afterEnd] = [payload.start, payload.end];
    this.op = headerOf(record, '__op')?.toString() ?? '';
    return 'flat';
  }

  /** Takes the offsets of an envelope. False if it only looks like one. */
  #parts(bytes: Buffer, outer: Layout): boolean {
    const { names, starts, ends } = outer;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const [start, end] = [starts[i] as number, ends[i] as number];
      const isObject = bytes[start] === Token.object;
      if (name === 'before' && isObject) [this.beforeStart, this.beforeEnd] = [start, end];
      else if (name === 'after' && isObject) [this.afterStart, this.afterEnd] = [start, end];
      else if (name === 'source' && isObject) [this.sourceStart, this.sourceEnd] = [start, end];
      else if (name === 'op' && bytes[start] === Token.string) this.op = end - start === 3 ? letter(bytes[start + 1] as number) : stringAt(bytes, start, end);
    }
    return this.sourceStart >= 0 && this.op !== '';
  }
}

const letters = ['c', 'd', 'm', 'r', 't', 'u'].map((op) => [op.charCodeAt(0), op] as const);
const letterOf = new Map(letters);
const letter = (byte: number): string => letterOf.get(byte) ?? String.fromCharCode(byte);

function linkInner(outer: Layout, name: string, inner: Layout | undefined): void {
  const index = outer.indexOf(name);
  if (index >= 0) outer.inner[index] = inner;
}

const kinds = new WeakMap<Prefix, EnvelopeKind>();

function kindOfSchema(prefix: Prefix): EnvelopeKind {
  let kind = kinds.get(prefix);
  if (!kind) kinds.set(prefix, (kind = kindOfNames(namesOfSchema(prefix.schema) ?? [])));
  return kind;
}

export const namesOfSchema = (schema: ConnectSchema | undefined): string[] | undefined => schema?.fields?.map((field) => field.field ?? '');

/** Of the row in the schema of a record. */
export function rowSchema(prefix: Prefix | undefined, kind: EnvelopeKind): ConnectSchema | undefined {
  if (!prefix) return undefined;
  return kind === 'change' ? (fieldOfSchema(prefix.schema, 'after') ?? fieldOfSchema(prefix.schema, 'before')) : prefix.schema;
}

function kindOfNames(names: readonly string[]): EnvelopeKind {
  const has = (...wanted: string[]): boolean => wanted.every((name) => names.includes(name));
  if (has('op', 'source')) return 'change';
  if (has('status', 'event_count', 'data_collections')) return 'transaction';
  if (has('source', 'tableChanges') || has('source', 'ddl')) return 'schemaChange';
  return names.length === 1 && has('ts_ms') ? 'heartbeat' : 'flat';
}

/** The outbox event router gives every event its id as a header, and no row has a key that is not an object. */
function isOutbox(record: KafkaRecord): boolean {
  return record.headers.some((header) => header.key === 'id') && record.key !== null && record.key[0] !== Token.object;
}

/** Where a change was made, as its `source` tells; it holds until the next record is read. */
export class SourcePlace {
  #bytes: Buffer = Buffer.alloc(0);
  #layout = new Layout([]);
  #places: Readonly<Record<'connector' | 'schema' | 'table' | 'txId' | 'lsn' | 'ts_us' | 'ts_ms', number>> = { connector: -1, schema: -1, table: -1, txId: -1, lsn: -1, ts_us: -1, ts_ms: -1 };

  read(bytes: Buffer, start: number, end: number, habits: Habits): this {
    let layout = habits.source;
    if (!layout?.find(bytes, start, end)) {
      layout = new Layout(memberNames(bytes, start, end));
      layout.find(bytes, start, end);
      habits.source = layout;
    }
    this.#bytes = bytes;
    if (layout !== this.#layout) {
      this.#layout = layout;
      const at = (name: string): number => (layout as Layout).indexOf(name);
      this.#places = { connector: at('connector'), schema: at('schema'), table: at('table'), txId: at('txId'), lsn: at('lsn'), ts_us: at('ts_us'), ts_ms: at('ts_ms') };
    }
    return this;
  }

  /** Positions and times of these decades are below 2^53. */
  #number(index: number): number {
    if (index < 0) return 0;
    const [start, end] = [this.#layout.starts[index] as number, this.#layout.ends[index] as number];
    const quick = readInteger(this.#bytes, start, end);
    return Number.isNaN(quick) ? Number(this.#bytes.toString('latin1', start, end)) || 0 : quick;
  }

  #text(index: number): string {
    if (index < 0 || this.#bytes[this.#layout.starts[index] as number] !== Token.string) return '';
    return stringAt(this.#bytes, this.#layout.starts[index] as number, this.#layout.ends[index] as number);
  }

  get connector(): string {
    return this.#text(this.#places.connector);
  }

  get schema(): string {
    return this.#text(this.#places.schema);
  }

  get table(): string {
    return this.#text(this.#places.table);
  }

  /** 0: not told. */
  get txId(): number {
    return this.#number(this.#places.txId);
  }

  /** PostgreSQL's log sequence number; 0: not told. */
  get lsn(): number {
    return this.#number(this.#places.lsn);
  }

  /** Microseconds since 1970; 0: not told. */
  get timeUs(): number {
    return this.#number(this.#places.ts_us) || this.#number(this.#places.ts_ms) * 1000;
  }

  /** Whether it is the table whose names are these tokens. */
  isTable(schema: Buffer, table: Buffer): boolean {
    return this.#isToken(table, this.#places.table) && this.#isToken(schema, this.#places.schema);
  }

  #isToken(token: Buffer, index: number): boolean {
    if (index < 0) return false;
    const start = this.#layout.starts[index] as number;
    if ((this.#layout.ends[index] as number) - start !== token.length) return false;
    for (let i = 0; i < token.length; i++) if (this.#bytes[start + i] !== token[i]) return false;
    return true;
  }
}
