// The settings and privileges that logical decoding needs of a source's server.
import { MillraceError } from '../../../base/index.ts';
import { PgConnection } from '../../../wire/index.ts';
import { ident } from '../target/sql-text.ts';
import type { Findings } from './finding.ts';
import { type Provider, recogniseProvider, settingMend } from './provider.ts';

export interface SourceServer {
  readonly role: string;
  readonly database: string;
  readonly superuser: boolean;
  readonly mayCreate: boolean;
  readonly recovery: boolean;
}

const sql = `
select json_build_object('role', current_user, 'database', current_database(), 'superuser', r.rolsuper, 'replication', r.rolreplication,
  'mayCreate', has_database_privilege(current_database(), 'CREATE'), 'recovery', pg_is_in_recovery(),
  'feedback', current_setting('hot_standby_feedback') = 'on', 'followsSlot', exists (select from pg_catalog.pg_settings where name = 'primary_slot_name' and setting <> ''),
  'walLevel', current_setting('wal_level'), 'slotsMax', current_setting('max_replication_slots')::int, 'sendersMax', current_setting('max_wal_senders')::int,
  'slots', (select count(*) from pg_catalog.pg_replication_slots), 'senders', (select count(*) from pg_catalog.pg_stat_replication),
  'ourSlot', exists (select from pg_catalog.pg_replication_slots where slot_name = $1),
  'idleMax', (select nullif(pg_catalog.current_setting('idle_replication_slot_timeout', true), '0')),
  'keepMb', (select setting::int8 from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'),
  'rdsMember', exists (select from pg_catalog.pg_roles g where g.rolname = 'rds_replication' and pg_has_role(current_user, g.oid, 'USAGE')))::text as facts
from pg_catalog.pg_roles r where r.rolname = current_user`;

interface Facts {
  role: string; database: string; superuser: boolean; replication: boolean; mayCreate: boolean; recovery: boolean; feedback: boolean; followsSlot: boolean; walLevel: string;
  slotsMax: number; sendersMax: number; slots: number; senders: number; ourSlot: boolean; keepMb: number; idleMax: string | null; rdsMember: boolean;
}

export async function checkSourceServer(connection: PgConnection, findings: Findings, slot: string): Promise<SourceServer> {
  const [row] = await connection.rows<{ facts: string }>(sql, [slot]);
  const facts = JSON.parse(row?.facts ?? '{}') as Facts;
  const role = ident(facts.role);
  checkRecovery(connection, findings, facts);
  const provider = await recogniseProvider(connection, findings, 'source');
  checkWalLevel(findings, facts, provider);
  await checkReplication(connection, findings, facts, role, provider);
  checkLimits(findings, facts, provider);
  return { role, database: ident(facts.database), superuser: facts.superuser, mayCreate: facts.mayCreate, recovery: facts.recovery };
}

function checkRecovery(connection: PgConnection, findings: Findings, { recovery, feedback, followsSlot }: Facts): void {
  if (!recovery) return;
  if (connection.major < 16) {
    findings.add('error', 'recovery', 'the server is a standby, and before PostgreSQL 16 a standby cannot decode changes', { detail: 'name the primary in the URL' });
  } else {
    findings.add('note', 'recovery', 'the server is a standby: the publication has to be made on the primary, and a slot waits for the primary to log a running transaction', {
      detail: 'a slot that waits goes on at once when the primary runs: select pg_log_standby_snapshot();',
    });
    // Without these the primary removes row versions of the catalog that the slot still needs, and the slot is lost.
    const missing = [...(feedback ? [] : ['hot_standby_feedback = on']), ...(followsSlot ? [] : ['primary_slot_name = the name of a physical slot at the primary'])];
    if (missing.length > 0) {
      findings.add('warning', 'feedback', `the primary does not know what this standby still needs, so the slot can be lost at any time: ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing`, {
        detail: `set it at this server, then reload its configuration${followsSlot ? '' : "; at the primary: select pg_create_physical_replication_slot('standby')"}`,
      });
    } else findings.add('ok', 'feedback', 'the primary keeps what the standby needs');
  }
}

function checkWalLevel(findings: Findings, { walLevel }: Facts, provider: Provider | undefined): void {
  if (walLevel === 'logical') return findings.add('ok', 'wal level', 'wal_level is logical');
  const mend = provider ? { detail: provider.walLevel } : { sql: 'alter system set wal_level = logical;', detail: 'it counts after a restart of the server' };
  findings.add('error', 'wal level', `wal_level is ${walLevel}; capturing changes needs logical`, mend);
}

async function checkReplication(connection: PgConnection, findings: Findings, facts: Facts, role: string, provider: Provider | undefined): Promise<void> {
  if (!facts.superuser && !facts.replication && !facts.rdsMember) {
    findings.add('error', 'replication', `${role} may not replicate`, provider?.replication(role) ?? { sql: `alter role ${role} replication;` });
    return;
  }
  try {
    const replication = await PgConnection.connect(connection.options, { replication: 'database' });
    try {
      await replication.query('IDENTIFY_SYSTEM');
    } finally {
      await replication.close();
    }
    findings.add('ok', 'replication', `${role} may replicate`);
  } catch (error) {
    const known = error instanceof MillraceError ? error : undefined;
    findings.add('error', 'replication', `a replication connection fails: ${error instanceof Error ? error.message : String(error)}`, { detail: known?.hint });
  }
}

function checkLimits(findings: Findings, facts: Facts, provider: Provider | undefined): void {
  // One slot for the stream and one while a snapshot is taken.
  const needed = facts.ourSlot ? 1 : 2;
  const free = facts.slotsMax - facts.slots;
  if (free < needed) {
    const mend = settingMend(provider, 'max_replication_slots', facts.slots + needed + 4, true);
    findings.add('error', 'slots free', `${facts.slots} of ${facts.slotsMax} replication slots are taken; Millrace needs ${needed} more`,
      { ...mend, detail: `${mend.detail}; or drop a slot that nobody uses` });
  } else findings.add('ok', 'slots free', `${free} of ${facts.slotsMax} replication slots are free`);
  const senders = facts.sendersMax - facts.senders;
  if (senders < 2) {
    findings.add('error', 'senders free', `${facts.senders} of ${facts.sendersMax} WAL senders are busy; Millrace needs 2`,
      settingMend(provider, 'max_wal_senders', facts.senders + 6, true));
  } else findings.add('ok', 'senders free', `${senders} of ${facts.sendersMax} WAL senders are free`);
  const bySetting = settingMend(provider, 'max_slot_wal_keep_size', 50 * 1024, false, "'50GB'");
  const choose = 'choose what the disk can spare: a slot that falls further behind is lost, and needs `millrace resync`';
  const mend = { ...bySetting, detail: provider ? `${bySetting.detail} (MB); ${choose}` : choose };
  if (facts.keepMb < 0) findings.add('warning', 'wal limit', 'max_slot_wal_keep_size is unlimited, so a consumer that stops for long can fill the disk of the source', mend);
  else if (facts.keepMb < 1024) findings.add('warning', 'wal limit', `max_slot_wal_keep_size is only ${facts.keepMb} MB, so a short stop can lose the slot`, mend);
  else findings.add('ok', 'wal limit', `slots may keep ${sizeMb(facts.keepMb)} of WAL`);
  if (facts.idleMax !== null) {
    findings.add('warning', 'idle limit', `idle_replication_slot_timeout is ${facts.idleMax}: a slot that nothing is connected to for that long is lost`,
      { ...settingMend(provider, 'idle_replication_slot_timeout', 0, false), detail: 'or never let Millrace stand still for so long; max_slot_wal_keep_size protects the disk as well' });
  }
}

const sizeMb = (mb: number): string => `${Math.round(mb / 102.4) / 10} GB`;
