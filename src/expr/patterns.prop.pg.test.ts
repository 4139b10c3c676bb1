// Random regular expressions and LIKE patterns: Millrace and PostgreSQL agree on what they match, and on which are wrong.
// Seed: MILLRACE_SEED=n repeats a run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { Random } from '../base/index.ts';
import { type Cluster, startCluster } from '../cli/demo/cluster.ts';
import { EvaluationError } from './errors.ts';
import { unicodeLower } from './letters.ts';
import { likePattern } from './like.ts';
import { regexPattern } from './regex.ts';

let cluster: Cluster;
let client: pg.Client;
before(async () => {
  cluster = await startCluster();
  client = new pg.Client(cluster.url());
  await client.connect();
  await client.query(`
    create function try_match(operator text, subject text, pattern text) returns text language plpgsql as $$
    declare result boolean;
    begin
      execute format('select $1 %s ($2 collate %I)', operator, case when operator = '~~*' then 'und-x-icu' else 'C' end) into result using subject,
        pattern;
      return result::text;
    exception when others then
      return sqlstate;
    end $$`);
});
after(async () => {
  await client?.end();
  await cluster?.remove();
});

const atoms = ['a', 'b', 'B', '1', ' ', '.', '\\d', '\\w', '\\s', '\\S', '\\D', '\\W', '[ab]', '[^a]', '[a-c1]', '[[:alpha:]]', '[^[:digit:]]',
  '[[:space:]b]', '[]a]', '[a-]', '[\\d_]', '[\\w-]', '\\.', '\\\\', '\\-', 'é', '😀', ']', '/', '&&', '[.]', '[&&a]', '-', '"', '\\n'];
const quantifiers = ['', '', '', '', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?', '+?', '{2,1}', '{300}'];
const texts = ['', 'a', 'ab', 'aab1', 'B b', 'é', '😀', 'a.b', 'a\\b', '1 2', 'b]a', 'a\nb', '\u00a0', '\u212a', 'aaa/bbb-&&', 'abABab12'];
const likeAtoms = ['a', 'b', 'B', 'é', 'É', '😀', '%', '%', '_', '\\%', '\\_', '\\\\', '1', ' ', '.'];

function regex(random: Random, depth = 2): string {
  const piece = (): string => (depth > 0 && random.chance(0.2)
    ? `(${random.chance(0.3) ? '?:' : ''}${regex(random, depth - 1)})` : random.pick(atoms)) + random.pick(quantifiers);
  const branch = (): string => (random.chance(0.15) ? '^' : '') + Array.from({ length: random.between(0, 4) },
    piece).join('') + (random.chance(0.15) ? '$' : '');
  return Array.from({ length: random.chance(0.2) ? 2 : 1 }, branch).join('|');
}

const like = (random: Random): string => Array.from({ length: random.between(0, 6) }, () => random.pick(likeAtoms)).join('');

function attempt(make: () => (text: string) => boolean): string[] | undefined {
  try {
    const matches = make();
    return texts.map((text) => String(matches(text)));
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return error.sqlState === '0A000' ? undefined : texts.map(() => error.sqlState);
  }
}

test('patterns match what they match in PostgreSQL', async () => {
  const seed = Number(process.env.MILLRACE_SEED ?? (Math.random() * 2 ** 31) | 0);
  const random = new Random(seed);
  const cases = Array.from({ length: 1000 }, () => {
    const operator = random.pick(['~', '~', '~*', '~~', '~~*']);
    const pattern = operator.startsWith('~~') ? like(random) : regex(random);
    const ilike = (): ((text: string) => boolean) => {
      const matches = likePattern(unicodeLower(pattern));
      return (text) => matches(unicodeLower(text));
    };
    const mine = attempt(operator === '~~' ? () => likePattern(pattern) : operator === '~~*' ? ilike : () => regexPattern(pattern,
      operator === '~*'));
    return { operator, pattern, mine };
  }).filter(({ mine }) => mine !== undefined);
  const { rows } = await client.query<{ theirs: string[] }>(
    `select array(select try_match(c.operator, t.subject, c.pattern) from unnest($3::text[]) with ordinality t (subject, n) order by t.n) as theirs
     from unnest($1::text[], $2::text[]) with ordinality c (operator, pattern, n) order by n`,
    [cases.map(({ operator }) => operator), cases.map(({ pattern }) => pattern), texts],
  );
  const problems = cases.flatMap(({ operator, pattern, mine }, i) =>
    texts.flatMap((text, t) => (mine![t] === rows[i]!.theirs[t]
      ? [] : [`${JSON.stringify(text)} ${operator} ${pattern}: mine ${mine![t]}, PostgreSQL ${rows[i]!.theirs[t]}`])));
  assert.equal(problems.length, 0, `MILLRACE_SEED=${seed}: ${problems.length} differences\n${problems.slice(0, 25).join('\n')}`);
  assert.ok(cases.length > 600, `only ${cases.length} patterns were accepted`);
});
