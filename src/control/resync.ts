// resync: lets replicas read tables again, through the process that runs the project or, when none does, before the next start.
import { createLogger, systemClock } from '../base/index.ts';
import { forgetLoads } from '../connect/index.ts';
import { withConnection } from '../wire/index.ts';
import { findRunning } from './client.ts';
import { unknownName } from './names.ts';
import type { Project } from './project/project.ts';
import { postgresSource } from './supervise/source.ts';

/**
 * Marks tables (addresses at the source; all when none is named) of a replica to be read again. A slot that the server has invalidated is
 * dropped, so that the next start makes a new one. Resolves with whether a running process does it now.
 */
export async function resync(project: Project, replica: string, tables: readonly string[]): Promise<'now' | 'at the next start'> {
  const running = findRunning(project.folder);
  if (running) {
    await running.resync(replica, tables);
    return 'now';
  }
  const spec = project.replicas.find((one) => one.name === replica);
  if (!spec) throw unknownName('replica', replica, project.replicas.map((one) => one.name));
  for (const { source } of spec.from) {
    await withConnection(spec.url, (connection) => forgetLoads(connection, spec.name, source, tables));
    const found = project.sources.find((one) => one.name === source);
    if (!found || tables.length > 0) continue;
    const connector = postgresSource(project, found, { clock: systemClock, logger: createLogger('silent') });
    try {
      await connector.forgetIfLost();
    } finally {
      await connector.close();
    }
  }
  return 'at the next start';
}
