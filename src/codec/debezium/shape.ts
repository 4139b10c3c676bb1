// One shape of a table's rows in a topic: which members in which order, the column each becomes, and the relation they make.
import { createHash } from 'node:crypto';
import type { ByteWriter } from '../../base/index.ts';
import { type Column, Format, NULL_FIELD, type Relation, type ReplicaIdentity, type TableName, UNCHANGED_FIELD } from '../../data/index.ts';
import { binaryCell, isBinaryHere } from './binary-cell.ts';
import { type CellReader, cellReader } from './cell.ts';
import { type ConnectSchema, type DebeziumSettings, type ExpectedType, fieldOfSchema, schemaOfType } from './connect-schema.ts';
import { inferredColumn } from './infer.ts';
import { stringAt, Token } from './json-scan.ts';
import { Layout } from './layout.ts';
import type { Losses } from './losses.ts';
import type { IsPlaceholder } from './placeholder.ts';
import { put32 } from './quick.ts';
import { isEnumArray, staticLosses } from './static-losses.ts';

interface Member {
  readonly name: string;
  /** Of its fields. */
  readonly format: number;
  /** Undefined: it says something about the change (`__op`), and is no column. */
  readonly read: CellReader | undefined;
  readonly column: Column | undefined;
  /** NULL cannot be told from other values. */
  readonly nullRefused: boolean;
}

export interface ShapeParts {
  readonly table: TableName;
  readonly oid: number;
  /** Of the row, where the record carries one. */
  readonly schema: ConnectSchema | undefined;
  readonly names: readonly string[];
  readonly keyNames: readonly string[];
  readonly identity: ReplicaIdentity;
  readonly isFlat: boolean;
  readonly expected: ReadonlyMap<string, ExpectedType> | undefined;
  readonly settings: DebeziumSettings;
  readonly isPlaceholder: IsPlaceholder;
  readonly losses: Losses;
}

/** What ExtractNewRecordState adds to a row (add.fields), with its default prefix. */
const additions = /^__(deleted|op|table|db|schema|name|lsn|txId|xmin|snapshot|sequence|connector|version|ts_(ms|us|ns)|(source|transaction)_\w+)$/;

/** A row was not written: its members are not those of the shape. */
export const Otherwise = Symbol('otherwise');

export class Shape {
  readonly relation: Relation;
  /** `Format` per column. */
  readonly formats: Uint8Array;
  readonly keyNames: readonly string[];
  readonly schema: ConnectSchema | undefined;
  /** Of its rows. */
  readonly layout: Layout;
  /** Of the flat row that was read last. */
  deleted = false;
  op = '';
  /** The row that was written last has a placeholder instead of a large value. */
  unavailable = false;
  readonly #members: readonly Member[];
  readonly #columns: readonly Member[];
  readonly #isPlaceholder: IsPlaceholder;
  readonly #losses: Losses;
  readonly #key: Layout;

  constructor(parts: ShapeParts) {
    const { names, keyNames, losses, schema } = parts;
    this.keyNames = keyNames;
    this.schema = schema;
    this.layout = new Layout(names);
    this.#losses = losses;
    this.#isPlaceholder = parts.isPlaceholder;
    this.#members = names.map((name) => makeMember(name, parts));
    this.#columns = this.#members.filter(({ read }) => read !== undefined);
    this.#key = new Layout(keyNames);
    this.formats = Uint8Array.from(this.#columns, ({ format }) => format);
    this.relation = makeRelation(parts, this.#columns.map(({ column }) => column as Column));
    // A row of which only the key is known says nothing of other columns.
    if (names.join() === keyNames.join()) return;
    for (const name of parts.expected?.keys() ?? []) if (!names.includes(name)) losses.add('columnAbsent', name, 0);
  }

  /** Appends the row of the object in `bytes[start..end)`. Returns whether a field was left out, or Otherwise with nothing appended. */
  writeRow(bytes: Buffer, start: number, end: number, out: ByteWriter): boolean | typeof Otherwise {
    const { layout } = this;
    if (!layout.find(bytes, start, end)) return Otherwise;
    const { starts, ends } = layout;
    const members = this.#members;
    this.deleted = false;
    this.op = '';
    this.unavailable = false;
    out.i16(this.#columns.length);
    let partial = false;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as Member;
      if (member.read) partial = !this.#writeCell(member, bytes, starts[i] as number, ends[i] as number, out) || partial;
      else this.#addition(member.name, bytes, starts[i] as number, ends[i] as number);
    }
    return partial;
  }

  /** Returns false where the field is left out. */
  #writeCell(member: Member, bytes: Buffer, start: number, end: number, out: ByteWriter): boolean {
    if (bytes[start] === Token.null) {
      if (member.nullRefused) this.#losses.add('enumArray', member.name);
      writeLength(out, member.nullRefused ? UNCHANGED_FIELD : NULL_FIELD);
      return !member.nullRefused;
    }
    if (this.#isPlaceholder(bytes, start, end)) {
      this.unavailable = true;
      out.i32(UNCHANGED_FIELD);
      return false;
    }
    const lengthAt = out.length;
    writeLength(out, 0);
    const verdict = (member.read as CellReader)(bytes, start, end, out);
    if (verdict === undefined) {
      put32(out.buffer, lengthAt, out.length - lengthAt - 4);
      return true;
    }
    out.truncate(lengthAt);
    out.i32(UNCHANGED_FIELD);
    if (verdict === 'unchanged') this.unavailable = true;
    else this.#losses.add(verdict.code, member.name, 1, bytes.toString('utf8', start, Math.min(end, start + 80)));
    return false;
  }

  #addition(name: string, bytes: Buffer, start: number, end: number): void {
    if (name === '__deleted') this.deleted = bytes.toString('latin1', start, end).replaceAll('"', '') === 'true';
    else if (name === '__op' && bytes[start] === Token.string) this.op = stringAt(bytes, start, end);
  }

  /** Whether the object in `bytes[start..end)` is a key of this shape. */
  isKey(bytes: Buffer, start: number, end: number): boolean {
    return this.keyNames.length > 0 && this.#key.find(bytes, start, end);
  }

  /**
   * Appends a row of which only the columns of the key are there, taken from an object that is a key or a row. Returns false, with nothing appended,
   * if one of them is not there.
   */
  writeKey(bytes: Buffer, start: number, end: number, out: ByteWriter): boolean {
    const { key } = this.relation;
    const layout = this.#key.find(bytes, start, end) ? this.#key : this.layout.find(bytes, start, end) ? this.layout : undefined;
    if (key.length === 0 || !layout) return false;
    const from = out.length;
    out.i16(this.#columns.length);
    for (let index = 0; index < this.#columns.length; index++) {
      const member = this.#columns[index] as Member;
      const at = key.includes(index) ? layout.indexOf(member.name) : -1;
      if (at < 0) out.i32(NULL_FIELD);
      else if (!this.#writeCell(member, bytes, layout.starts[at] as number, layout.ends[at] as number, out)) {
        out.truncate(from);
        return false;
      }
    }
    return true;
  }
}

function writeLength(out: ByteWriter, length: number): void {
  out.reserve(4);
  put32(out.buffer, out.length, length);
  out.advance(4);
}

function makeMember(name: string, parts: ShapeParts): Member {
  if (parts.isFlat && additions.test(name)) return { name, format: Format.text, read: undefined, column: undefined, nullRefused: false };
  const expected = parts.expected?.get(name);
  const schema = (parts.schema && fieldOfSchema(parts.schema, name)) ?? (expected && schemaOfType(expected, parts.settings));
  if (schema) for (const code of staticLosses(schema, expected)) parts.losses.add(code, name, 0);
  const text = cellReader({ schema, expected, settings: parts.settings, note: (code) => parts.losses.add(code, name) });
  const column = inferredColumn(name, parts.schema && fieldOfSchema(parts.schema, name), expected, parts.keyNames.includes(name));
  const isBinary = isBinaryHere(column.type);
  return { name, format: isBinary ? Format.binary : Format.text, read: isBinary ? binaryCell(column.type, schema, text) : text, column, nullRefused: isEnumArray(schema) };
}

function makeRelation(parts: ShapeParts, columns: readonly Column[]): Relation {
  const { table, oid, keyNames, identity } = parts;
  const key = keyNames.map((name) => columns.findIndex((column) => column.name === name)).filter((index) => index >= 0);
  const shape = { schema: table.schema, name: table.name, oid, columns, identity, key: key.length === keyNames.length ? key : [] };
  const text = JSON.stringify([shape.schema, shape.name, shape.identity, shape.key, columns.map(({ name, typeText }) => [name, typeText])]);
  return { ...shape, version: createHash('sha256').update(text).digest('hex').slice(0, 16) };
}
