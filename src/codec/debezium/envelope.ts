// What a record is: which envelope, and where in its bytes the parts lie.
import { type ConnectSchema, fieldOfSchema, type Prefix } from './connect-schema.ts';
import { skipValue, stringAt, Token } from './json-scan.ts';
import { Layout, memberNames, type Walker } from './layout.ts';
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
  outer: Outer | undefined;
  /** Of the table that the last change was of. */
  source: SourceTail | undefined;
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
      outer.link(habits);
      if (outer.layout.find(bytes, start, end) && this.#parts(bytes, outer)) return this.op === 'm' ? 'message' : 'change';
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
      const outer = new Outer(names);
      if (outer.layout.find(bytes, start, end) && this.#parts(bytes, outer)) {
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
  #parts(bytes: Buffer, outer: Outer): boolean {
    const { starts, ends } = outer.layout;
    const { before, after, source } = outer;
    const start = starts[outer.op] as number;
    if (bytes[starts[source] as number] !== Token.object || bytes[start] !== Token.string) return false;
    this.sourceStart = starts[source] as number;
    this.sourceEnd = ends[source] as number;
    if (before >= 0 && bytes[starts[before] as number] === Token.object) {
      this.beforeStart = starts[before] as number;
      this.beforeEnd = ends[before] as number;
    }
    if (after >= 0 && bytes[starts[after] as number] === Token.object) {
      this.afterStart = starts[after] as number;
      this.afterEnd = ends[after] as number;
    }
    this.op = ends[outer.op] === start + 3 ? letter(bytes[start + 1] as number) : stringAt(bytes, start, ends[outer.op] as number);
    return true;
  }
}

/** The members of a whole envelope, of which source and op are there. */
class Outer {
  readonly layout: Layout;
  readonly before: number;
  readonly after: number;
  readonly source: number;
  readonly op: number;

  constructor(names: readonly string[]) {
    this.layout = new Layout(names);
    [this.before, this.after, this.source, this.op] = ['before', 'after', 'source', 'op'].map((name) => names.indexOf(name)) as [number, number, number, number];
  }

  link(habits: Habits): void {
    if (this.after >= 0) this.layout.inner[this.after] = habits.row;
    if (this.source >= 0) this.layout.inner[this.source] = habits.source;
  }
}

const letters = ['c', 'd', 'm', 'r', 't', 'u'].map((op) => [op.charCodeAt(0), op] as const);
const letterOf = new Map(letters);
const letter = (byte: number): string => letterOf.get(byte) ?? String.fromCharCode(byte);

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

/**
 * The end of a `source`, from its table on: what stands in front of it, more than half of a change, is not looked at unless somebody asks. Quotes
 * inside of strings have a backslash in front, so that the names with their quotes are found only where they are members.
 */
export class SourceTail implements Walker {
  readonly #table: Buffer;
  readonly #tail: readonly Buffer[];
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #txId: number;
  readonly #lsn: number;
  #bytes: Buffer | undefined;
  #start = -1;
  /** How far behind the source's start the table was last: in most sources at the same place. */
  #distance = 0;

  /** @param names Of the members that stand behind schema and table. */
  constructor(schema: string, table: string, names: readonly string[]) {
    this.#table = Buffer.from(`"schema":${JSON.stringify(schema)},"table":${JSON.stringify(table)}`);
    this.#tail = names.map((name) => Buffer.from(`,${JSON.stringify(name)}:`));
    this.#starts = new Int32Array(names.length);
    this.#ends = new Int32Array(names.length);
    this.#txId = names.indexOf('txId');
    this.#lsn = names.indexOf('lsn');
  }

  walk(bytes: Buffer, start: number, end: number): number {
    this.#start = -1;
    const found = this.#isTableAt(bytes, start + this.#distance) ? start + this.#distance : bytes.indexOf(this.#table, start);
    if (found < 0) return -1;
    this.#distance = found - start;
    let at = found + this.#table.length;
    for (let i = 0; i < this.#tail.length; i++) {
      const spelled = this.#tail[i] as Buffer;
      for (let k = 0; k < spelled.length; k++) if (bytes[at + k] !== spelled[k]) return -1;
      at += spelled.length;
      if (at >= end) return -1;
      this.#starts[i] = at;
      this.#ends[i] = at = skipValue(bytes, at, end);
    }
    if (at >= end || bytes[at] !== CLOSE_BRACE) return -1;
    this.#bytes = bytes;
    this.#start = start;
    return at + 1;
  }

  #isTableAt(bytes: Buffer, at: number): boolean {
    const table = this.#table;
    for (let i = 0; i < table.length; i++) if (bytes[at + i] !== table[i]) return false;
    return true;
  }

  /** Whether it has found the source that begins there. */
  knows(bytes: Buffer, start: number): boolean {
    return this.#start === start && this.#bytes === bytes;
  }

  get txId(): number {
    return this.#txId < 0 ? 0 : numberAt(this.#bytes as Buffer, this.#starts[this.#txId] as number, this.#ends[this.#txId] as number);
  }

  get lsn(): number {
    return this.#lsn < 0 ? 0 : numberAt(this.#bytes as Buffer, this.#starts[this.#lsn] as number, this.#ends[this.#lsn] as number);
  }
}

const CLOSE_BRACE = 0x7d;

/** Positions and times of these decades are below 2^53. null: 0. */
function numberAt(bytes: Buffer, start: number, end: number): number {
  const quick = readInteger(bytes, start, end);
  return Number.isNaN(quick) ? Number(bytes.toString('latin1', start, end)) || 0 : quick;
}

/** Where a change was made, as its `source` tells; it holds until the next record is read. */
export class SourcePlace {
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #tail: SourceTail | undefined;
  #layout = new Layout([]);
  #isFound = false;

  read(bytes: Buffer, start: number, end: number, habits: Habits): this {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#isFound = false;
    this.#tail = habits.source?.knows(bytes, start) === true ? habits.source : undefined;
    return this;
  }

  /** It is of the same table as the change before. */
  get isSameTable(): boolean {
    return this.#tail !== undefined;
  }

  /** For the next changes of this table; undefined where its names do not stand together. */
  tail(): SourceTail | undefined {
    const { names } = this.#found();
    const at = names.indexOf('table');
    return at > 0 && names[at - 1] === 'schema' ? new SourceTail(this.schema, this.table, names.slice(at + 1)) : undefined;
  }

  #found(): Layout {
    if (this.#isFound) return this.#layout;
    if (!this.#layout.find(this.#bytes, this.#start, this.#end)) {
      this.#layout = new Layout(memberNames(this.#bytes, this.#start, this.#end));
      this.#layout.find(this.#bytes, this.#start, this.#end);
    }
    this.#isFound = true;
    return this.#layout;
  }

  #number(name: string): number {
    const layout = this.#found();
    const index = layout.indexOf(name);
    return index < 0 ? 0 : numberAt(this.#bytes, layout.starts[index] as number, layout.ends[index] as number);
  }

  #text(name: string): string {
    const layout = this.#found();
    const index = layout.indexOf(name);
    if (index < 0 || this.#bytes[layout.starts[index] as number] !== Token.string) return '';
    return stringAt(this.#bytes, layout.starts[index] as number, layout.ends[index] as number);
  }

  get connector(): string {
    return this.#text('connector');
  }

  get schema(): string {
    return this.#text('schema');
  }

  get table(): string {
    return this.#text('table');
  }

  /** 0: not told. */
  get txId(): number {
    return this.#tail ? this.#tail.txId : this.#number('txId');
  }

  /** PostgreSQL's log sequence number; 0: not told. */
  get lsn(): number {
    return this.#tail ? this.#tail.lsn : this.#number('lsn');
  }

  /** Microseconds since 1970; 0: not told. */
  get timeUs(): number {
    return this.#number('ts_us') || this.#number('ts_ms') * 1000;
  }
}
