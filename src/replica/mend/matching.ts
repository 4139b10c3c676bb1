// Lists keys of rows that match a condition, at the source and at the target, in pages by the order of the key.
import { MillraceError } from '../../base/index.ts';
import { type Column, isAmong, quoteIdent, quoteTable, type TableName } from '../../data/index.ts';
import { type PgConnection, PgError } from '../../wire/index.ts';
import type { Route } from '../rules/route.ts';
import { isBuiltIn } from '../verify/verify.ts';
import type { RowKey } from '../verify/compare.ts';
import { keyFields } from './mendable.ts';

/** Rows that a condition is put to. */
interface Matching {
  readonly connection: PgConnection;
  /** A table, or a query in parentheses, that has the source's column names. */
  readonly from: string;
  /** The key's columns in `from`. */
  readonly key: readonly Pick<Column, 'name' | 'typeText'>[];
  /** SQL over the source table. */
  readonly where: string;
}

const pageRows = 2000;

async function* pagesOf({ connection, from, key, where }: Matching): AsyncGenerator<string[][]> {
  const names = key.map(({ name }) => quoteIdent(name)).join(', ');
  const texts = key.map(({ name }, i) => `${quoteIdent(name)}::text as k${i}`).join(', ');
  for (let last: string[] | undefined; ;) {
    const behind = last ? ` and (${names}) > (${key.map(({ typeText }, i) => `$${i + 1}::${typeText}`).join(', ')})` : '';
    const rows = await ask(connection, `select ${texts} from ${from} where (${where}\n)${behind} order by ${names} limit ${pageRows}`, last ?? []);
    if (rows.length > 0) yield (last = undefined, rows);
    last = rows.at(-1);
    if (rows.length < pageRows) return;
  }
}

/** Those of some keys whose rows match. */
const matchingOf = ({ connection, from, key, where }: Matching, keys: readonly (readonly string[])[]): Promise<string[][]> =>
  ask(connection, `select ${key.map(({ name }, i) => `${quoteIdent(name)}::text as k${i}`).join(', ')} from ${from} where (${where}\n) and ${isAmong(key, keys)}`, []);

async function ask(connection: PgConnection, sql: string, params: readonly string[]): Promise<string[][]> {
  try {
    return (await connection.rows<Record<string, string>>(sql, params)).map((row) => Object.values(row));
  } catch (error) {
    if (!(error instanceof PgError) || !/^(42|22)/.test(error.code)) throw error;
    throw new MillraceError('EXPRESSION_INVALID', `the condition cannot be put to the rows: ${error.message}`, {
      where: connection.where, cause: error, hint: 'write a condition over the source table, with columns that reach the target as they are',
    });
  }
}

/** Rows of a partitioned table lie in its partitions; children by inheritance are other tables. */
async function rowsOf(connection: PgConnection, table: TableName): Promise<string> {
  const [row] = await connection.rows<{ kind: string }>('select relkind as kind from pg_catalog.pg_class where oid = pg_catalog.to_regclass($1)', [quoteTable(table)]);
  return `${row?.kind === 'p' ? '' : 'only '}${quoteTable(table)}`;
}

/** The source's side. */
export async function atSource(connection: PgConnection, route: Route, where: string): Promise<Matching> {
  const { relation } = route;
  return {
    connection, where, key: keyFields(route).map((field) => relation.columns[field] as Column),
    from: `${await rowsOf(connection, relation)} as ${quoteIdent(relation.name)}`,
  };
}

/** The target's rows, under the names and in the types that their values have at the source. Rows that are marked as deleted are not among them. */
export async function atTarget(connection: PgConnection, route: Route, where: string): Promise<Matching> {
  const { relation, target, columns } = route;
  const taken = columns.flatMap(({ making, column }) => {
    const from = making.kind === 'field' ? relation.columns[making.field] : undefined;
    return from ? [`${quoteIdent(column.name)}${isBuiltIn(from.typeText) ? `::${from.typeText}` : ''} as ${quoteIdent(from.name)}`] : [];
  });
  const live = route.rule?.deletes === 'soft' ? ' where _deleted_at is null' : '';
  return {
    connection, where, key: keyFields(route).map((field) => relation.columns[field] as Column),
    from: `(select ${taken.join(', ')} from ${await rowsOf(connection, target)}${live}) as ${quoteIdent(relation.name)}`,
  };
}

/** What matches at the source; then what matches only at the target. */
export async function* mendKeys(source: Matching, target: Matching, isShared: boolean): AsyncGenerator<RowKey[]> {
  for await (const page of pagesOf(source)) yield page.map((texts) => ({ texts, atTarget: false }));
  if (isShared) return;
  for await (const page of pagesOf(target)) {
    const known = new Set((await matchingOf(source, page)).map((texts) => JSON.stringify(texts)));
    const rest = page.filter((texts) => !known.has(JSON.stringify(texts)));
    if (rest.length > 0) yield rest.map((texts) => ({ texts, atTarget: true }));
  }
}
