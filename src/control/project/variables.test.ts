// The small readers: variables, .env, sizes, column patterns, passwords in what is shown.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankPasswords, hasLiteralPassword } from './diagnostic.ts';
import { selectsColumn } from './project.ts';
import { parseSize } from './schema.ts';
import { interpolate, parseDotEnv } from './variables.ts';

test('variables', () => {
  const env = { A: 'a', EMPTY: '', NESTED: '${A}' };
  const filled = (text: string): string => interpolate(text, env, '/').text;
  assert.equal(filled('x ${A} ${B:-b} ${B:-} ${EMPTY} ${EMPTY:-e} $A $$ $'), 'x a b   e $A $$ $');
  assert.equal(filled('$${A} $$${A}'), '${A} $${A}');
  // What a variable holds is not read again.
  assert.equal(filled('${NESTED}'), '${A}');
  assert.deepEqual(interpolate('${B}-${C}-${', env, '/').problems.map((each) => [each.start, each.end]), [[0, 4], [5, 9], [10, 12]]);
});

test('.env files', () => {
  assert.deepEqual(parseDotEnv('A=1\r\n export B = "x\\ny" # c\nC=\'$x # y\'\n#D=1\nE=\nF=a#b # c\n\nG="two\nlines"\nnot a line\nH=postgres://u:p@h/d?x=y\n'), {
    A: '1', B: 'x\ny', C: '$x # y', E: '', F: 'a#b', G: 'two\nlines', H: 'postgres://u:p@h/d?x=y',
  });
});

test('sizes count as PostgreSQL counts', () => {
  const sizes = ['2GB', '512mb', '1.5 kB', '1GiB', '10', '7k'].map(parseSize);
  assert.deepEqual(sizes, [2 * 2 ** 30, 512 * 2 ** 20, 1536, 2 ** 30, 10, 7 * 1024]);
  assert.deepEqual(['', '0', '-1GB', '2XB', 'GB', '1e9GB'].map(parseSize), Array.from({ length: 6 }, () => undefined));
});

test('column patterns: exclusions win whatever their order', () => {
  assert.ok(selectsColumn(['*', '!ssn'], 'name') && !selectsColumn(['*', '!ssn'], 'ssn') && !selectsColumn(['!ssn', '*'], 'ssn'));
  assert.ok(selectsColumn(['"a*"'], 'a*') && !selectsColumn(['"a*"'], 'ab') && selectsColumn(['a*'], 'ab'));
});

test('passwords are blanked out, variables are not', () => {
  const line = 'a: postgres://me:s3cret@h/d b: postgres://me:${P}@h/d c: postgres://me@h/d';
  assert.equal(blankPasswords(line), 'a: postgres://me:******@h/d b: postgres://me:${P}@h/d c: postgres://me@h/d');
  assert.equal(blankPasswords('"postgres://h/d?user=u&password=abc&x=y"'), '"postgres://h/d?user=u&password=***&x=y"');
  assert.ok(hasLiteralPassword('postgres://h/d?password=abc') && !hasLiteralPassword('postgres://h/d?password=${P}'));
  assert.ok(hasLiteralPassword(line) && !hasLiteralPassword('postgres://me:${P}@h/d postgres://me@h:5432/d'));
  assert.ok(!hasLiteralPassword('postgres://${USER:-me}@h/d') && hasLiteralPassword('postgres://${USER:-me}:abc@h/d'));
});
