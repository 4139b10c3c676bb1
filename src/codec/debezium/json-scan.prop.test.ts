// The scanner finds what JSON.parse builds, in documents of every shape; in damaged ones it never reads past the end, and never tells another value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../base/index.ts';
import { Scan, skipSpace, skipValue, stringAt, Token, writeStringAt } from './json-scan.ts';

/** A value put together again from what the scanner finds. */
function rebuilt(bytes: Buffer, start: number, end: number): unknown {
  const first = bytes[start];
  if (first === Token.object || first === Token.array) {
    const scan = new Scan().open(bytes, start, end);
    const members: [string, unknown][] = [];
    while (scan.next()) members.push([first === Token.object ? scan.key() : '', rebuilt(bytes, scan.valueStart, scan.valueEnd)]);
    assert.equal(scan.end, end);
    return first === Token.object ? Object.fromEntries(members) : members.map(([, value]) => value);
  }
  if (first === Token.string) {
    const out = new ByteWriter(16);
    writeStringAt(out, bytes, start, end);
    const text = stringAt(bytes, start, end);
    assert.equal(out.take().toString(), text.toWellFormed());
    return text;
  }
  if (first === Token.true || first === Token.false) return first === Token.true;
  return first === Token.null ? null : Number(bytes.toString('latin1', start, end));
}

function read(bytes: Buffer): unknown {
  const start = skipSpace(bytes, 0, bytes.length);
  const end = skipValue(bytes, start, bytes.length);
  if (skipSpace(bytes, end, bytes.length) !== bytes.length) throw new RangeError('something follows');
  return rebuilt(bytes, start, end);
}

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom('\\', '"', '\n', '\u0000', 'u', 'é', '😀', '\ud83d') }), fc.string({ minLength: 90, maxLength: 200 }));
const document = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, fc.constantFrom(null, true, false), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger(), text, fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(text.filter((key) => key !== '__proto__'), tie('value'), { maxKeys: 5 })),
})).value;

/** Spelled with escapes that JSON.stringify does not use, and with blanks. */
const spelled = fc.tuple(document, fc.constantFrom(0, 1, 3), fc.boolean()).map(([value, indent, escaped]) => {
  const json = JSON.stringify(value, null, indent);
  return escaped ? json.replace(/[\u0080-\uffff/]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : json;
});

test('finds what JSON.parse builds', () => {
  fc.assert(fc.property(spelled, (json) => assert.deepEqual(read(Buffer.from(json.toWellFormed())), JSON.parse(json.toWellFormed()))), { numRuns: 2000 });
});

test('a document that is cut off, or has a wrong byte, is refused or read as JSON.parse reads it', () => {
  const damaged = fc.tuple(spelled, fc.nat(), fc.option(fc.constantFrom(...'"\\{}[],:0-e.tnx '), { nil: undefined }));
  fc.assert(
    fc.property(damaged, ([json, place, char]) => {
      const whole = Buffer.from(json.toWellFormed());
      const at = place % whole.length;
      const bytes = Buffer.concat([whole.subarray(0, at), ...(char === undefined ? [] : [Buffer.from(char), whole.subarray(at + 1)])]);
      let got: unknown;
      try {
        got = read(bytes);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        return;
      }
      // Half of a character is no JSON text at all.
      if (bytes.equals(Buffer.from(bytes.toString()))) assert.deepEqual(got, JSON.parse(bytes.toString()));
    }),
    { numRuns: 4000 },
  );
});
