// Programs that the larger tests and benchmarks use: PostgreSQL's own clients (psql, pg_dump, pgbench, pg_recvlogical), and PgBouncer, from
// Debian's packages.
import { spawnSync } from 'node:child_process';

const programs = ['psql', 'pg_dump', 'pgbench', 'pg_recvlogical', 'pgbouncer'] as const;
const isThere = (program: string): boolean => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin; command -v ${program}`]).status === 0;

/** Installs what is missing, as root. Ends the process with a message where it cannot. */
export function installPrograms(): void {
  const missing = programs.filter((program) => !isThere(program));
  if (missing.length === 0) return;
  console.error(`installing ${missing.join(', ')}`);
  // The server package is wanted for pgbench and pg_recvlogical only: no cluster is to be made or started, nor a pooler.
  const script = `export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-client postgresql-common &&
    mkdir -p /etc/postgresql-common/createcluster.d && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/millrace.conf &&
    apt-get install -y -qq --no-install-recommends postgresql-contrib postgresql &&
    RUNLEVEL=1 apt-get install -y -qq --no-install-recommends pgbouncer`;
  const outcome = spawnSync('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  const left = programs.filter((program) => !isThere(program));
  if (outcome.status === 0 && left.length === 0) return;
  console.error(`error: ${left.join(', ')} could not be installed`);
  console.error('  next: install the Debian packages postgresql-client, postgresql and pgbouncer (or their like), then run this again');
  process.exit(2);
}
