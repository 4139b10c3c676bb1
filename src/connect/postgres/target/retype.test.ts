import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesSilently, holds, keepsValues } from './retype.ts';

test('which type holds all values of another one', () => {
  const yes = [
    ['bigint', 'integer'], ['integer', 'smallint'], ['numeric', 'bigint'], ['numeric(12,2)', 'integer'], ['numeric', 'numeric(10,2)'], ['numeric(12,4)', 'numeric(10,2)'],
    ['double precision', 'real'], ['double precision', 'integer'], ['text', 'shop.mood'], ['character varying', 'text'], ['character varying(20)', 'character varying(10)'],
    ['character varying(5)', 'character(5)'], ['timestamp without time zone', 'date'], ['timestamp with time zone', 'timestamp(3) with time zone'],
    ['bigint[]', 'integer[]'], ['numeric(12,2)[]', 'numeric(10,2)[]'], ['bit varying(8)', 'bit varying(4)'], ['text[]', 'character varying(3)[]'],
  ];
  const no = [
    ['integer', 'bigint'], ['numeric(10,2)', 'integer'], ['numeric(10,4)', 'numeric(10,2)'], ['numeric(10,2)', 'numeric'], ['real', 'integer'], ['double precision', 'bigint'],
    ['integer', 'numeric'], ['character varying(10)', 'text'], ['character varying(10)', 'character varying'], ['timestamp(3) with time zone', 'timestamp with time zone'],
    ['timestamp with time zone', 'timestamp without time zone'], ['date', 'timestamp without time zone'], ['bigint[]', 'integer'], ['bit(8)', 'bit(4)'], ['jsonb', 'json'], ['shop.a', 'shop.b'],
  ];
  for (const [to, from] of yes) assert.equal(holds(to as string, from as string), true, `${to} holds ${from}`);
  for (const [to, from] of no) assert.equal(holds(to as string, from as string), false, `${to} does not hold ${from}`);
});

test('after which changes the rows that were there have their values still', () => {
  assert.deepEqual(
    [['integer', 'bigint'], ['bigint', 'integer'], ['character varying(9)', 'text'], ['text', 'character varying(9)'], ['numeric(10,2)', 'numeric(12,4)']].map(([from, to]) => keepsValues(from as string, to as string)),
    [true, true, true, true, true],
  );
  assert.deepEqual(
    [['numeric(10,4)', 'numeric(10,2)'], ['text', 'integer'], ['integer', 'text'], ['timestamp without time zone', 'timestamp(0) without time zone'], ['integer', 'integer[]']].map(([from, to]) => keepsValues(from as string, to as string)),
    [false, false, false, false, false],
  );
});

test('which values PostgreSQL changes without a word', () => {
  const silent = [['numeric', 'integer'], ['numeric(10,2)', 'bigint'], ['numeric(10,2)', 'numeric(10,1)'], ['numeric', 'numeric(10,2)'], ['bigint', 'double precision'], ['double precision', 'real'],
    ['real', 'integer'], ['timestamp with time zone', 'date'], ['timestamp without time zone', 'timestamp(0) without time zone'], ['numeric[]', 'integer[]']];
  const told = [['bigint', 'integer'], ['text', 'character varying(3)'], ['bigint', 'numeric(3,0)'], ['numeric(12,2)', 'numeric(10,2)'], ['integer', 'text'], ['date', 'timestamp with time zone'], ['integer[]', 'integer']];
  for (const [from, to] of silent) assert.equal(changesSilently(from as string, to as string), true, `${from} to ${to}`);
  for (const [from, to] of told) assert.equal(changesSilently(from as string, to as string), false, `${from} to ${to}`);
});
