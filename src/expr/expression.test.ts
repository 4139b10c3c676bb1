import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MillraceError } from '../base/index.ts';
import { Decimal, JsonNull, type PgType, Unchanged } from '../data/index.ts';
import { bindCondition, bindExpression, EvaluationError, findType, loadGrammar, type ScopeColumn, UnchangedValueError } from './index.ts';

before(loadGrammar);

const type = (name: string): PgType => findType(name) as PgType;
const status: PgType = { oid: 70_001, schema: 'sales', name: 'status', kind: 'enum', labels: ['draft', 'open', 'closed'], binary: true };
const domain: PgType = { oid: 70_002, schema: 'public', name: 'price', kind: 'domain', base: type('numeric'), baseTypmod: ((10 << 16) | 2) + 4,
  binary: true };
const column = (name: string, of: string | PgType, typmod = -1): ScopeColumn => ({ name, type: typeof of === 'string' ? type(of) : of, typmod });
const scope = [column('id', 'int8'), column('status', status), column('total', 'numeric'), column('ActorId', 'int4'), column('note', 'text'),
  column('ok', 'bool'), column('price', domain), column('doc', 'jsonb'), column('raw', 'json')];

/** Evaluates over a row given by column name; other columns are NULL. */
function value(sql: string, row: Record<string, unknown> = {}): unknown {
  return bindExpression(sql, scope).evaluate((i) => row[scope[i]!.name] ?? null);
}

function refusal(sql: string, columns = scope): MillraceError {
  try {
    bindExpression(sql, columns, { where: 'millrace.yaml:12:7' });
  } catch (error) {
    assert.ok(error instanceof MillraceError, String(error));
    assert.equal(error.code, 'EXPRESSION_INVALID');
    return error;
  }
  throw new Error(`${sql} was accepted`);
}

describe('values', () => {
  test('operators bind as in PostgreSQL', () => {
    assert.equal(value('1 + 2 * 3'), 7);
    assert.equal(value('-2 ^ 2'), 4);
    assert.equal(value('2 ^ 3 ^ 2'), 64);
    assert.equal(value('7 / 2'), 3);
    assert.equal(value('-7 % 3'), -1);
    assert.equal(value('not true or true'), true);
    assert.equal(value("'a' || 'b' = 'ab'"), true);
    assert.equal(value('1 < 2 is not null'), true);
    assert.equal(String(value('1 / 3.0')), '0.33333333333333333333');
    assert.equal(String(value('(0 / 3.0) ^ 2')), '0.00000000000000000000');
    assert.equal(String(value('0.0 ^ 2.000000000000000000')), '0.000000000000000000');
    assert.equal(String(value('(0 / 3.0) ^ 0')), '1.00000000000000000000');
  });

  test('logic has three values', () => {
    const words: Record<string, boolean | null> = { true: true, false: false, null: null };
    const table = [
      ['true', 'null', null, true], ['false', 'null', false, null], ['null', 'null', null, null], ['null', 'true', null, true], ['null', 'false',
        false, null],
    ] as const;
    for (const [a, b, and, or] of table) {
      assert.equal(value(`ok and ${b}`, { ok: words[a] }), and, `${a} and ${b}`);
      assert.equal(value(`ok or ${b}`, { ok: words[a] }), or, `${a} or ${b}`);
    }
    assert.equal(value('not ok'), null);
    assert.equal(value('ok is unknown'), true);
    assert.equal(value('id in (1, 2, null)', { id: 3n }), null);
    assert.equal(value('id not in (1, 2, null)', { id: 1n }), false);
    assert.equal(value('id is distinct from null'), false);
    assert.equal(value("id = any('{1,null}')", { id: 2n }), null);
  });

  test('AND and CASE do not compute what they do not need', () => {
    assert.equal(value('id <> 0 and 10 / id > 1', { id: 0n }), false);
    assert.equal(value('case when id = 0 then 0 else 10 / id end', { id: 0n }), 0n);
  });

  test('a literal takes the type of its context', () => {
    assert.equal(value("status = 'open'", { status: 'open' }), true);
    assert.equal(value("status < 'closed'", { status: 'open' }), true);
    assert.equal(value("total = '1.50'", { total: Decimal.parse('1.5') }), true);
    assert.equal(bindExpression("'x'", scope).typeText, 'text');
    assert.equal(bindExpression('coalesce(id, 1.5)', scope).typeText, 'numeric');
  });

  test('json and its null', () => {
    assert.equal(value("doc -> 'a'", { doc: { a: null } }), JsonNull);
    assert.equal(value("doc ->> 'a'", { doc: { a: null } }), null);
    assert.equal(value("raw ->> 'a'", { raw: { a: 'x' } }), 'x');
    assert.equal(value('doc::text', { doc: { bb: 1, a: [true, 'é'] } }), '{"a": [true, "é"], "bb": 1}');
  });

  test('result types keep their modifiers', () => {
    assert.equal(bindExpression('total::numeric(12,3)', scope).typeText, 'numeric(12,3)');
    assert.equal(bindExpression('note::varchar(7)', scope).typeText, 'character varying(7)');
    assert.equal(bindExpression('price', scope).typeText, 'numeric(10,2)');
    assert.equal(bindExpression('status', scope).typeText, '"sales"."status"');
    assert.equal(bindExpression("now_at::timestamptz(3)", [column('now_at', 'timestamp')]).typeText, 'timestamp(3) with time zone');
  });

  test('columns are reported, and the SQL names them in quotes', () => {
    const bound = bindExpression('"ActorId" + id', scope);
    assert.deepEqual(bound.columns, [0, 3]);
    assert.equal(bound.sql, '("ActorId" + "id")');
    assert.equal(bindExpression('id + 1', scope, { columnSql: (i) => `t.c${i}` }).sql, '(t.c0 + 1)');
  });

  test('a condition selects what is true, not what is NULL', () => {
    const condition = bindCondition('id > 5', scope);
    assert.equal(condition.matches(() => 6n), true);
    assert.equal(condition.matches(() => 5n), false);
    assert.equal(condition.matches(() => null), false);
  });

  test('before and after', () => {
    const both = ['before', 'after'].map((qualifier) => ({ qualifier, name: 'status', type: status, typmod: -1 }));
    const changed = bindCondition('after.status is distinct from before.status', both);
    assert.equal(changed.matches((i) => ['open', 'closed'][i]), true);
    assert.equal(changed.matches((i) => ['open', 'open'][i]), false);
    assert.match(refusal("status = 'open'", both).message, /ambiguous/);
  });
});

describe('failures of a row', () => {
  const fails = (sql: string, row: Record<string, unknown>, sqlState: string): void =>
    assert.throws(() => value(sql, row), (error: unknown) => error instanceof EvaluationError && error.sqlState === sqlState, sql);

  test('carry the SQLSTATE', () => {
    fails('1 / id', { id: 0n }, '22012');
    fails('"ActorId" + 1', { ActorId: 2147483647 }, '22003');
    fails('note::int', { note: 'x' }, '22P02');
    fails('total::numeric(3,1)', { total: Decimal.parse('100') }, '22003');
  });

  test('an unchanged value is told by its column', () => {
    assert.throws(() => value("note = 'x' or ok", { note: Unchanged }), (error: unknown) => error instanceof UnchangedValueError
      && error.column === 'note');
    assert.equal(value("ok or note = 'x'", { note: Unchanged, ok: true }), true);
  });
});

describe('refusals', () => {
  test('show the line and a caret, also beyond ASCII', () => {
    const error = refusal("note = 'é' and\n  totl > 1");
    assert.equal(error.message, 'column "totl" does not exist');
    assert.equal(error.hint, 'did you mean total?');
    assert.equal(error.where, 'millrace.yaml:12:7, expression line 2, column 3');
    assert.equal(error.detail, '  totl > 1\n  ^');
    assert.equal(refusal("note || 'é' || x").detail, "note || 'é' || x\n               ^");
    assert.equal(refusal("note || 'é' 1 2").detail, "note || 'é' 1 2\n            ^");
  });

  const cases: readonly (readonly [sql: string, message: RegExp, hint?: RegExp])[] = [
    ['actorid = 1', /column "actorid" does not exist/, /"ActorId"/],
    ["status = 'opne'", /invalid input value for enum sales.status/, /'draft', 'open', 'closed'/],
    ['lowr(note)', /function lowr does not exist/, /lower/],
    ['lower(id)', /function lower\(bigint\) does not exist/, /lower\(text\)/],
    ['note + 1', /operator does not exist: text \+ integer/],
    ['now()', /not immutable/],
    ['current_date', /not immutable/],
    ['(select 1)', /subquery/],
    ['count(*)', /aggregates/],
    ['id, note', /not a single SQL expression/],
    ['id from t', /not a single SQL expression/],
    ['id as x', /not a single SQL expression/],
    ['id; select 1', /not a single SQL expression/],
    ['*', /cannot be used here/],
    ['$1', /parameters/],
    ["note ~ '(a)\\1'", /not supported/],
    ["note ~ '['", /invalid regular expression/],
    ["date_trunc('dya', '2020-01-01'::timestamp)", /unit "dya" not recognized/],
    ["note at time zone 'UTC'", /does not exist/],
    ["'2020-01-01'::timestamp at time zone 'Europe/Berlin'", /only 'UTC'/],
    ["'2020-13-01'::date", /invalid input syntax for type date/],
    ['ok and 1', /argument of AND must be type boolean, not type integer/],
    ['case when ok then 1 else note end', /CASE types .* cannot be matched/],
    ['note::nothing', /type "nothing" is not supported/],
    ['id::bool', /cannot cast type bigint to boolean/],
    ["raw = '{}'::json and doc < doc", /operator does not exist: jsonb < jsonb/],
    ['note collate "C"', /COLLATE/],
    ["note similar to 'a'", /SIMILAR TO/],
    ['1 +', /syntax error at end of input/],
  ];
  for (const [sql, message, hint] of cases) {
    test(sql, () => {
      const error = refusal(sql);
      assert.match(error.message, message);
      if (hint) assert.match(error.hint, hint);
    });
  }

  test('a condition must be boolean', () => {
    assert.throws(() => bindCondition('id', scope), /must be type boolean, not type bigint/);
  });
});
