// Which errors of a server pass, and what they tell a user.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MillraceError } from '../../base/index.ts';
import { describePgError, isTransient, PgError } from './errors.ts';

const error = (code: string, message = 'it failed'): PgError => new PgError(new Map([['C', code], ['M', message]]));

test('what passes by itself or by an administrator is tried again, what is wrong with the statement or the data is not', () => {
  const passes = ['08006', '08P01', '25006', '25P03', '25P04', '40001', '40P01', '53100', '53200', '53300', '53400', '55006', '55P03', '57014', '57P01', '57P02', '57P03', '57P04', '57P05', '58000', '58030', '58P01', '72000'];
  const stays = ['22001', '23505', '25P02', '25001', '42P01', '42501', '54000', '55000', '55P04', '0A000', 'XX000', 'XX001', 'XX002'];
  assert.deepEqual([...passes, ...stays].filter((code) => isTransient(error(code))), passes);
});

test('internal errors pass where DDL of others has met a statement', () => {
  for (const message of ['tuple concurrently updated', 'cache lookup failed for relation 16384', 'could not open relation with OID 16384']) assert.ok(isTransient(error('XX000', message)), message);
  assert.ok(!isTransient(error('22023', 'tuple concurrently updated')));
});

test('what is tried again is a retriable error, and says what somebody may do meanwhile', () => {
  const described = (code: string): MillraceError => describePgError(error(code), 'there') as MillraceError;
  for (const code of ['53100', '53300', '53400', '58030']) {
    assert.ok(described(code).retriable);
    assert.match(described(code).hint, /Millrace tries again meanwhile$/);
  }
  assert.equal(described('57P01').code, 'CONNECTION_LOST');
  assert.equal(described('58030').code, 'TARGET_BUSY');
  assert.ok(!described('XX001').retriable);
});
