// Replication slots and open transactions of a source: ours, others that keep WAL, and what a new slot would wait for.
import { quoteLiteral } from '../../../data/index.ts';
import type { PgConnection } from '../../../wire/index.ts';
import { ofAnotherProject, type ProjectIds, readMarks, type SourceNames } from '../source/owner.ts';
import { walEndSql } from '../wal-end.ts';
import { type Findings, sizeText } from './finding.ts';

interface SlotRow extends Record<string, string | null> {
  name: string;
  plugin: string | null;
  here: string;
  active: string;
  pid: string | null;
  status: string | null;
  kept: string | null;
  /** Null before 17. */
  failover: string | null;
  invalidation: string | null;
}

const keepsMuch = 1 << 30;

/** Returns whether our slot is there. */
export async function checkSlots(connection: PgConnection, findings: Findings, slot: string): Promise<boolean> {
  const rows = await connection.rows<SlotRow>(
    `select slot_name::text as name, plugin::text, (database is not distinct from pg_catalog.current_database())::text as here, active::text, active_pid::text as pid,
       wal_status::text as status, pg_catalog.pg_wal_lsn_diff(${walEndSql()}, restart_lsn)::text as kept, pg_catalog.to_jsonb(s) ->> 'failover' as failover,
       pg_catalog.to_jsonb(s) ->> 'invalidation_reason' as invalidation
     from pg_catalog.pg_replication_slots s order by slot_name`,
  );
  const drop = (name: string): string => `select pg_drop_replication_slot(${quoteLiteral(name)});`;
  const ours = rows.find((row) => row.name === slot);
  if (!ours) findings.add('note', 'slot', `slot ${slot} is not there yet; \`millrace up\` makes it`);
  else if (ours.plugin !== 'pgoutput' || ours.here !== 'true') {
    findings.add('error', 'slot', `slot ${slot} belongs to something else (${ours.here === 'true' ? `plugin ${ours.plugin ?? 'none'}` : 'another database'})`,
      { detail: 'give this project its own: sources.NAME.slot' });
  } else if (ours.status === 'lost') {
    findings.add('error', 'slot', `slot ${slot} is lost: the server does not keep what it needs any more${ours.invalidation === null ? '' : ` (${ours.invalidation})`}`, { sql: drop(slot), detail: 'then `millrace resync` reads the tables again' });
  } else if (ours.status === 'unreserved') {
    findings.add('warning', 'slot', `slot ${slot} is about to be lost: it keeps ${sizeText(Number(ours.kept))}, more than max_slot_wal_keep_size`, { detail: 'start `millrace up` now, or raise max_slot_wal_keep_size' });
  } else {
    findings.add('ok', 'slot', `slot ${slot} is ${ours.active === 'true' ? `in use by server process ${ours.pid}` : 'idle'} and keeps ${sizeText(Number(ours.kept ?? 0))} of WAL`);
  }
  if (ours) await checkFailover(connection, findings, ours, rows);
  for (const row of rows) {
    if (row === ours || row.active === 'true' || row.status === 'lost') continue;
    const kept = Number(row.kept ?? 0);
    findings.add(kept > keepsMuch ? 'warning' : 'note', 'other slots', `slot ${row.name} is inactive and keeps ${sizeText(kept)} of WAL`,
      { sql: drop(row.name), detail: 'only if nobody needs it any more' });
  }
  const kept = Math.max(0, ...rows.map((row) => Number(row.kept ?? 0)));
  findings.add('note', 'wal', `slots keep ${sizeText(kept)} of WAL${await walDirectory(connection)}`);
  return ours !== undefined;
}

/** Whether a standby that is promoted has the slot, and everything that a replica has: from 17 on it can. */
async function checkFailover(connection: PgConnection, findings: Findings, ours: SlotRow, rows: readonly SlotRow[]): Promise<void> {
  if (ours.failover === 'false') {
    findings.add('note', 'failover', `slot ${ours.name} does not follow to a standby`, {
      detail: `while \`millrace up\` does not run: psql "URL?replication=database" -c 'ALTER_REPLICATION_SLOT ${ours.name} (FAILOVER true)'`,
    });
  }
  const standbys = rows.filter((row) => row.plugin === null && row.active === 'true');
  if (ours.failover !== 'true' || standbys.length === 0) return;
  const [row] = await connection.rows<{ waits: string | null }>("select pg_catalog.current_setting('synchronized_standby_slots', true) as waits");
  if (row?.waits) findings.add('ok', 'failover', `what a standby lacks is not sent yet (${row.waits})`);
  else {
    findings.add('note', 'failover', 'a standby that is promoted may lack what a replica has already, which then has to be read again', {
      detail: `at this server synchronized_standby_slots = ${quoteLiteral(standbys.map(({ name }) => name).join(', '))}, with the slots of those only that are to take over (nothing is sent while one of them is away); at them sync_replication_slots = on`,
    });
  }
}

/** Slot and publication of another project. */
export async function checkOwner(connection: PgConnection, findings: Findings, names: SourceNames, ids: ProjectIds): Promise<void> {
  const foreign = (await readMarks(connection, names)).find((mark) => !ids.own.has(mark.project));
  if (!foreign) return;
  const { message, detail, hint } = ofAnotherProject(foreign, ids, connection.where);
  findings.add('error', 'owner', message, { detail: `${detail}; ${hint.replaceAll('\n', ', ')}` });
}

async function walDirectory(connection: PgConnection): Promise<string> {
  const [may] = await connection.rows<{ may: string }>("select has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')::text as may");
  if (may?.may !== 'true') return '; the size of the WAL directory is for members of pg_monitor to see';
  const [row] = await connection.rows<{ bytes: string }>('select coalesce(sum(size), 0)::text as bytes from pg_catalog.pg_ls_waldir()');
  return `; the WAL directory has ${sizeText(Number(row?.bytes))}`;
}

/** Writing transactions that are open for long: the server makes a slot, or a snapshot, only after they have ended. */
export async function checkTransactions(connection: PgConnection, findings: Findings, openForMs: number, slotIsThere: boolean): Promise<void> {
  const age = `${openForMs / 1000}`;
  const rows = await connection.rows<{ pid: string; gid: string | null; app: string | null; seconds: string }>(
    `select a.pid::text, null as gid, a.application_name as app, extract(epoch from now() - a.xact_start)::int8::text as seconds from pg_catalog.pg_stat_activity a
       where a.backend_xid is not null and a.pid <> pg_backend_pid() and a.xact_start < now() - make_interval(secs => $1::float8)
     union all
     select '', p.gid, p.owner::text, extract(epoch from now() - p.prepared)::int8::text from pg_catalog.pg_prepared_xacts p
       where p.prepared < now() - make_interval(secs => $1::float8) order by 1`,
    [age],
  );
  for (const row of rows) {
    const what = row.gid === null ? `transaction of server process ${row.pid} (${row.app || 'unnamed'})` : `prepared transaction ${row.gid} of ${row.app}`;
    findings.add(slotIsThere ? 'note' : 'warning', 'transactions', `the ${what} is open for ${row.seconds} s; ${slotIsThere ? 'a new snapshot' : 'the new slot'} would wait for it`,
      { sql: row.gid === null ? `select pg_terminate_backend(${row.pid});` : `rollback prepared ${quoteLiteral(row.gid)};`, detail: 'only if it may be broken off; its changes are lost then' });
  }
  if (rows.length === 0) findings.add('ok', 'transactions', 'no writing transaction is open for long');
}
