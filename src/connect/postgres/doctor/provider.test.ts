// Services are told by what their servers show, and each has mends of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { providerOf, type ProviderSigns, settingMend } from './provider.ts';

/** What servers of these services have among the signs that are looked for. */
const recorded: Readonly<Record<string, ProviderSigns>> = {
  'Amazon RDS': { settings: ['rds.extensions', 'rds.logical_replication'], roles: ['rds_superuser', 'rdsadmin'], functions: [] },
  'Amazon Aurora': { settings: ['apg_plan_mgmt.use_plan_baselines', 'rds.extensions', 'rds.logical_replication'], roles: ['rds_superuser', 'rdsadmin'], functions: ['aurora_version'] },
  'Google Cloud SQL': { settings: ['cloudsql.iam_authentication', 'cloudsql.logical_decoding'], roles: ['cloudsqladmin', 'cloudsqlsuperuser'], functions: [] },
  'Azure Database for PostgreSQL': { settings: ['azure.extensions'], roles: ['azure_pg_admin', 'azuresu'], functions: [] },
  Supabase: { settings: ['supautils.privileged_role'], roles: ['supabase_admin'], functions: [] },
  Neon: { settings: ['neon.tenant_id', 'neon.timeline_id'], roles: ['neon_superuser'], functions: [] },
};

test('each is recognised, also by one sign alone; a server of one\'s own is none of them', () => {
  for (const [name, signs] of Object.entries(recorded)) {
    assert.equal(providerOf(signs)?.name, name);
    for (const role of name === 'Amazon Aurora' ? [] : signs.roles) assert.equal(providerOf({ settings: [], roles: [role], functions: [] })?.name, name);
  }
  assert.equal(providerOf({ settings: [], roles: ['postgres'], functions: [] }), undefined);
});

test('mends are those of the service, and none says alter system', () => {
  const expected: Readonly<Record<string, { walLevel: RegExp; setting: RegExp; replication: RegExp }>> = {
    'Amazon RDS': { walLevel: /rds\.logical_replication = 1 .*reboot the instance/, setting: /max_wal_senders = 20 in the parameter group of the instance, then reboot/, replication: /^grant rds_replication to "M";/ },
    'Amazon Aurora': { walLevel: /rds\.logical_replication = 1 .*DB cluster.*writer/, setting: /parameter group of the DB cluster/, replication: /^grant rds_replication/ },
    'Google Cloud SQL': { walLevel: /cloudsql\.logical_decoding = on/, setting: /the flag max_wal_senders = 20/, replication: /^alter role "M" replication;/ },
    'Azure Database for PostgreSQL': { walLevel: /server parameter wal_level to logical/, setting: /server parameter max_wal_senders to 20/, replication: /^alter role "M" replication;/ },
    Supabase: { walLevel: /ask the support/, setting: /postgres-config update --config max_wal_senders=20/, replication: /^alter role "M" replication;/ },
    Neon: { walLevel: /settings of the project/, setting: /size of the compute/, replication: /neon_superuser/ },
  };
  for (const [name, signs] of Object.entries(recorded)) {
    const provider = providerOf(signs);
    assert.ok(provider);
    const { sql = '', detail = '' } = provider.replication('"M"');
    const setting = settingMend(provider, 'max_wal_senders', 20, true);
    assert.equal(setting.sql, undefined);
    const said = { walLevel: provider.walLevel, setting: setting.detail, replication: `${sql}${detail}` };
    for (const [what, pattern] of Object.entries(expected[name] ?? assert.fail(name))) assert.match(said[what as keyof typeof said], pattern, `${name}, ${what}`);
    assert.doesNotMatch(JSON.stringify(said), /alter system/);
  }
  assert.deepEqual(settingMend(undefined, 'max_wal_senders', 20, true), { sql: 'alter system set max_wal_senders = 20;', detail: 'it counts after a restart of the server' });
});
