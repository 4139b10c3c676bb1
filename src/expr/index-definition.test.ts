import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { MillraceError } from '../base/index.ts';
import { loadGrammar } from './grammar.ts';
import { indexName, type IndexText, parseIndex } from './index-definition.ts';

before(loadGrammar);

const parsed = (on: string, rest: Partial<IndexText> = {}): ReturnType<typeof parseIndex> => parseIndex({ on, unique: false, ...rest });
const named = (table: string, on: string, rest: Partial<IndexText> = {}): string => indexName(table, parsed(on, rest));

test('columns are found in expressions and conditions, as SQL folds them', () => {
  assert.deepEqual(parsed('Customer_Id, "Größe" desc nulls last, lower(email) collate "C", (a ->> \'x\') public.ops(siglen = 32)').columns, ['customer_id', 'Größe', 'email', 'a']);
  assert.deepEqual(parsed('a', { where: "status <> 'done' and a > 3" }).columns, ['a', 'status']);
});

test('the text is on one line, without comments', () => {
  const { text } = parsed("\"Größe\"  DESC, -- the newest\n  f('a  -- b',  /* c */ x::text )", { where: 'a\n  > 1 -- d' });
  assert.deepEqual(text, { on: "\"Größe\" DESC, f('a  -- b', x::text )", where: 'a > 1', unique: false });
});

test('a name is the same for the same definition, and another one for any other', () => {
  const name = named('orders', 'status, created_at desc');
  assert.match(name, /^orders_status_created_at_idx_[0-9a-f]{8}$/);
  for (const same of ['Status , CREATED_AT DESC', 'status,\n  created_at /* the newest */ desc']) assert.equal(named('orders', same), name);
  assert.equal(named('orders', 'status, created_at desc', { using: 'btree' }), name);
  const others = [
    named('orders', 'status, created_at'), named('orders', '"Status", created_at desc'), named('orders', 'status, created_at desc', { unique: true }), named('orders', 'status, created_at desc', { where: 'a > 1' }),
    named('orders', 'status, created_at desc', { where: "a > 'x'" }), named('orders', 'status, created_at desc', { where: "a > 'X'" }), named('orders', 'status, created_at desc', { using: 'gist' }),
    named('orders_status', 'created_at desc'), named('lines', 'status, created_at desc'),
  ];
  assert.equal(new Set([name, ...others]).size, others.length + 1);
});

test('a name has at most 63 bytes, and never half a letter', () => {
  for (const [table, on] of [['t'.repeat(70), 'c'], ['t', 'c'.repeat(63)], ['ä'.repeat(31), `"${'ö'.repeat(31)}"`], ['t'.repeat(50), 'a, b, c, lower(d), coalesce(e, f)']] as const) {
    const name = named(table, on);
    assert.ok(Buffer.byteLength(name) <= 63, name);
    assert.match(name, /^[täöa-z_]+_idx_[0-9a-f]{8}$/);
  }
  assert.notEqual(named(`${'t'.repeat(60)}1`, 'c'), named(`${'t'.repeat(60)}2`, 'c'));
});

test('what no index can have is refused, with the place in the text', () => {
  const refusal = (on: string, rest: Partial<IndexText> = {}): string => {
    try {
      parsed(on, rest);
    } catch (error) {
      assert.ok(error instanceof MillraceError && error.code === 'EXPRESSION_INVALID', String(error));
      return [error.message, error.detail].join('\n');
    }
    return assert.fail(`${on} was taken`);
  };
  assert.equal(refusal('a, lower(b'), 'syntax error at end of input\na, lower(b\n          ^');
  assert.equal(refusal('a desc b'), 'syntax error at or near "b"\na desc b\n       ^');
  assert.equal(refusal(''), 'syntax error at or near ")"\n\n^');
  for (const more of ['a) include (b', 'a) where (b > 1', 'a); drop table t; create index on t (a', 'a) with (fillfactor = 70']) {
    assert.match(refusal(more), /^this is not what stands between the parentheses of CREATE INDEX/);
  }
  assert.match(refusal('a', { where: 'b > 1; drop table t' }), /not a single SQL expression/);
  assert.match(refusal('a', { where: 'b in (select 1)' }), /cannot have a subquery/);
  assert.match(refusal('a + b'), /syntax error at or near "\+"/);
});
