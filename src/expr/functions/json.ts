// Functions of jsonb. A json column is taken as jsonb.
import type { Json } from '../../data/index.ts';
import { evaluationFailed } from '../errors.ts';
import { arrayOfJson, kindOf, objectOf, partText } from '../json.ts';
import { partAt } from '../operators/json.ts';
import { routine, type Routine } from '../routine.ts';

function arrayLength(value: Json): number {
  const kind = kindOf(value);
  if (kind === 'array') return arrayOfJson(value).length;
  return evaluationFailed('22023', kind === 'object' ? 'cannot get array length of a non-array' : 'cannot get array length of a scalar');
}

/** Object fields that are null are left out, at every depth; array elements stay. */
function stripNulls(value: Json | null): Json | null {
  switch (kindOf(value)) {
    case 'array':
      return arrayOfJson(value).map(stripNulls);
    case 'object':
      return Object.fromEntries(Object.entries(objectOf(value)).flatMap(([key, one]) => (one === null ? [] : [[key, stripNulls(one)]])));
    default:
      return value;
  }
}

export const jsonFunctions: Routine[] = [
  routine('jsonb_extract_path', 'jsonb, text -> jsonb', (value: Json, ...path: string[]) => partAt(value, path), 'The part at a path',
    { variadic: true }),
  routine('jsonb_extract_path_text', 'jsonb, text -> text', (value: Json, ...path: string[]) => partText(partAt(value, path)),
    'The part at a path, as text', { variadic: true }),
  routine('jsonb_typeof', 'jsonb -> text', kindOf, '`object`, `array`, `string`, `number`, `boolean` or `null`'),
  routine('jsonb_array_length', 'jsonb -> int4', arrayLength, 'Number of elements'),
  routine('jsonb_strip_nulls', 'jsonb -> jsonb', stripNulls, 'Without the object fields that are null'),
];
