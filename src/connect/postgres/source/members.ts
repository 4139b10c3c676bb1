// Which tables a source follows while it runs: those that are selected by now, can be followed, and are sent. Unlike at the start, one that
// cannot be is left out and the others go on.
import { MillraceError } from '../../../base/index.ts';
import { parseLsn, quoteAddress, quoteIdent, quoteLiteral, quoteTable, tableAddress } from '../../../data/index.ts';
import type { RefusedTable } from '../../../flow/index.ts';
import { describePgError, PgError, type PgConnection } from '../../../wire/index.ts';
import type { CatalogTable } from '../catalog.ts';
import { notYet, readSince, type Since, type SourceNames, withMark } from './owner.ts';
import { columnList, ensurePublication, publicationMembers, readMembers, readSlot, sendsRoots, underOwnNames, unsentOf } from './slot.ts';

export interface Members {
  readonly tables: readonly CatalogTable[];
  readonly refused: readonly RefusedTable[];
  readonly since: Since;
}

/** Equal as long as the tables are the same, under the same names, with the same columns, keys, owners and parents, and in the publication. */
const catalogMarkSql = `select pg_catalog.md5(
  coalesce((select pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relnatts, c.relowner, i.inhparent, x.indexrelid), ','
      order by c.oid, x.indexrelid, i.inhparent)
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join pg_catalog.pg_inherits i on i.inhrelid = c.oid
      left join pg_catalog.pg_index x on x.indrelid = c.oid and (x.indisprimary or x.indisreplident)
    where c.relkind in ('r', 'p') and c.relpersistence = 'p' and c.oid >= 16384), '')
  || coalesce((select pg_catalog.string_agg(pg_catalog.concat_ws(' ', r.oid, r.prrelid, r.prattrs), ',' order by r.oid)
    from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid where p.pubname = $1), '')
  || coalesce((select p.pubviaroot::text from pg_catalog.pg_publication p where p.pubname = $1), '')
  || coalesce((select pg_catalog.string_agg(s.pnnspid::text, ',' order by s.pnnspid)
    from pg_catalog.pg_publication_namespace s join pg_catalog.pg_publication p on p.oid = s.pnpubid where p.pubname = $1), '')) as mark`;

export async function readCatalogMark(control: PgConnection, publication: string): Promise<string> {
  return (await control.rows<{ mark: string }>(catalogMarkSql, [publication]))[0]?.mark ?? '';
}

/** Updates and deletes of a published table without an identity fail at the source: publishing it would break the application that writes it. */
export function identityMissing(source: string, without: readonly CatalogTable[], where: string): MillraceError {
  const names = without.map((table) => tableAddress(table.relation));
  return new MillraceError('IDENTITY_MISSING', `${names.join(', ')} ${names.length === 1 ? 'has' : 'have'} no primary key and no replica identity`, {
    where,
    hint: `${without.map((one) => `alter table ${quoteTable(one.relation)} replica identity full;`).join('\n')}\nor, for tables that are only inserted into: sources.${source}.appendOnly: [${names.join(', ')}]`,
  });
}

export const hasIdentity = ({ relation }: CatalogTable): boolean => relation.key.length > 0 || relation.identity === 'full' || relation.appendOnly === true;

/** Those of a table's columns that it has not lost since it was looked at. */
async function stillThere(control: PgConnection, { relation }: CatalogTable, columns: readonly string[]): Promise<string[]> {
  if (columns.length === 0) return [];
  const rows = await control.rows<{ name: string }>('select attname as name from pg_catalog.pg_attribute where attrelid = $1::oid and not attisdropped', [String(relation.oid)]);
  return columns.filter((column) => rows.some(({ name }) => name === column));
}

/** How long a change of the publication may wait for others who work on the table. */
const lockMsMax = 2000;

/**
 * Lets the publication follow the selection while the slot is in use. A table that comes in is to be read afterwards: what transactions that are
 * open now do to it need not be sent.
 * @param own Server process that streams from the slot for this source.
 */
export async function followMembers(control: PgConnection, source: string, selected: readonly CatalogTable[], names: SourceNames, project: string, own: number | undefined): Promise<Members> {
  const { publication, slot, managesPublication: managed } = names;
  const refused: RefusedTable[] = [];
  const refuse = ({ relation: { schema, name } }: CatalogTable, error: MillraceError): void => void refused.push({ schema, name, error });
  const [found] = await control.rows<{ comment: string | null }>("select pg_catalog.obj_description(oid, 'pg_publication') as comment from pg_catalog.pg_publication where pubname = $1", [publication]);
  for (const table of selected) if (!hasIdentity(table)) refuse(table, identityMissing(source, [table], control.where));
  const sound = selected.filter(hasIdentity);
  if (!found) return { tables: sound, refused, since: await ensurePublication(control, sound, names, project) };
  const since = readSince(found.comment);
  const members = await readMembers(control, publication);
  const tables: CatalogTable[] = [];
  const missing: CatalogTable[] = [];
  for (const table of sound) {
    const sent = members.get(tableAddress(table.relation));
    // Without a list, the publication has all columns, also those that came a moment ago, and lacks those that went.
    const isSent = sent !== undefined && (sent === columnList(table) || (!table.leftOut.some((column) => column.why === 'excluded') && (await stillThere(control, table, unsentOf(sent, table))).length === 0));
    (isSent ? tables : missing).push(table);
  }
  if (!managed) {
    const viaRoots = await sendsRoots(control, publication);
    for (const table of missing) {
      if (table.partitioned && !viaRoots) {
        refuse(table, underOwnNames(control, publication, table));
        continue;
      }
      const drop = members.has(tableAddress(table.relation)) ? `alter publication ${quoteIdent(publication)} drop table ${quoteTable(table.relation)}; ` : '';
      refuse(table, new MillraceError('PUBLICATION_MISSING', `publication "${publication}" does not hold ${tableAddress(table.relation)} as configured`, {
        where: control.where, hint: `${drop}alter publication ${quoteIdent(publication)} add table ${publicationMembers([table])};`,
      }));
    }
    return { tables, refused, since };
  }
  const alter = async (steps: readonly string[]): Promise<void> => {
    const mark = `comment on publication ${quoteIdent(publication)} is ${quoteLiteral(withMark(found.comment, project, slot, since))}`;
    await control.query([`set local lock_timeout = ${lockMsMax}`, ...steps, mark].join('; '));
  };
  const add = async (some: readonly CatalogTable[]): Promise<void> => {
    const known = new Map(since);
    const others = some.filter(({ relation }) => members.has(tableAddress(relation)));
    for (const { relation } of some) since.set(tableAddress(relation), notYet);
    try {
      await alter([
        ...(others.length > 0 ? [`alter publication ${quoteIdent(publication)} drop table ${others.map((table) => quoteTable(table.relation)).join(', ')}`] : []),
        `alter publication ${quoteIdent(publication)} add table ${publicationMembers(some)}`,
      ]);
      tables.push(...some);
    } catch (error) {
      const described = describePgError(error, control.where);
      if (!(error instanceof PgError) || !(described instanceof MillraceError) || described.retriable) throw described;
      since.clear();
      for (const [table, at] of known) since.set(table, at);
      const [one, ...more] = some;
      if (one && more.length === 0) return refuse(one, error.code === '42501' ? notOwner(error, control, publication, one) : described);
      const middle = some.length >> 1;
      await add(some.slice(0, middle));
      await add(some.slice(middle));
    }
  };
  if (missing.length > 0) await add(missing);
  const wanted = new Set(sound.map(({ relation }) => tableAddress(relation)));
  const surplus = [...members.keys()].filter((address) => !wanted.has(address));
  // Another process that streams from the slot would lose their changes without a word.
  if (surplus.length > 0 && [null, own].includes((await readSlot(control, slot))?.activePid ?? null)) {
    for (const address of surplus) since.delete(address);
    await alter([`alter publication ${quoteIdent(publication)} drop table ${surplus.map(quoteAddress).join(', ')}`]);
  }
  // Where a change of the publication counts is known when it has committed.
  if ([...since.values()].includes(notYet)) {
    const [row] = await control.rows<{ lsn: string }>('select pg_catalog.pg_current_wal_insert_lsn()::text as lsn');
    for (const [table, at] of since) if (at === notYet) since.set(table, parseLsn(row?.lsn ?? '0/0'));
    await alter([]);
  }
  return { tables, refused, since };
}

function notOwner(error: PgError, control: PgConnection, publication: string, { relation }: CatalogTable): MillraceError {
  return new MillraceError('PRIVILEGE_MISSING', error.message, {
    where: control.where, cause: error,
    hint: `let the owner of the table or a superuser run: alter publication ${quoteIdent(publication)} add table ${quoteTable(relation)};`,
  });
}
