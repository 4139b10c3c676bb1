// -> ->> #> #>> @> <@ ? ?| ?& of jsonb. A json column is taken as jsonb.
import type { Json } from '../../data/index.ts';
import { arrayOfJson, jsonContains, kindOf, objectOf, outer, partText } from '../json.ts';
import { routine, type Routine } from '../routine.ts';

const fieldOfJson = (value: Json, key: string): Json | null => {
  if (kindOf(value) !== 'object') return null;
  const object = objectOf(value);
  return Object.hasOwn(object, key) ? outer((object[key] ?? null) as never) : null;
};

const elementOfJson = (value: Json, index: number): Json | null => {
  const kind = kindOf(value);
  if (kind === 'object') return null;
  // A scalar on its own is stored as an array of one, and here it shows.
  const array = kind === 'array' ? arrayOfJson(value) : [value];
  const at = index < 0 ? array.length + index : index;
  return at in array ? outer((array[at] ?? null) as never) : null;
};

/** The part at a path of keys and indexes. A NULL step gives NULL. */
export function partAt(value: Json, path: readonly (string | null)[]): Json | null {
  let at: Json | null = value;
  for (const step of path) {
    if (step === null) return null;
    if (kindOf(at) === 'array') {
      if (!/^\s*[+-]?\d+$/.test(step) || Math.abs(Number(step)) > 2147483647) return null;
      at = elementOfJson(at as Json, Number(step));
    } else at = fieldOfJson(at as Json, step);
    if (at === null) return null;
  }
  return at;
}

function hasKey(value: Json, key: string): boolean {
  if (kindOf(value) === 'object') return Object.hasOwn(objectOf(value), key);
  return kindOf(value) === 'array' ? arrayOfJson(value).includes(key) : value === key;
}

export const jsonOperators: Routine[] = [
  routine('->', 'jsonb, text -> jsonb', fieldOfJson, 'The value of a key'),
  routine('->', 'jsonb, int4 -> jsonb', elementOfJson, 'The element at an index, from 0, or from the end if negative'),
  routine('->>', 'jsonb, text -> text', (value: Json, key: string) => partText(fieldOfJson(value, key)), 'The value of a key, as text'),
  routine('->>', 'jsonb, int4 -> text', (value: Json, index: number) => partText(elementOfJson(value, index)), 'The element at an index, as text'),
  routine('#>', 'jsonb, text[] -> jsonb', partAt, 'The part at a path'),
  routine('#>>', 'jsonb, text[] -> text', (value: Json, path: string[]) => partText(partAt(value, path)), 'The part at a path, as text'),
  routine('@>', 'jsonb, jsonb -> bool', (a: Json, b: Json) => jsonContains(a, b), 'Contains'),
  routine('<@', 'jsonb, jsonb -> bool', (a: Json, b: Json) => jsonContains(b, a), 'Is contained in'),
  routine('?', 'jsonb, text -> bool', hasKey, 'Has the key, or the string as an element'),
  routine('?|', 'jsonb, text[] -> bool', (value: Json, keys: (string | null)[]) => keys.some((key) => key !== null && hasKey(value, key)),
    'Has any of the keys'),
  routine('?&', 'jsonb, text[] -> bool', (value: Json, keys: (string | null)[]) => keys.every((key) => key === null || hasKey(value, key)),
    'Has all of the keys'),
];
