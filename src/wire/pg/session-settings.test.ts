// What a pooled connection sends: every transaction brings its settings, and nothing else is changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionSettings } from './session-settings.ts';

function pooled(): SessionSettings {
  const settings = new SessionSettings();
  settings.pooled = true;
  return settings;
}

test('a direct connection sets them once and sends what it is given', () => {
  const settings = new SessionSettings();
  settings.pooled = false;
  assert.equal(settings.add({ a: "it's", b: '' }), "set a = 'it''s'; set b = ''");
  assert.deepEqual(settings.around('begin'), { text: 'begin', extra: 0 });
  assert.equal(settings.mustBegin, false);
});

test('transactions begin with them, single statements get them in front', () => {
  const settings = pooled();
  assert.equal(settings.mustBegin, false);
  assert.equal(settings.add({ a: '1' }), '');
  assert.equal(settings.mustBegin, true);
  assert.deepEqual(settings.around('select 1'), { text: "set local a = '1'; select 1", extra: 1 });
  assert.deepEqual(settings.around('begin isolation level repeatable read; select 2; commit'), { text: "begin isolation level repeatable read; set local a = '1'; select 2; commit", extra: 0 });
  assert.equal(settings.mustBegin, true);
  assert.equal(settings.around('begin').text, "begin; set local a = '1'");
  assert.equal(settings.mustBegin, false);
  assert.equal(settings.add({ b: '2' }), "set local b = '2'");
  for (const inside of ['select 1', 'savepoint s', 'rollback to savepoint s', 'begin']) assert.deepEqual(settings.around(inside), { text: inside, extra: 0 });
  assert.deepEqual(settings.around('commit'), { text: 'commit', extra: 0 });
  assert.deepEqual(settings.around('select 1'), { text: "set local a = '1'; set local b = '2'; select 1", extra: 2 });
});

test('what ends no transaction is sent as it is', () => {
  const settings = pooled();
  settings.add({ a: '1' });
  assert.deepEqual(settings.around('rollback'), { text: 'rollback', extra: 0 });
  assert.equal(settings.around('begin; select 1; rollback').text, "begin; set local a = '1'; select 1; rollback");
  assert.equal(settings.mustBegin, true);
});
