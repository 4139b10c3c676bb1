// All functions, by family; the families are the sections of the reference.
import { type Routine, tableOf } from '../routine.ts';
import { arrayFunctions } from './array.ts';
import { byteFunctions } from './bytes.ts';
import { jsonFunctions } from './json.ts';
import { mathFunctions } from './math.ts';
import { textFunctions } from './text.ts';
import { timeFunctions } from './time.ts';

export const families: readonly (readonly [title: string, functions: Routine[]])[] = [
  ['Text', textFunctions],
  ['Numbers', mathFunctions],
  ['Dates and times', timeFunctions],
  ['JSON', jsonFunctions],
  ['Bytes and hashes', byteFunctions],
  ['Arrays', arrayFunctions],
];

export const functions = tableOf(...families.map(([, list]) => list));
