// `where`: which rows are at the target.
import { MillraceError } from '../../base/index.ts';
import type { Relation } from '../../data/index.ts';
import type { AnyRow } from '../spec.ts';
import type { Image } from './image.ts';
import { reader, unchangedRead } from './making.ts';
import type { SqlExpression } from './sql-expression.ts';
import { Unchanged } from '../../data/index.ts';

export type Selects = (image: Image) => boolean;

export const selectBySql = (condition: SqlExpression, relation: Relation): Selects => (image) => condition.run(reader(image, relation, '`where`')) === true;

/** A condition in TypeScript sees a view of the row that decodes what it reads. It must answer with a boolean. */
export function selectByFunction(condition: (row: AnyRow) => boolean, relation: Relation): Selects {
  const fields = new Map(relation.columns.map((column, field) => [column.name, field]));
  const names = [...fields.keys()];
  const read = (image: Image, key: string | symbol): unknown => {
    const field = typeof key === 'string' ? fields.get(key) : undefined;
    if (field === undefined) return undefined;
    const value = image.value(field);
    if (value === Unchanged) throw unchangedRead(relation, field, '`where`');
    return value;
  };
  // An object with its own properties to every test; the image behind it is only of use while the condition runs.
  const view = (image: Image): AnyRow =>
    new Proxy<AnyRow>({}, {
      get: (_target, key) => read(image, key),
      has: (_target, key) => typeof key === 'string' && fields.has(key),
      ownKeys: () => names,
      getOwnPropertyDescriptor: (_target, key) =>
        typeof key === 'string' && fields.has(key) ? { value: read(image, key), enumerable: true, configurable: true } : undefined,
    });
  return (image) => {
    let answer: unknown;
    try {
      answer = condition(view(image));
    } catch (thrown) {
      throw transformFailed('`where`', thrown);
    }
    if (typeof answer !== 'boolean') throw new MillraceError('TRANSFORM_FAILED', `\`where\` answered ${describe(answer)} instead of true or false`);
    return answer;
  };
}

/** What a user's function threw, as an error of the row. */
export function transformFailed(what: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const detail = thrown instanceof Error ? (thrown.stack ?? thrown.message) : undefined;
  return new MillraceError('TRANSFORM_FAILED', `${what} threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
    cause: thrown, ...(detail === undefined ? {} : { detail }),
  });
}

/** A value as messages name it. */
export function describe(value: unknown): string {
  if (value instanceof Promise) return 'a promise (it must be synchronous)';
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}
