// resync: lets replicas read tables again, through the process that runs the project or, when none does, before the next start.
import { createLogger, MillraceError, systemClock } from '../base/index.ts';
import { forgetLoads, listLoads } from '../connect/index.ts';
import { nearestName } from '../data/index.ts';
import type { ReplicaSpec } from '../replica/index.ts';
import { withConnection } from '../wire/index.ts';
import { findRunning } from './client.ts';
import { unknownName } from './names.ts';
import type { Project } from './project/project.ts';
import type { RowsReport, WhichRows } from './status.ts';
import { postgresSource } from './supervise/source.ts';

/**
 * Marks tables (addresses at the source or at the target; all when none is named) of a replica to be read again. A slot that the server has
 * invalidated is dropped, so that the next start makes a new one. Resolves with whether a running process does it now. Throws TABLE_UNKNOWN.
 */
export async function resync(project: Project, replica: string, tables: readonly string[]): Promise<'now' | 'at the next start'> {
  const spec = project.replicas.find((one) => one.name === replica);
  if (!spec) throw unknownName('replica', replica, project.replicas.map((one) => one.name));
  const chosen = tables.length === 0 ? [] : await atTheSource(spec, tables);
  const running = findRunning(project.folder);
  if (running) {
    await running.resync(replica, [...new Set(chosen.map((one) => one.source))]);
    return 'now';
  }
  for (const { source } of spec.from) {
    const own = chosen.filter((one) => one.part === source).map((one) => one.source);
    if (tables.length > 0 && own.length === 0) continue;
    await withConnection(spec.url, (connection) => forgetLoads(connection, spec.name, source, own));
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

/**
 * Lets the running process read single rows of a replica again, of these tables (addresses at the source or at the target), or of all. Throws
 * TABLE_UNKNOWN, NOT_RUNNING, and what Running.resyncRows does.
 */
export async function resyncRows(project: Project, replica: string, tables: readonly string[], which: WhichRows): Promise<RowsReport> {
  const spec = project.replicas.find((one) => one.name === replica);
  if (!spec) throw unknownName('replica', replica, project.replicas.map((one) => one.name));
  const running = findRunning(project.folder);
  if (!running) {
    const whole = tables.length === 0 ? [replica] : tables.map((table) => `${replica}.${table}`);
    throw new MillraceError('NOT_RUNNING', 'single rows are read again by the process that runs the project, and none does', {
      where: project.folder, hint: `start \`millrace up\`, then give this command again; whole tables are read again at the next start with \`millrace resync ${whole.join(' ')}\``,
    });
  }
  const chosen = tables.length === 0 ? [] : await atTheSource(spec, tables);
  return running.resyncRows(replica, [...new Set(chosen.map((one) => one.source))], which);
}

/** Tables as the replica's target remembers them, by either of their names. */
async function atTheSource(spec: ReplicaSpec, tables: readonly string[]): Promise<{ part: string; source: string }[]> {
  const loads = await withConnection(spec.url, (connection) => listLoads(connection, spec.name));
  return tables.flatMap((table) => {
    const own = loads.filter((load) => load.source === table);
    const found = own.length > 0 ? own : loads.filter((load) => load.target === table);
    if (found.length > 0) return found;
    if (loads.length === 0) throw new MillraceError('TABLE_UNKNOWN', `replica "${spec.name}" has not read any table yet`, { hint: 'nothing: the first `millrace up` reads them all' });
    const near = nearestName(table, loads.flatMap((load) => [load.source, load.target]));
    throw new MillraceError('TABLE_UNKNOWN', `replica "${spec.name}" has read no table ${table}`, {
      hint: near === undefined ? 'name the table as at the source or as at the target; `millrace plan` lists them' : `did you mean "${spec.name}.${near}"?`,
    });
  });
}
