// The built-in types by OID, so that a relation made of them needs no query of the catalog.
import type { PgType } from '../../data/index.ts';
import { builtinTypes } from './builtin-types.ts';

const byOid = new Map<number, PgType>();

for (const line of builtinTypes.trim().split('\n')) {
  const [oid = '', name = '', array = '', ...marks] = line.split(' ');
  const inner = marks.find((mark) => mark.startsWith('r') || mark.startsWith('m'));
  const element = inner === undefined ? undefined : byOid.get(Number(inner.slice(1)));
  const type: PgType = {
    oid: Number(oid),
    schema: 'pg_catalog',
    name,
    kind: inner === undefined ? 'base' : inner.startsWith('r') ? 'range' : 'multirange',
    ...(element ? { element } : {}),
    binary: !marks.includes('t'),
  };
  byOid.set(type.oid, type);
  if (array !== '0') {
    byOid.set(Number(array), { oid: Number(array), schema: 'pg_catalog', name: `_${name}`, kind: 'array', element: type, binary: type.binary });
  }
}

/** A type of pg_catalog as of PostgreSQL 18, arrays with their element, ranges with their subtype. Undefined for all others. */
export const typeByOid = (oid: number): PgType | undefined => byOid.get(oid);

/** Every type that typeByOid knows. */
export const builtinPgTypes = (): PgType[] => [...byOid.values()];
