// What is asked and changed at a server that takes the place of another one: an upgrade that took the slot, a dump that was restored.
import { quoteIdent, quoteLiteral, quoteTable, type Relation, type SourceIdentity } from '../../../data/index.ts';
import { parsePgUrl, type PgAddress, PgConnection } from '../../../wire/index.ts';
import { readMark, type SourceNames, withMark } from './owner.ts';

/** Who a server is, by a replication connection. */
export async function identifySystem(replication: PgConnection): Promise<SourceIdentity> {
  const [system] = await replication.query('IDENTIFY_SYSTEM');
  const row = system?.rows[0];
  return { systemId: row?.[0]?.toString() ?? '', timeline: Number(row?.[1]?.toString() ?? 0) };
}

/** Who the server behind an address is. */
export async function identifyServer(address: PgAddress): Promise<SourceIdentity> {
  const replication = await PgConnection.connect(parsePgUrl(address), { replication: 'database' });
  try {
    return await identifySystem(replication);
  } finally {
    await replication.close();
  }
}

/** A publication that came with the data says since which positions it has sent its tables: those of the old server, which mean nothing here. */
export async function forgetOldPositions(connection: PgConnection, { publication, managesPublication }: SourceNames): Promise<void> {
  if (!managesPublication) return;
  const [row] = await connection.rows<{ comment: string; mine: string }>(
    `select pg_catalog.obj_description(oid, 'pg_publication') as comment, (pg_has_role(pubowner, 'USAGE') and not pg_is_in_recovery())::text as mine
     from pg_catalog.pg_publication where pubname = $1 and pg_catalog.obj_description(oid, 'pg_publication') is not null`, [publication]);
  const mark = row && readMark(row.comment);
  if (row?.mine !== 'true' || !mark) return;
  await connection.query(`comment on publication ${quoteIdent(publication)} is ${quoteLiteral(withMark(row.comment, mark.project, mark.slot, new Map()))}`);
}

/** The tables that have a row. */
export async function withRows(connection: PgConnection, relations: readonly Relation[]): Promise<Relation[]> {
  const found: Relation[] = [];
  for (const relation of relations) {
    const [row] = await connection.rows<{ some: string }>(`select exists (select from ${quoteTable(relation)})::text as some`);
    if (row?.some === 'true') found.push(relation);
  }
  return found;
}
