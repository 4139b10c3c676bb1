// Passwords from variables, files and programs, read again when a connection is made.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PgAddress } from '../../wire/index.ts';
import { ProjectError } from './diagnostic.ts';
import { loadProject } from './load.ts';
import { withProject } from './testing.ts';

const yaml = (postgres: string): string => `millrace: 1\nsources:\n  shop:\n    postgres: ${postgres}\n`;

async function addressOf(folder: string, env = {}): Promise<Exclude<PgAddress, string>> {
  const { project } = await loadProject(folder, { env });
  const address = project.sources[0]?.url;
  assert.ok(typeof address === 'object');
  return address;
}

test('a URL with variables: .env and files count as they are now', async () => {
  await withProject({ 'millrace.yaml': yaml('${SHOP_URL}'), '.env': 'SHOP_URL=postgres://me:one@h/d' }, async (folder) => {
    const { password } = await addressOf(folder);
    assert.equal(await password.read(), 'one');
    writeFileSync(join(folder, '.env'), 'SHOP_URL=postgres://me:t%40o@h/d');
    assert.equal(await password.read(), 't@o');
    writeFileSync(join(folder, '.env'), '');
    await assert.rejects(password.read(), { code: 'AUTH_FAILED', retriable: true, message: /SHOP_URL is not set/ });
  });
  await withProject({ 'millrace.yaml': yaml('postgres://me:${file:pw}@h/d'), pw: 'one\n' }, async (folder) => {
    const { password } = await addressOf(folder);
    writeFileSync(join(folder, 'pw'), 'two\n');
    assert.equal(await password.read(), 'two');
  });
});

test('a password of its own: a variable, a file, and what a program prints until that is refused', async () => {
  await withProject({ 'millrace.yaml': yaml('{ url: "postgres://me@h/d", password: "${PW}" }') }, async (folder) => {
    assert.equal(await (await addressOf(folder, { PW: 'a@/:%b' })).password.read(), 'a@/:%b');
  });
  await withProject({ 'millrace.yaml': yaml('{ url: "postgres://me@h/d", password: { file: pw } }'), pw: 'p@ss word\n' }, async (folder) => {
    const { password } = await addressOf(folder);
    assert.equal(await password.read(), 'p@ss word');
    writeFileSync(join(folder, 'pw'), 'next');
    assert.equal(await password.read(), 'next');
  });
  const counting = '{ url: "postgres://me@h/d", password: { command: [sh, -c, "echo x >> calls; cat pw"] } }';
  await withProject({ 'millrace.yaml': yaml(counting), pw: 'one\n' }, async (folder) => {
    const { password } = await addressOf(folder);
    const calls = (): number => readFileSync(join(folder, 'calls'), 'utf8').length / 2;
    assert.deepEqual(await Promise.all([password.read(), password.read()]), ['one', 'one']);
    writeFileSync(join(folder, 'pw'), 'two\n');
    assert.equal(await password.read(), 'one');
    assert.equal(calls(), 1);
    assert.deepEqual(await Promise.all([password.read('one'), password.read('one'), password.read('one')]), ['two', 'two', 'two']);
    assert.equal(calls(), 2);
  });
  await withProject({ 'millrace.yaml': yaml('{ url: "postgres://me@h/d", password: { command: [sh, -c, "echo no such token >&2; exit 3"] } }') }, async (folder) => {
    await assert.rejects((await addressOf(folder)).password.read(), { code: 'AUTH_FAILED', message: 'the password cannot be read: sh failed (3)', detail: 'no such token' });
  });
});

test('mistakes are named', async () => {
  const problems = async (postgres: string): Promise<string[]> => withProject({ 'millrace.yaml': yaml(postgres) }, async (folder) => {
    const error: unknown = await loadProject(folder, { env: {} }).then(({ warnings }) => new ProjectError(warnings), (thrown: unknown) => thrown);
    assert.ok(error instanceof ProjectError);
    return error.diagnostics.map(({ severity, message }) => `${severity}: ${message}`);
  });
  assert.deepEqual(await problems('{ url: "postgres://me@h/d", password: secret }'), ['warning: a password stands in the file']);
  assert.deepEqual(await problems('{ url: "mysql://h/d" }'), ['error: sources.shop.postgres.url: unknown protocol mysql://']);
  assert.deepEqual(await problems('{ url: "postgres://me@h/d", pasword: x }'), ['error: unknown key "pasword" in sources.shop.postgres']);
  assert.deepEqual(await problems('{ url: "postgres://me@h/d", password: { command: [] } }'), ['error: sources.shop.postgres.password.command: the list is empty']);
  assert.deepEqual(await problems('{ url: "postgres://me@h/d", password: {} }'), ['error: sources.shop.postgres.password: give either a file or a command']);
});
