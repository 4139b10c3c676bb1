// Random expressions over random rows: Millrace and PostgreSQL agree on the value, or on the SQLSTATE of the failure.
// Seed: MILLRACE_SEED=n repeats a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Cluster, startCluster } from '../cli/demo/cluster.ts';
import { MillraceError, Random } from '../base/index.ts';
import { bindExpression, EvaluationError, loadGrammar } from './index.ts';
import { ExpressionMaker } from './oracle-expressions.ts';
import { columns, oracleTable, rowsToInsert, scope, tryFunction } from './oracle-rows.ts';
import { parserOf } from './text-io.ts';

let cluster: Cluster;
let client: pg.Client;
before(async () => {
  cluster = await startCluster();
  const admin = new pg.Client(cluster.url());
  await admin.connect();
  // Its order is that of code points, its case mapping that of Unicode: what Millrace promises whatever the collation of the database.
  await admin.query("create database oracle template template0 encoding utf8 locale_provider builtin builtin_locale 'PG_UNICODE_FAST'");
  await admin.end();
  client = new pg.Client(cluster.url('oracle'));
  await client.connect();
  await loadGrammar();
  await client.query(oracleTable);
  await client.query(tryFunction);
});
after(async () => {
  await client?.end();
  await cluster?.remove();
});

interface Case {
  sql: string;
  mine: string[];
  canonical: string | undefined;
}

function evaluateAll(sql: string, rows: readonly unknown[][]): Case {
  try {
    const bound = bindExpression(`(${sql})::text`, scope);
    const mine = rows.map((row) => {
      try {
        const value = bound.evaluate((column) => row[column]);
        return value === null ? 'NULL' : `=${value as string}`;
      } catch (error) {
        if (error instanceof EvaluationError) return `!${error.sqlState}`;
        throw new Error(`${sql} of ${String(row.map(String))} broke`, { cause: error });
      }
    });
    return { sql, mine, canonical: bound.sql };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { sql, mine: [`refused: ${error.message}`], canonical: undefined };
  }
}

test('random expressions give what PostgreSQL gives', async () => {
  const seed = Number(process.env.MILLRACE_SEED ?? (Math.random() * 2 ** 31) | 0);
  const count = Number(process.env.MILLRACE_COUNT ?? 700);
  const random = new Random(seed);
  await client.query(rowsToInsert(random, 8));
  const texts = columns.map((column) => `${column.name}::text`).join(', ');
  const { rows: stored } = await client.query<string[]>({ text: `select ${texts} from oracle order by id`, rowMode: 'array' });
  const rows = stored.map((row) => row.map((text, i) => (text === null ? null : (parserOf(scope[i]!.type) as (text: string) => unknown)(text))));
  const maker = new ExpressionMaker(random);
  const cases = Array.from({ length: count }, () => evaluateAll(maker.expression(), rows));
  const { rows: answers } = await client.query<{ theirs: string[]; canonical: string[] | null }>(
    `select array(select oracle_try(x.sql, r.id) from oracle r order by r.id) as theirs,
            case when x.canonical is not null then array(select oracle_try(x.canonical, r.id) from oracle r order by r.id) end as canonical
     from unnest($1::text[], $2::text[]) with ordinality x (sql, canonical, n) order by n`,
    [cases.map((one) => `(${one.sql})::text`), cases.map((one) => one.canonical ?? null)],
  );
  const problems: string[] = [];
  let values = 0;
  for (const [i, { sql, mine, canonical }] of cases.entries()) {
    const { theirs, canonical: canonicals } = answers[i]!;
    if (canonical === undefined) {
      if (theirs.some((one) => !one.startsWith('!'))) problems.push(`${sql}\n    ${mine[0]}\n    PostgreSQL: ${theirs.join(' | ')}`);
      continue;
    }
    for (const [r, value] of mine.entries()) {
      if (value.startsWith('=')) values += 1;
      const inputs = columns.map((column, c) => (sql.includes(column.name) ? `${column.name}=${stored[r]![c]}` : '')).filter(Boolean).join(' ');
      if (value !== theirs[r]) problems.push(`${sql}\n    ${inputs}\n    mine ${value}\n    pg   ${theirs[r]}`);
      else if (value !== canonicals?.[r]) problems.push(`${canonical}\n    ${inputs}\n    mine ${value}\n    pg of this text ${canonicals?.[r]}`);
    }
  }
  assert.equal(problems.length, 0, `MILLRACE_SEED=${seed}: ${problems.length} differences\n${problems.slice(0, 20).join('\n')}`);
  assert.ok(values > count, `only ${values} values were compared`);
});
