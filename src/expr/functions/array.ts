// Functions of arrays.
import type { PgType } from '../../data/index.ts';
import { equalityOf } from '../compare.ts';
import { evaluationFailed } from '../errors.ts';
import { routine, type Routine } from '../routine.ts';
import { textOf } from '../text-io.ts';

type List = readonly unknown[];

const cardinality = (list: List): number => list.flat(10).length;

/** NULL for a dimension that the array does not have. */
function lengthOf(list: List, dimension: number): number | null {
  let at: unknown = list;
  for (let i = 1; i < dimension; i++) at = Array.isArray(at) ? at[0] : undefined;
  return dimension > 0 && Array.isArray(at) && at.length > 0 ? at.length : null;
}

function dimensions(list: List): number | null {
  let count = 0;
  for (let at: unknown = list; Array.isArray(at) && at.length > 0; at = at[0]) count += 1;
  return count || null;
}

const positionOf = ([type]: readonly PgType[]): Routine['call'] => {
  const equal = equalityOf(type?.element as PgType);
  return (list: List | null, wanted: unknown) => {
    if (list?.some(Array.isArray)) return evaluationFailed('0A000', 'searching for elements in multidimensional arrays is not supported');
    const at = list === null ? -1 : list.findIndex((one) => (one === null || wanted === null ? one === wanted : equal?.(one, wanted) === true));
    return at < 0 ? null : at + 1;
  };
};

const joined = ([type]: readonly PgType[]): Routine['call'] => {
  const text = textOf(type?.element as PgType);
  return (list: List, separator: string) => list.flat(10).flatMap((one) => (one === null ? [] : [text(one)])).join(separator);
};

export const arrayFunctions: Routine[] = [
  routine('array_length', 'anyarray, int4 -> int4', lengthOf, 'Length of a dimension, NULL if it has none'),
  routine('cardinality', 'anyarray -> int4', cardinality, 'Number of elements of all dimensions'),
  routine('array_ndims', 'anyarray -> int4', dimensions, 'Number of dimensions'),
  routine('array_position', 'anyarray, anyelement -> int4', () => null, 'Where an element is, from 1', { strict: false, specialise: positionOf }),
  routine('array_to_string', 'anyarray, text -> text', () => null, 'The elements as text with a separator between them', { specialise: joined }),
];
