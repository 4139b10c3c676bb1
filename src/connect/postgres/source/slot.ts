// The replication slot and the publication of a source: found, made, checked, dropped.
import { crashPoint, MillraceError } from '../../../base/index.ts';
import { type Lsn, parseLsn, quoteIdent, quoteLiteral, quoteTable, tableAddress } from '../../../data/index.ts';
import { describePgError, longLived, PgError, type PgConnection } from '../../../wire/index.ts';
import type { CatalogTable } from '../catalog.ts';
import { notYet, readSince, type Since, type SourceNames, withMark } from './owner.ts';

export interface SlotState {
  readonly name: string;
  /** Null while the server is still making the slot (or gave up). */
  readonly confirmed: Lsn | null;
  readonly activePid: number | null;
  readonly walStatus: string | null;
  /** Why the server has invalidated it, in its own word; servers before 17 do not say. */
  readonly invalidation: string | null;
  readonly plugin: string;
}

export async function readSlot(control: PgConnection, name: string): Promise<SlotState | undefined> {
  const [row] = await control.rows<{ confirmed: string | null; pid: string | null; status: string | null; plugin: string | null; here: string; invalidation: string | null }>(
    `select confirmed_flush_lsn::text as confirmed, active_pid::text as pid, wal_status as status, plugin, (database = current_database())::text as here,
       pg_catalog.to_jsonb(s) ->> 'invalidation_reason' as invalidation
     from pg_catalog.pg_replication_slots s where slot_name = $1`,
    [name],
  );
  if (!row) return undefined;
  if (row.plugin !== 'pgoutput' || row.here !== 'true') {
    throw new MillraceError('SLOT_IN_USE', `replication slot "${name}" belongs to something else`, {
      retriable: false, detail: `plugin ${row.plugin ?? 'none (physical)'}, another database: ${row.here !== 'true'}`,
      hint: 'give this project its own slot name: sources.NAME.slot',
    });
  }
  return {
    name,
    confirmed: row.confirmed === null ? null : parseLsn(row.confirmed),
    activePid: row.pid === null ? null : Number(row.pid),
    walStatus: row.status,
    invalidation: row.invalidation,
    plugin: row.plugin,
  };
}

/** What is said of a slot that the server has invalidated. */
export const invalidated = (name: string, reason?: string | null): string =>
  `replication slot "${name}" was invalidated${reason ? ` (${reason})` : ''}: the server does not keep what it needs any more`;

/**
 * Makes the slot. The server first waits for every open writing transaction, with the slot already visible; `onWait` hears whom it waits for.
 * Returns the consistent point: changes that commit from there on will be sent. From 17 on a permanent slot may follow to a standby that is
 * promoted (`failover`); a standby makes none of that kind.
 */
export async function createSlot(
  replication: PgConnection, control: PgConnection, name: string, kind: 'permanent' | 'temporary', onWait: (reason: string | undefined) => void,
): Promise<{ point: Lsn; snapshotName: string | null }> {
  if (kind === 'permanent') crashPoint('slot.before-create');
  const isStandby = await inRecovery(control);
  const failover = control.major >= 17 && !isStandby ? ', FAILOVER true' : '';
  const options = kind === 'temporary' ? "TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')" : `LOGICAL pgoutput (SNAPSHOT 'nothing'${failover})`;
  const primary = isStandby ? 'waiting for the primary to log its running transactions: select pg_log_standby_snapshot() there lets it go on at once' : undefined;
  const watch = setInterval(() => void blockers(control, replication.pid).then((who) => onWait(who ?? primary), () => undefined), 500);
  try {
    await replication.set({ ...longLived(replication.major), lock_timeout: '0' });
    const [result] = await replication.query(`CREATE_REPLICATION_SLOT ${quoteIdent(name)} ${options}`);
    const row = result?.rows[0];
    if (!row?.[1]) throw new MillraceError('PROTOCOL_VIOLATION', 'the server made a slot without saying where', { where: replication.where });
    if (kind === 'permanent') crashPoint('slot.after-create');
    return { point: parseLsn(row[1].toString()), snapshotName: row[2]?.toString() ?? null };
  } catch (error) {
    throw describeSlotError(error, replication.where, name);
  } finally {
    clearInterval(watch);
    onWait(undefined);
  }
}

/** Whether the server is a standby. */
export async function inRecovery(control: PgConnection): Promise<boolean> {
  return (await control.rows<{ r: string }>('select pg_catalog.pg_is_in_recovery()::text as r'))[0]?.r === 'true';
}

async function blockers(control: PgConnection, pid: number): Promise<string | undefined> {
  const rows = await control.rows<{ pid: string; app: string | null; age: string }>(
    `select b.pid::text, a.application_name as app, coalesce(extract(epoch from now() - a.xact_start)::int, 0)::text as age
     from unnest(pg_catalog.pg_blocking_pids($1::int)) b(pid) left join pg_catalog.pg_stat_activity a on a.pid = b.pid`,
    [String(pid)],
  );
  return rows.length === 0 ? undefined : rows.map((row) => `waiting for transaction of pid ${row.pid} (${row.app || 'unnamed'}, open for ${row.age} s)`).join('; ');
}

/** An inactive slot that never got a consistent point, left by a crash, is ours to drop. */
export async function dropSlot(control: PgConnection, name: string): Promise<void> {
  try {
    await control.rows('select pg_catalog.pg_drop_replication_slot($1)', [name]);
  } catch (error) {
    if (error instanceof PgError && error.code === '42704') return;
    throw describeSlotError(error, control.where, name);
  }
}

export function describeSlotError(error: unknown, where: string, name: string): unknown {
  if (!(error instanceof PgError)) return error;
  const parts = { where, detail: error.message, cause: error };
  if (error.code === '55006') return new MillraceError('SLOT_IN_USE', `replication slot "${name}" is in use`, parts);
  if (error.code === '42710') return new MillraceError('SLOT_IN_USE', `replication slot "${name}" was made by another process just now`, parts);
  if (error.code === '53400') return new MillraceError('SLOT_LIMIT', 'no replication slot or WAL sender is free', parts);
  if (error.code === '42704') {
    return /publication/.test(error.message)
      ? new MillraceError('PUBLICATION_MISSING', error.message, { where, cause: error })
      // It went since it was looked for. The next attempt makes another, and each replica says what it misses.
      : new MillraceError('SLOT_LOST', `replication slot "${name}" does not exist`, { ...parts, retriable: true });
  }
  if (error.code === '55000' && /wal_level/.test(error.message)) return new MillraceError('WAL_LEVEL', 'wal_level is not logical', parts);
  if (error.code === '55000' && /(invalidated|no longer|can no longer)/.test(`${error.message} ${error.detail ?? ''}`)) {
    return new MillraceError('SLOT_LOST', invalidated(name), parts);
  }
  if (error.code === '55000' && /synchronized/.test(`${error.message} ${error.detail ?? ''}`)) {
    return new MillraceError('SLOT_IN_USE', `the server is a standby, and "${name}" there follows the primary's slot until it is promoted`, { ...parts, hint: 'name the primary in the URL; Millrace goes on by itself when the standby is promoted' });
  }
  if (error.code === '58P01') return new MillraceError('SLOT_LOST', `the server no longer has WAL that slot "${name}" needs`, parts);
  if (error.code === 'XX000') {
    // The server's own decoding failed, e.g. "could not map filenode". The next attempt may pass; but a slot that was made while tables were
    // rewritten beside other transactions has a wrong picture of the catalog for ever (PostgreSQL 15 to 18 do not follow what commits meanwhile).
    const hint = `if it stays, this slot is spoilt: at the source, select pg_drop_replication_slot(${quoteLiteral(name)}), then \`millrace resync\` each replica, which makes a new one`;
    return new MillraceError('SERVER_ERROR', error.message, { ...parts, retriable: true, hint });
  }
  if (error.code === '42501') {
    return new MillraceError('PRIVILEGE_MISSING', error.message, { ...parts, hint: 'alter role NAME replication (on managed servers: grant rds_replication or the like); `millrace doctor` prints the exact one' });
  }
  return describePgError(error, where);
}

/** The publication's members as SQL: tables with the columns that leave the source. */
export function publicationMembers(tables: readonly CatalogTable[]): string {
  return tables
    .map((table) => {
      const excluded = table.leftOut.some((column) => column.why === 'excluded');
      const columns = excluded ? ` (${table.relation.columns.map((column) => quoteIdent(column.name)).join(', ')})` : '';
      return `${quoteTable(table.relation)}${columns}`;
    })
    .join(', ');
}

/** The statement that makes the publication, also for `plan --sql` and error messages. */
export function createPublicationSql(name: string, tables: readonly CatalogTable[], major: number): string {
  const generated = major >= 18 ? ', publish_generated_columns = stored' : '';
  return `create publication ${quoteIdent(name)} for table ${publicationMembers(tables)} with (publish_via_partition_root = true${generated})`;
}

/**
 * Makes the publication hold exactly these tables and columns, and writes the project's id into its comment, if it may. A publication that is
 * not ours (`managesPublication` false) is only checked. Returns since when it has sent each table, as far as that is known.
 */
export async function ensurePublication(control: PgConnection, tables: readonly CatalogTable[], names: SourceNames, project: string): Promise<Since> {
  const { publication: name, slot } = names;
  // A standby has what was made on its primary.
  const isStandby = await inRecovery(control);
  const managed = names.managesPublication && !isStandby;
  const there = isStandby ? ' on the primary' : '';
  const [found] = await control.rows<{ comment: string | null; mine: string }>(
    `select pg_catalog.obj_description(oid, 'pg_publication') as comment, (pg_has_role(pubowner, 'USAGE') and not pg_is_in_recovery())::text as mine
     from pg_catalog.pg_publication where pubname = $1`, [name]);
  const since = readSince(found?.comment ?? null);
  const comment = (): string => withMark(found?.comment ?? null, project, slot, since);
  const mark = (): string => `comment on publication ${quoteIdent(name)} is ${quoteLiteral(comment())}`;
  /** Where a change of the publication counts is known when it has committed; a crash in between leaves `notYet`. */
  const settle = async (): Promise<Since> => {
    const [row] = await control.rows<{ lsn: string }>('select pg_catalog.pg_current_wal_insert_lsn()::text as lsn');
    for (const [table, at] of since) if (at === notYet) since.set(table, parseLsn(row?.lsn ?? '0/0'));
    await control.query(mark());
    return since;
  };
  const create = createPublicationSql(name, tables, control.major);
  try {
    if (!found) {
      if (!managed) throw new MillraceError('PUBLICATION_MISSING', `publication "${name}" does not exist`, { where: control.where, hint: `run${there}: ${create};` });
      since.set('*', notYet);
      await control.query(`${create}; ${mark()}`);
      return await settle();
    }
    const members = await readMembers(control, name);
    const missing = tables.filter((table) => members.get(tableAddress(table.relation)) !== columnList(table));
    const surplus = members.size > tables.length;
    if (missing.length === 0 && !(managed && surplus)) {
      if (!managed || found.mine !== 'true') return since;
      if ([...since.values()].includes(notYet)) return await settle();
      if (found.comment !== comment()) await control.query(mark());
      return since;
    }
    const alter = `alter publication ${quoteIdent(name)} set table ${publicationMembers(tables)}`;
    if (!managed) {
      const [apart] = missing.filter((table) => table.partitioned);
      if (apart && !(await sendsRoots(control, name))) throw underOwnNames(control, name, apart, `run${there}: `);
      throw new MillraceError('PUBLICATION_MISSING', `publication "${name}" does not hold ${missing.map((table) => tableAddress(table.relation)).join(', ')} as configured`, {
        where: control.where, hint: `run${there}: ${alter};`,
      });
    }
    // Who streams through the slot streams this publication: another set of tables would take its changes away without a word.
    const held = await readSlot(control, slot);
    if (held && held.activePid !== null) throw new MillraceError('SLOT_IN_USE', `replication slot "${slot}" is in use, so its publication cannot get other tables`, { where: control.where });
    for (const address of since.keys()) if (address !== '*' && !tables.some((table) => tableAddress(table.relation) === address)) since.delete(address);
    for (const table of tables) if (unsentOf(members.get(tableAddress(table.relation)), table).length > 0) since.set(tableAddress(table.relation), notYet);
    await control.query(found.mine === 'true' ? `${alter}; ${mark()}` : alter);
    return found.mine === 'true' ? await settle() : since;
  } catch (error) {
    if (error instanceof PgError && error.code === '42501') {
      throw new MillraceError('PRIVILEGE_MISSING', error.message, {
        where: control.where, cause: error,
        hint: `let a superuser or the owner of the tables run: ${create};\nand name it in the project: sources.NAME.publication: ${name}`,
      });
    }
    throw describePgError(error, control.where);
  }
}

/** Whether a publication sends the rows of partitions as those of their root. */
export const sendsRoots = async (control: PgConnection, publication: string): Promise<boolean> =>
  (await control.rows<{ via: string }>('select pubviaroot::text as via from pg_catalog.pg_publication where pubname = $1', [publication]))[0]?.via === 'true';

export const underOwnNames = (control: PgConnection, publication: string, { relation }: CatalogTable, run = ''): MillraceError =>
  new MillraceError('PUBLICATION_MISSING', `publication "${publication}" sends partitions of ${tableAddress(relation)} under their own names`, {
    where: control.where, hint: `${run}alter publication ${quoteIdent(publication)} set (publish_via_partition_root = true);`,
  });

export const columnList = (table: CatalogTable): string => table.relation.columns.map((column) => column.name).sort().join('\0');

/** The columns of a table that are to be sent, and that a publication does not send. `sent`: what it has of it, as `columnList`. */
export function unsentOf(sent: string | undefined, table: CatalogTable): string[] {
  const columns = new Set(sent?.split('\0'));
  return table.relation.columns.map((column) => column.name).filter((name) => !columns.has(name));
}

/** Address → the sorted column names that the publication sends. */
export async function readMembers(control: PgConnection, name: string): Promise<Map<string, string>> {
  const rows = await control.rows<{ schema: string; name: string; columns: string }>(
    `select schemaname as schema, tablename as name, array_to_json(attnames)::text as columns from pg_catalog.pg_publication_tables where pubname = $1`,
    [name],
  );
  return new Map(rows.map((row) => [tableAddress(row), (JSON.parse(row.columns) as string[]).sort().join('\0')]));
}
