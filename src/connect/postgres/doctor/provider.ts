// Managed servers, recognised by what they say of themselves, and how each of them wants things done that SQL does not do there: `alter system`
// is refused by all of them.
import type { PgConnection } from '../../../wire/index.ts';
import type { Findings } from './finding.ts';

/** What a server shows of who runs it. */
export interface ProviderSigns {
  /** Settings that it knows. */
  readonly settings: readonly string[];
  readonly roles: readonly string[];
  readonly functions: readonly string[];
}

export interface Mend {
  readonly sql?: string;
  readonly detail?: string;
}

export interface Provider {
  readonly name: string;
  /** How wal_level becomes logical. */
  readonly walLevel: string;
  /** How a setting of the server is changed; `value` in the setting's own unit. */
  setting(name: string, value: number, restarts: boolean): string;
  /** How a role gets the right to replicate. `role` is quoted. */
  replication(role: string): Mend;
  /** How a role may set session_replication_role. */
  replicaRole(role: string): Mend;
  /** What is worth knowing of it as a source. */
  readonly note?: string;
}

const then = (restarts: boolean, what: string): string => (restarts ? `, then ${what}` : '');
const bySql = (role: string): Mend => ({ sql: `alter role ${role} replication;`, detail: 'run it as the administrator that the service gave you' });
const rdsReplication = (role: string): Mend => ({ sql: `grant rds_replication to ${role};` });
const setParameter = (role: string): string => `grant set on parameter session_replication_role to ${role};`;
const rdsReplicaRole = (role: string): Mend => ({ sql: setParameter(role), detail: `run it as the master user; where that is refused: grant rds_superuser to ${role}` });
const asked = (role: string): Mend => ({ sql: setParameter(role), detail: 'run it as the administrator that the service gave you; where that is refused, it stays so' });

const rds: Provider = {
  name: 'Amazon RDS',
  walLevel: 'set rds.logical_replication = 1 in a parameter group of your own that the instance uses, then reboot the instance',
  setting: (name, value, restarts) => `set ${name} = ${value} in the parameter group of the instance${then(restarts, 'reboot it')}`,
  replication: rdsReplication,
  replicaRole: rdsReplicaRole,
};

const aurora: Provider = {
  name: 'Amazon Aurora',
  walLevel: 'set rds.logical_replication = 1 in a parameter group of your own for the DB cluster, then reboot its writer',
  setting: (name, value, restarts) => `set ${name} = ${value} in the parameter group of the DB cluster${then(restarts, 'reboot its writer')}`,
  replication: rdsReplication,
  replicaRole: rdsReplicaRole,
  note: 'name the writer (the cluster endpoint) in the URL: readers of Aurora are no standbys and decode nothing',
};

const cloudSql: Provider = {
  name: 'Google Cloud SQL',
  walLevel: 'set the flag cloudsql.logical_decoding = on of the instance, which restarts it',
  setting: (name, value, restarts) => `set the flag ${name} = ${value} of the instance${restarts ? ', which restarts it' : ''}`,
  replication: bySql,
  replicaRole: asked,
};

const azure: Provider = {
  name: 'Azure Database for PostgreSQL',
  walLevel: 'set the server parameter wal_level to logical, then restart the server',
  setting: (name, value, restarts) => `set the server parameter ${name} to ${value}${then(restarts, 'restart the server')}`,
  replication: bySql,
  replicaRole: asked,
};

const supabase: Provider = {
  name: 'Supabase',
  walLevel: 'databases there are made with wal_level = logical; ask the support how it became another one',
  setting: (name, value, restarts) => `supabase --project-ref REF postgres-config update --config ${name}=${value}${restarts ? ', which restarts the database' : ''}`,
  replication: bySql,
  replicaRole: asked,
  note: 'take the direct connection (db.REF.supabase.co, IPv6 unless you bought IPv4): the pooler passes no replication on',
};

const neon: Provider = {
  name: 'Neon',
  walLevel: 'enable logical replication in the settings of the project; its computes restart, and it cannot be taken back',
  setting: (name, value) => `${name} (${value} is wanted) follows the size of the compute there; ask the support for another one`,
  replication: () => ({ detail: 'take a role that was made in the console, with the CLI or by the API: those are members of neon_superuser, which may replicate' }),
  replicaRole: asked,
  note: 'take the host without -pooler; a slot that nobody has read for about 40 hours is removed there, and a compute that Millrace reads from does not scale to zero',
};

/** What to look for, and whose it is: the first that is there. Aurora has the signs of RDS too. */
const signs: readonly { readonly provider: Provider; readonly settings: readonly string[]; readonly roles: readonly string[]; readonly functions: readonly string[] }[] = [
  { provider: aurora, settings: ['aurora_compute_plan_id', 'apg_plan_mgmt.use_plan_baselines', 'aurora.enable_write_forwarding'], roles: [], functions: ['aurora_version'] },
  { provider: rds, settings: ['rds.logical_replication', 'rds.extensions'], roles: ['rdsadmin', 'rds_superuser'], functions: [] },
  { provider: cloudSql, settings: ['cloudsql.logical_decoding', 'cloudsql.iam_authentication'], roles: ['cloudsqladmin', 'cloudsqlsuperuser'], functions: [] },
  { provider: azure, settings: ['azure.extensions', 'azure.replication_support'], roles: ['azure_pg_admin', 'azuresu'], functions: [] },
  { provider: supabase, settings: ['supautils.privileged_role'], roles: ['supabase_admin'], functions: [] },
  { provider: neon, settings: ['neon.tenant_id', 'neon.timeline_id'], roles: ['neon_superuser'], functions: [] },
];

export function providerOf(found: ProviderSigns): Provider | undefined {
  const some = (wanted: readonly string[], there: readonly string[]): boolean => wanted.some((one) => there.includes(one));
  return signs.find(({ settings, roles, functions }) => some(settings, found.settings) || some(roles, found.roles) || some(functions, found.functions))?.provider;
}

const sql = `select json_build_object(
  'settings', (select coalesce(json_agg(s), '[]') from pg_catalog.json_array_elements_text($1::json) s where pg_catalog.current_setting(s, true) is not null),
  'roles', (select coalesce(json_agg(rolname), '[]') from pg_catalog.pg_roles where rolname in (select pg_catalog.json_array_elements_text($2::json))),
  'functions', (select coalesce(json_agg(proname), '[]') from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname in (select pg_catalog.json_array_elements_text($3::json))))::text as signs`;

/** Looks who runs a server, and says what is worth knowing of it. */
export async function recogniseProvider(connection: PgConnection, findings: Findings, as: 'source' | 'target'): Promise<Provider | undefined> {
  const all = (what: 'settings' | 'roles' | 'functions'): string => JSON.stringify(signs.flatMap((sign) => sign[what]));
  const [row] = await connection.rows<{ signs: string }>(sql, [all('settings'), all('roles'), all('functions')]);
  const provider = providerOf(JSON.parse(row?.signs ?? '{}') as ProviderSigns);
  if (provider) findings.add(provider.note && as === 'source' ? 'note' : 'ok', 'provider', `the server runs at ${provider.name}`, { detail: as === 'source' ? provider.note : undefined });
  return provider;
}

/** How a setting is changed on this server; `text` as SQL writes the value. */
export function settingMend(provider: Provider | undefined, name: string, value: number, restarts: boolean, text = String(value)): { readonly sql?: string; readonly detail: string } {
  if (provider) return { detail: provider.setting(name, value, restarts) };
  return restarts ? { sql: `alter system set ${name} = ${text};`, detail: 'it counts after a restart of the server' } : { sql: `alter system set ${name} = ${text}; select pg_reload_conf();`, detail: 'it counts at once' };
}
