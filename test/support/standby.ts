// A standby of a throwaway server: from a copy of its files, streaming through a physical slot.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, startCluster } from '../../src/cli/demo/cluster.ts';
import { connect } from './scenario.ts';

/** @param settings Over those of its primary. It follows by the slot `standby`, and gives feedback. */
export async function startStandby(primary: Cluster, settings: Record<string, string> = {}): Promise<Cluster> {
  const admin = await connect(primary.url());
  try {
    await admin.query("select pg_create_physical_replication_slot('standby', true)");
    return await startCluster({
      version: primary.version,
      settings: { primary_conninfo: `host=127.0.0.1 port=${primary.port} user=postgres dbname=postgres`, primary_slot_name: 'standby', hot_standby_feedback: 'on', wal_receiver_status_interval: '1s', ...settings },
      from: async (data) => {
        await admin.rows("select pg_backup_start('standby', true)");
        execFileSync('cp', ['-a', join(primary.folder, 'data'), data]);
        const [label] = await admin.rows<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
        for (const left of ['postmaster.pid', 'postmaster.opts']) rmSync(join(data, left), { force: true });
        // Slots are a server's own.
        execFileSync('sh', ['-c', `rm -rf '${data}'/pg_replslot/*`]);
        writeFileSync(join(data, 'backup_label'), label?.labelfile ?? '');
        writeFileSync(join(data, 'standby.signal'), '');
        execFileSync('chown', [`--reference=${data}`, join(data, 'backup_label'), join(data, 'standby.signal')]);
      },
    });
  } finally {
    await admin.close();
  }
}
