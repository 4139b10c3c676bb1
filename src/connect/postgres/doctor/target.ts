// Everything that must hold at a target before rows can be written to it.
import { tableAddress } from '../../../data/index.ts';
import type { TargetTable } from '../../../flow/index.ts';
import type { ConnectOptions } from '../../../wire/index.ts';
import { schemaIsThere } from '../sink/schema.ts';
import { maySetReplicaRole } from '../target/parallel.ts';
import { planTarget, type TargetPlan } from '../target/plan.ts';
import { ident } from '../target/sql-text.ts';
import { type Provider, recogniseProvider, settingMend } from './provider.ts';
import { checkClock, checkEncoding, examine, type Finding, type Findings, sizeText } from './finding.ts';

const sql = `
select json_build_object('role', current_user, 'database', current_database(), 'recovery', pg_is_in_recovery(), 'readOnly', current_setting('transaction_read_only') = 'on',
  'readOnlyBy', (select source from pg_catalog.pg_settings where name = 'default_transaction_read_only'),
  'mayCreate', has_database_privilege(current_database(), 'CREATE'),
  'meta', (select json_build_object('usage', has_schema_privilege(n.oid, 'USAGE'), 'create', has_schema_privilege(n.oid, 'CREATE'),
    'tables', (select coalesce(json_agg(c.relname order by c.relname), '[]') from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relkind = 'r'
      and not (has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT') and has_table_privilege(c.oid, 'UPDATE') and has_table_privilege(c.oid, 'DELETE'))))
    from pg_catalog.pg_namespace n where n.nspname = 'millrace'),
  'size', pg_database_size(current_database()), 'connections', (select sum(numbackends) from pg_catalog.pg_stat_database),
  'connectionsMax', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int)::text as facts`;

interface Facts {
  role: string; database: string; recovery: boolean; readOnly: boolean; readOnlyBy: string; mayCreate: boolean;
  meta: { usage: boolean; create: boolean; tables: string[] } | null; size: number; connections: number; connectionsMax: number;
}

/** Connections that one replica opens at the same time, with some to spare for `verify` and this doctor. */
const connectionsNeeded = 5;

/** Looks at a target without changing it; `wanted` are the tables that would be written, by `parallel` sessions. Throws only when the connection breaks on the way. */
export function diagnoseTarget(options: ConnectOptions, wanted: readonly TargetTable[], parallel = 1): Promise<Finding[]> {
  return examine(options, async (connection, findings) => {
    const [row] = await connection.rows<{ facts: string }>(sql);
    const facts = JSON.parse(row?.facts ?? '{}') as Facts;
    const [role, database] = [ident(facts.role), ident(facts.database)];
    const provider = await recogniseProvider(connection, findings, 'target');
    checkWritable(findings, facts, role, database);
    checkMeta(findings, facts, await schemaIsThere(connection), role, database);
    const plan = await planTarget(connection, wanted, parallel);
    if (connection.pooled) {
      findings.add('note', 'pooler', `a connection pooler stands before the target: everything is set up anew in each transaction, and a replica needs limits.readers${parallel > 1 ? ` + ${parallel}` : ''} + 3 of its sessions`, {
        detail: 'it works in transaction mode too; a URL that leads to the server itself is faster',
      });
    }
    checkPlan(findings, plan, wanted.length);
    checkReplicaRole(findings, await maySetReplicaRole(connection), role, plan, provider);
    checkRoom(findings, facts, provider, connectionsNeeded + (parallel > 1 ? parallel : 0));
    await checkEncoding(connection, findings);
    await checkClock(connection, findings);
  });
}

function checkWritable(findings: Findings, facts: Facts, role: string, database: string): void {
  if (facts.recovery) findings.add('error', 'writable', 'the server is a standby and takes no writes', { detail: 'name the primary in the URL' });
  else if (facts.readOnly) findings.add('error', 'writable', 'transactions are read-only here', mayWriteAgain(facts.readOnlyBy, role, database));
  else findings.add('ok', 'writable', 'the database takes writes');
}

/** Undoes default_transaction_read_only where it was set. */
function mayWriteAgain(by: string, role: string, database: string): { sql?: string; detail?: string } {
  const off = 'default_transaction_read_only = off';
  if (by === 'database') return { sql: `alter database ${database} set ${off};` };
  if (by === 'user') return { sql: `alter role ${role} set ${off};` };
  if (by === 'database user') return { sql: `alter role ${role} in database ${database} set ${off};` };
  if (by === 'client') return { detail: 'the URL says so itself: take default_transaction_read_only out of its options' };
  return { sql: `alter system set ${off};\nselect pg_reload_conf();`, detail: `default_transaction_read_only is set for the whole server (${by}); a service may have done so because its disk is full` };
}

/** The schema in which Millrace keeps positions and dead letters. */
function checkMeta(findings: Findings, facts: Facts, whole: boolean, role: string, database: string): void {
  const { meta } = facts;
  if (meta === null) {
    if (facts.mayCreate) findings.add('ok', 'millrace schema', 'schema millrace is not there yet; `millrace up` makes it');
    else findings.add('error', 'millrace schema', `${role} may not make the schema millrace, which holds positions and dead letters`, { sql: `grant create on database ${database} to ${role};` });
    return;
  }
  const grants = [
    ...(meta.usage && (meta.create || whole) ? [] : [`grant usage${whole ? '' : ', create'} on schema millrace to ${role};`]),
    ...(meta.tables.length > 0 ? [`grant select, insert, update, delete on ${meta.tables.map((name) => `millrace.${ident(name)}`).join(', ')} to ${role};`] : []),
  ];
  if (grants.length > 0) findings.add('error', 'millrace schema', `${role} may not use the schema millrace, which holds positions and dead letters`, { sql: grants.join('\n') });
  else findings.add('ok', 'millrace schema', 'schema millrace is there');
}

function checkPlan(findings: Findings, plan: TargetPlan, tables: number): void {
  if (plan.grants.length > 0) {
    findings.add('error', 'privileges', `privileges are missing: ${plan.grants.map((grant) => grant.why).join('; ')}`, { sql: plan.grants.map((grant) => `${grant.sql};`).join('\n') });
  } else findings.add('ok', 'privileges', 'tables can be made and written');
  const rowByRow = plan.existing.filter(({ table }) => !table.privileges.truncate);
  if (rowByRow.length > 0) findings.add('note', 'privileges', `without the right to TRUNCATE, ${rowByRow.map(({ table }) => tableAddress(table)).join(', ')} ${rowByRow.length === 1 ? 'is' : 'are'} emptied row by row when read again or truncated at the source`);
  for (const { level, message, hint } of plan.problems) {
    findings.add(level, 'tables', message, isSql(hint) ? { sql: `${hint};` } : { detail: hint });
  }
  if (plan.ddl.length > 0) {
    findings.add('note', 'tables', `${plan.ddl.length} ${plan.ddl.length === 1 ? 'statement makes' : 'statements make'} what is not there; \`millrace up\` runs them, \`millrace plan --sql\` prints them`);
  } else if (tables > 0) findings.add('ok', 'tables', `${tables} ${tables === 1 ? 'table is' : 'tables are'} there`);
}

const isSql = (hint: string): boolean => /^(alter|create|grant) /.test(hint);

function checkReplicaRole(findings: Findings, may: boolean, role: string, plan: TargetPlan, provider: Provider | undefined): void {
  const named = (tables: TargetPlan['existing']): string => tables.map(({ table }) => tableAddress(table)).join(', ');
  const touched = plan.existing.filter(({ table }) => table.triggers || table.foreignKeys);
  if (may) {
    findings.add('ok', 'replica role', `${role} may set session_replication_role`);
    if (touched.length > 0) findings.add('note', 'triggers', `triggers and foreign keys of ${named(touched)} do not act on replicated rows`);
  } else {
    const mend = provider?.replicaRole(role) ?? { sql: `grant set on parameter session_replication_role to ${role};` };
    findings.add('warning', 'replica role', `${role} may not set session_replication_role, so tables with foreign keys or triggers are applied row by row in source order`,
      { sql: mend.sql, detail: [touched.length > 0 ? `this concerns ${named(touched)}` : 'no table here has any yet', mend.detail].filter(Boolean).join('; ') });
  }
  const always = plan.existing.filter(({ table }) => table.triggersAlways);
  if (always.length > 0) findings.add('warning', 'triggers', `triggers of ${named(always)} are enabled ALWAYS or REPLICA: they act on every replicated row`);
}

function checkRoom(findings: Findings, facts: Facts, provider: Provider | undefined, needed: number): void {
  const free = facts.connectionsMax - facts.connections;
  if (free < needed) {
    findings.add('warning', 'connections', `only ${Math.max(0, free)} of ${facts.connectionsMax} connections are free`,
      settingMend(provider, 'max_connections', facts.connectionsMax + 50, true));
  } else findings.add('ok', 'connections', `${free} of ${facts.connectionsMax} connections are free`);
  findings.add('note', 'disk', `the database has ${sizeText(facts.size)}; the room on its disk cannot be seen from here`);
}
