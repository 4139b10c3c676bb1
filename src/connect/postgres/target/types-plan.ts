// Types that the target lacks, in the order in which they depend on each other: enums, domains, ranges and composites are created, types of
// extensions are asked for. A domain gets its base type only: its CHECKs, NOT NULL and default are the source's business, rows were checked there.
import type { PgType, TableName } from '../../../data/index.ts';
import type { DdlStatement, TargetProblem } from './statement.ts';
import { ownerOf } from './privileges.ts';
import { block, ident, literal, qualified } from './sql-text.ts';
import { isBuiltIn, type TargetType, type TargetTypes } from './target-types.ts';

interface Use { readonly table: string; readonly column: string }

// Which extension makes a type of this name, where it is not called as its type.
const extensionOf: Readonly<Record<string, string>> = {
  geometry: 'postgis', geography: 'postgis', box2d: 'postgis', box3d: 'postgis', raster: 'postgis_raster', halfvec: 'vector', sparsevec: 'vector',
  lquery: 'ltree', ltxtquery: 'ltree', query_int: 'intarray', ean13: 'isn', isbn: 'isn', isbn13: 'isn', issn: 'isn', ismn: 'isn', upc: 'isn',
};

export class TypePlanner {
  readonly #target: TargetTypes;
  readonly #role: string;
  readonly #ddl: DdlStatement[];
  readonly #problems: TargetProblem[];
  readonly #visitTable: (name: TableName) => boolean;
  readonly #visited = new Set<string>();
  /** Ranges take the name of the multirange that is wanted with them. */
  readonly #multiranges: ReadonlyMap<string, PgType>;

  /** `all`: every type that may be visited. Appends to `ddl` and `problems`. `visitTable` plans a wanted table of that name, whose row type is meant, and says whether there is one. */
  constructor(target: TargetTypes, all: readonly PgType[], role: string, ddl: DdlStatement[], problems: TargetProblem[], visitTable: (name: TableName) => boolean) {
    this.#target = target;
    this.#multiranges = new Map(all.flatMap((type) => (type.kind === 'multirange' && type.element ? [[qualified(type.element), type] as const] : [])));
    this.#role = role;
    this.#ddl = ddl;
    this.#problems = problems;
    this.#visitTable = visitTable;
  }

  /** Plans the type and everything in it, once. */
  visit(type: PgType, use: Use): void {
    if (isBuiltIn(type) || this.#visited.has(qualified(type))) return;
    this.#visited.add(qualified(type));
    for (const part of [type.element, type.base, ...(type.attributes ?? []).map((attribute) => attribute.type)]) if (part) this.visit(part, use);
    if (type.kind === 'array' || type.kind === 'multirange') return; // they come with their element
    const actual = this.#target.find(type);
    if (actual) this.#compare(type, actual, use);
    else this.#create(type, use);
  }

  #create(type: PgType, use: Use): void {
    const name = qualified(type);
    const make = (sql: string): void => {
      const grant = `grant usage, create on schema ${ident(type.schema)} to ${this.#role}`;
      this.#ddl.push({ sql, why: `column ${use.column} of ${use.table} has this type`, object: `type ${name}`, table: use.table, grant, makesIn: type.schema });
    };
    if (type.kind === 'enum') make(`create type ${name} as enum (${(type.labels ?? []).map(literal).join(', ')})`);
    else if (type.kind === 'domain' && type.base) make(`create domain ${name} as ${this.#target.text(type.base, type.baseTypmod ?? -1)}`);
    else if (type.kind === 'composite') {
      if (!this.#visitTable(type)) make(`create type ${name} as ${block(this.#attributes(type).map((attribute) => `${ident(attribute.name)} ${attribute.text}`))}`);
    } else if (type.kind === 'range' && type.element) {
      const multirange = this.#multiranges.get(name);
      make(`create type ${name} as range (subtype = ${this.#target.text(type.element, -1)}${multirange ? `, multirange_type_name = ${qualified(multirange)}` : ''})`);
    } else this.#missingBase(type, use);
  }

  #missingBase(type: PgType, use: Use): void {
    const extension = extensionOf[type.name] ?? type.name;
    const [schema] = this.#target.elsewhere(type);
    const message = schema === undefined
      ? `type ${qualified(type)} does not exist at the target`
      : `type ${qualified(type)} is in schema ${ident(schema)} at the target`;
    const create = `create extension if not exists ${ident(extension)} schema ${ident(type.schema)}`;
    const hint = schema !== undefined ? `alter extension ${ident(extension)} set schema ${ident(type.schema)}`
      : this.#target.extensions.has(extension) ? create
      : `install the extension that has the type on the target's server, then: ${create}`;
    this.#problems.push({ level: 'error', ...use, message, hint });
  }

  #compare(type: PgType, actual: TargetType, use: Use): void {
    const name = qualified(type);
    const kinds: Readonly<Record<string, string>> = { b: 'base', c: 'composite', d: 'domain', e: 'enum', r: 'range', m: 'multirange', p: 'pseudo' };
    if (kinds[actual.typtype] !== type.kind) {
      this.#mismatch(use, `type ${name} is ${kinds[actual.typtype]} at the target and ${type.kind} at the source`);
    } else if (type.kind === 'enum') this.#addLabels(type, actual, use);
    else if (type.kind === 'domain' && type.base) {
      const base = this.#target.text(type.base, type.baseTypmod ?? -1);
      if (actual.base !== base) this.#mismatch(use, `domain ${name} is over ${actual.base ?? 'nothing'} at the target and over ${base} at the source`);
    } else if (type.kind === 'composite') this.#addAttributes(type, actual, use);
  }

  #mismatch(use: Use, message: string): void {
    this.#problems.push({ level: 'error', ...use, message, hint: `change the type at the target, or give ${use.column} another type there` });
  }

  #addLabels(type: PgType, actual: TargetType, use: Use): void {
    const labels = type.labels ?? [];
    const there = new Set(actual.labels);
    labels.forEach((label, i) => {
      if (there.has(label)) return;
      const next = labels.slice(i + 1).find((other) => there.has(other));
      const place = i > 0 ? ` after ${literal(labels[i - 1] as string)}` : next !== undefined ? ` before ${literal(next)}` : '';
      there.add(label);
      this.#alter(type, actual, use, `alter type ${qualified(type)} add value if not exists ${literal(label)}${place}`, 'the source has a new label');
    });
  }

  #addAttributes(type: PgType, actual: TargetType, use: Use): void {
    if (this.#visitTable(type)) return; // compared as a table
    const wanted = this.#attributes(type);
    const same = actual.attributes.every((attribute, i) => attribute.name === wanted[i]?.name && attribute.text === wanted[i]?.text);
    if (!same) return this.#mismatch(use, `type ${qualified(type)} has other attributes at the target than at the source`);
    for (const attribute of wanted.slice(actual.attributes.length)) {
      this.#alter(type, actual, use, `alter type ${qualified(type)} add attribute ${ident(attribute.name)} ${attribute.text} cascade`, 'the source has a new attribute');
    }
  }

  #alter(type: PgType, { owned }: TargetType, use: Use, sql: string, why: string): void {
    this.#ddl.push({ sql, why, object: `type ${qualified(type)}`, table: use.table, grant: ownerOf(`type ${qualified(type)}`, this.#role), owned });
  }

  #attributes(type: PgType): { name: string; text: string }[] {
    return (type.attributes ?? []).map((attribute) => ({ name: attribute.name, text: this.#target.text(attribute.type, attribute.typmod) }));
  }
}
