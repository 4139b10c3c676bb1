// A table that changes its rows and its shape at random, as PostgreSQL lets it: statements, and what the columns are afterwards.
import type { Random } from '../../src/base/index.ts';

const types = ['int', 'bigint', 'text', 'varchar(12)', 'numeric(10,2)', 'numeric(14,4)', 'date', 'mood'];

/** All values fit: none has more than four digits. What the rows get by USING, the target can only know by reading them. */
const retypes: Readonly<Record<string, readonly string[]>> = {
  int: ['bigint', 'text', 'numeric(10,2)', 'date using date \'2024-01-01\''], bigint: ['int', 'text'], text: ['varchar(12)', 'int using length({})'], 'varchar(12)': ['text'],
  'numeric(10,2)': ['numeric(14,4)', 'numeric(8,1)'], 'numeric(14,4)': ['numeric(10,2)', 'numeric'], date: ['timestamp'], timestamp: ['date'], mood: ['text'],
};

const keys = ['id', 'other', 'id, other', 'other, id'];

export class ChangingTable {
  readonly name: string;
  /** Besides the key columns `id` and `other`. */
  readonly columns = new Map([['a', 'int'], ['b', 'text'], ['c', 'numeric(10,2)']]);
  readonly #random: Random;
  /** Those that are NOT NULL. */
  readonly #filled = new Set<string>();
  #rows = 0;
  #key = 'id';

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  create(rows: number): string {
    return `create table ${this.name} (id int primary key, other int not null unique, a int, b text, c numeric(10,2));
      insert into ${this.name} select -i, i, i % 9000, 'x', i % 1000 from generate_series(1, ${rows}) i`;
  }

  /** The same table under another name. */
  renamed(name: string): ChangingTable {
    const table = new ChangingTable(name, this.#random);
    table.columns.clear();
    for (const [column, type] of this.columns) table.columns.set(column, type);
    for (const column of this.#filled) table.#filled.add(column);
    [table.#rows, table.#key] = [this.#rows, this.#key];
    return table;
  }

  get list(): string {
    return ['id', 'other', ...[...this.columns].map(([column, type]) => `${column}::${type}`)].join(', ');
  }

  #one<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  get #column(): string {
    return this.#one([...this.columns.keys()]);
  }

  #value(column: string): string {
    const type = this.columns.get(column) as string;
    const n = this.#random.below(9000);
    if (this.#random.below(6) === 0 && !this.#filled.has(column)) return 'null';
    if (type === 'mood') return this.#one(["'sad'", "'ok'", "'happy'"]);
    return type === 'date' || type === 'timestamp' ? `date '2024-01-01' + ${n % 300}` : type.startsWith('numeric') ? `${n / 10}` : `${n}`;
  }

  row(): string {
    const columns = [...this.columns];
    const id = (this.#rows += 1);
    return `insert into ${this.name} (${['id', 'other', ...columns.map(([name]) => name)].join(', ')}) values (${[id, -id, ...columns.map(([name]) => this.#value(name))].join(', ')})`;
  }

  /** A change of rows. */
  change(): string {
    const column = this.#column;
    const id = 1 + this.#random.below(Math.max(1, this.#rows));
    const kind = this.#random.below(17);
    if (kind < 6) return this.row();
    if (kind < 12) return `update ${this.name} set ${column} = ${this.#value(column)} where id = ${id}`;
    if (kind < 14) return `delete from ${this.name} where id = ${id}`;
    if (kind === 16) return `truncate ${this.name}`;
    const to = (this.#rows += 1);
    return `update ${this.name} set ${kind === 14 ? `id = ${to}` : `other = -${to}`} where id = ${id}`;
  }

  /** A change of the shape. */
  alter(): string {
    const { name: table, columns } = this;
    const column = this.#column;
    const type = columns.get(column) as string;
    const name = ['a', 'b', 'c', 'd', 'e', 'f'].find((one) => !columns.has(one));
    const kind = this.#random.below(8);
    if (kind <= 1 && name !== undefined) {
      const added = this.#one(types);
      columns.set(name, added);
      const constant = added === 'mood' ? ` default 'ok'` : added === 'date' ? '' : ' default 7';
      const end = this.#one(['', constant, constant === '' ? '' : `${constant} not null`, added === 'int' ? ' default 100 * random()' : '']);
      if (end.endsWith('not null')) this.#filled.add(name);
      return `alter table ${table} add ${name} ${added}${end}`;
    }
    if (kind === 2 && columns.size > 2) {
      columns.delete(column);
      this.#filled.delete(column);
      return `alter table ${table} drop ${column}`;
    }
    if (kind === 3 && name !== undefined) {
      columns.delete(column);
      columns.set(name, type);
      if (this.#filled.delete(column)) this.#filled.add(name);
      return `alter table ${table} rename ${column} to ${name}`;
    }
    if (kind === 4) {
      this.#filled.delete(column);
      return `alter table ${table} alter ${column} drop not null`;
    }
    if (kind === 5) {
      const key = this.#one(keys);
      if (key === this.#key) return this.change();
      this.#key = key;
      return `alter table ${table} drop constraint if exists ${table}_pkey; alter table ${table} add constraint ${table}_pkey primary key (${key})`;
    }
    if (kind === 6) return `alter table ${table} replica identity ${this.#one(['full', 'default'])}`;
    const to = this.#one(retypes[type] ?? []);
    if (to === undefined) return this.change();
    columns.set(column, to.replace(/ using.*/, ''));
    return `alter table ${table} alter ${column} drop default, alter ${column} type ${to.replace('{}', column)}`;
  }
}
