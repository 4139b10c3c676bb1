// Random schemas and random transactions on them, for property tests: what a source may do within the law of PostgreSQL.
import type { Random } from '../../src/base/index.ts';
import { quoteIdent, quoteLiteral } from '../../src/data/index.ts';
import type { PgConnection } from '../../src/wire/index.ts';
import { arrayLiteral, samples } from '../samples/pg-types.ts';

interface RandomColumn {
  readonly name: string;
  readonly type: string;
  /** Literals of values; NULL comes on top unless it is a key column. */
  readonly values: readonly string[];
}

interface RandomTable {
  readonly name: string;
  /** Key columns, with few values, so that transactions meet the same rows again. Empty: the table has no key and REPLICA IDENTITY FULL. */
  readonly key: readonly RandomColumn[];
  readonly columns: RandomColumn[];
}

const keyTypes: Record<string, readonly string[]> = {
  int4: ['-1', '0', '1', '2', '3', '4', '5', '6', '7'],
  int8: ['9007199254740993', '-9223372036854775808', '0', '1', '2', '3'],
  text: ['', 'a', 'b', 'Ä', ' ', 'c,"d'],
  'numeric(20,3)': ['0', '1.500', '-2.125', '99999999999999999.999', '3'],
  timestamptz: ['infinity', '-infinity', '2024-01-01 00:00:00.000001+00', '0044-03-15 00:00:00+00 BC', '2000-01-01 00:00:00+00'],
  uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  bool: ['t', 'f'],
  bytea: ['\\x', '\\x00', '\\xff'],
  // Values that are equal and yet not the same.
  numeric: ['1.5', '1.50', '0', '0.00', 'NaN', '2'],
  float8: ['0', '-0', 'NaN', '1', 'Infinity'],
  interval: ['1 mon', '30 days', '720:00:00', '0', '1 day'],
  'char(3)': ['a', 'a  ', 'bcd'],
  date: ['infinity', '2024-02-29', '0001-01-01 BC'],
};

/** Types whose values the server cannot send in binary form: now and then a stream of text is wanted. */
const textOnly = ['tsquery', 'int2vector', 'oidvector'];
const names = ['plain', 'Capital', 'with space', 'dot.ted', 'quo"te', 'ünï', 'order', 'x'];

const shuffled = <T>(random: Random, items: readonly T[]): T[] => items.map((item) => ({ item, at: random.next() })).sort((a, b) => a.at - b.at).map(({ item }) => item);

export class RandomDatabase {
  readonly tables: RandomTable[] = [];
  readonly #random: Random;
  readonly #db: PgConnection;
  #types: [string, string[]][] = [];
  #added = 0;
  /** Whether a table has another shape now than at first. */
  altered = false;

  constructor(db: PgConnection, random: Random) {
    this.#db = db;
    this.#random = random;
  }

  /** Makes 2 to 4 tables. */
  async create(): Promise<void> {
    const random = this.#random;
    this.#types = Object.entries(samples(random, 3)).filter(([type]) => random.chance(0.1) || !textOnly.includes(type));
    const columnNames = shuffled(random, [...names, ...Array.from({ length: 12 }, (_, i) => `c${i}`)]);
    for (let n = random.between(2, 4); n > 0; n--) {
      const next = (() => {
        let at = 0;
        return (): string => columnNames[at++] as string;
      })();
      const key = Array.from({ length: random.pick([0, 1, 1, 1, 2, 3]) }, (): RandomColumn => {
        const [type, values] = random.pick(Object.entries(keyTypes));
        return { name: next(), type, values: values.map(quoteLiteral) };
      });
      const columns = Array.from({ length: random.between(1, 6) }, () => this.#column(next()));
      const table: RandomTable = { name: `public.${quoteIdent(`${random.pick(names)} ${n}`)}`, key, columns };
      const all = shuffled(random, [...key, ...columns]);
      const primaryKey = key.length === 0 ? '' : `, primary key (${key.map((column) => quoteIdent(column.name)).join(', ')})`;
      await this.#db.query(`create table ${table.name} (${all.map((column) => `${quoteIdent(column.name)} ${column.type}`).join(', ')}${primaryKey})`);
      for (const column of columns) if (column.type === 'text') await this.#db.query(`alter table ${table.name} alter ${quoteIdent(column.name)} set storage external`);
      if (key.length === 0 || random.chance(0.2)) await this.#db.query(`alter table ${table.name} replica identity full`);
      this.tables.push(table);
    }
  }

  /**
   * Adds a column, mostly with a default, or drops one. The names are new ones: the target keeps dropped columns.
   */
  async alter(): Promise<void> {
    const random = this.#random;
    const table = random.pick(this.tables);
    this.altered = true;
    if (table.columns.length > 1 && random.chance(0.4)) {
      const [dropped] = table.columns.splice(random.below(table.columns.length), 1);
      await this.#db.query(`alter table ${table.name} drop column ${quoteIdent(dropped?.name ?? '')}`);
    } else {
      const column = this.#column(`added ${(this.#added += 1)}`);
      const value = random.chance(0.8) ? ` default ${random.pick(column.values)}::${column.type}` : '';
      await this.#db.query(`alter table ${table.name} add column ${quoteIdent(column.name)} ${column.type}${value}`);
      table.columns.push(column);
    }
  }

  #column(name: string): RandomColumn {
    const random = this.#random;
    if (random.chance(0.3)) return { name, type: 'text', values: Array.from({ length: 4 }, (_, i) => `pg_catalog.repeat('${i}', ${random.pick([10, 3000, 9000])})`) };
    const [type, all] = random.pick(this.#types);
    const texts = all.filter((text) => text.length < 5000);
    return random.chance(0.25)
      ? { name, type: `${type}[]`, values: Array.from({ length: 5 }, () => quoteLiteral(arrayLiteral(random, texts.slice(0, 30), type === 'box' ? ';' : ','))) }
      : { name, type, values: texts.map(quoteLiteral) };
  }

  /** One transaction over some of the tables. Statements that break a rule (a key that exists) are taken back by a savepoint. */
  async transaction(): Promise<void> {
    const random = this.#random;
    await this.#db.query('begin');
    for (let n = random.between(1, 8); n > 0; n--) {
      await this.#db.query('savepoint one');
      try {
        await this.#db.query(this.#statement(random.pick(this.tables)));
        if (random.chance(0.1)) await this.#db.query('rollback to one');
      } catch {
        await this.#db.query('rollback to one');
      }
    }
    await this.#db.query(random.chance(0.08) ? 'rollback' : 'commit');
  }

  #statement(table: RandomTable): string {
    const random = this.#random;
    const value = (column: RandomColumn, isKey: boolean): string => (!isKey && random.chance(0.15) ? 'null' : `${random.pick(column.values)}::${column.type}`);
    const roll = random.below(100);
    if (roll < 2) return `truncate ${[table.name, ...this.tables.filter((other) => other !== table && random.chance(0.3)).map((other) => other.name)].join(', ')}`;
    if (roll < 50) {
      const all = [...table.key, ...table.columns];
      const rows = Array.from({ length: random.between(1, 3) }, () => `(${all.map((column) => value(column, table.key.includes(column))).join(', ')})`);
      return `insert into ${table.name} (${all.map((column) => quoteIdent(column.name)).join(', ')}) values ${rows.join(', ')} ${table.key.length > 0 && random.chance(0.7) ? 'on conflict do nothing' : ''}`;
    }
    const which = table.key.length === 0 || random.chance(0.1)
      ? `ctid = (select ctid from ${table.name} order by ctid limit 1 offset ${random.below(4)})`
      : table.key.map((column) => `${quoteIdent(column.name)} = ${value(column, true)}`).slice(0, random.between(1, table.key.length)).join(' and ');
    if (roll < 62) return `delete from ${table.name} where ${which}`;
    const changed = shuffled(random, [...table.columns, ...(random.chance(0.4) ? table.key : [])]).slice(0, random.between(1, 3));
    return `update ${table.name} set ${changed.map((column) => `${quoteIdent(column.name)} = ${value(column, table.key.includes(column))}`).join(', ')} where ${which}`;
  }
}
