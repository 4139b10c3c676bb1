// || of text, LIKE and regular expressions.
import type { PgType } from '../../data/index.ts';
import { unicodeLower } from '../letters.ts';
import { likePattern } from '../like.ts';
import { regexPattern } from '../regex.ts';
import { prepared, routine, type Routine, type RoutineOptions } from '../routine.ts';
import { textOf } from '../text-io.ts';

type Test = (text: string) => boolean;

const not = (test: Test): Test => (text) => !test(text);
const like = (pattern: string): Test => likePattern(pattern);
const ilike = (pattern: string): Test => {
  const test = likePattern(unicodeLower(pattern));
  return (text) => test(unicodeLower(text));
};
const regex = (pattern: string): Test => regexPattern(pattern, false);
const iregex = (pattern: string): Test => regexPattern(pattern, true);

const unpad = (text: string): string => text.replace(/ +$/, '');

/** A test with its negation, on text and (with its padding) on bpchar. */
function pair(name: string, make: (pattern: string) => Test, doc: string, options: RoutineOptions = {}): Routine[] {
  return [[name, make, doc], [`!${name}`, (pattern: string) => not(make(pattern)), `Not: ${doc}`]].flatMap(([operator, test, text]) => [
    prepared(operator as string, 'text, text -> bool', 1, test as typeof make, text as string, options),
    prepared(operator as string, 'bpchar, text -> bool', 1, test as typeof make, text as string, options),
  ]);
}

/** `||` of text and any other type takes the other's text form. */
function anyConcat(signature: string, other: 0 | 1): Routine {
  const specialise = (types: readonly PgType[]): Routine['call'] => {
    const type = types[other] as PgType;
    const text = type.name === 'bpchar' ? unpad : type.name === 'bool' ? String : textOf(type);
    return other === 0 ? (a, b: string) => text(a) + b : (a: string, b) => a + text(b);
  };
  return routine('||', signature, () => null, 'Concatenation with the text form of any value', { specialise });
}

export const textOperators: Routine[] = [
  routine('||', 'text, text -> text', (a: string, b: string) => a + b, 'Concatenation'),
  anyConcat('anynonarray, text -> text', 0),
  anyConcat('text, anynonarray -> text', 1),
  routine('||', 'bytea, bytea -> bytea', (a: Buffer, b: Buffer) => Buffer.concat([a, b]), 'Concatenation'),
  ...pair('~~', like, 'LIKE: % is any run of characters, _ is one', { collate: 'C' }),
  ...pair('~~*', ilike, 'ILIKE: LIKE without regard to case', { collate: 'icu' }),
  ...pair('~', regex, 'Matches a regular expression', { collate: 'C' }),
  ...pair('~*', iregex, 'Matches a regular expression without regard to case', { collate: 'C' }),
];
