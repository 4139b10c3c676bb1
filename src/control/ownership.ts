// The project's id: random, kept in .millrace/project.json and in every target, so that a source can tell one project from another, and
// either place may be lost.
//
// A source is marked with an id only after a target or this folder has kept it; a new one only after a target has. So whoever loses the
// folder finds the id again where the positions are. A folder that was copied has the id of the one that it was copied from: there the word
// of the targets counts, which know the replicas that the copy really continues.
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { asMillraceError, MillraceError } from '../base/index.ts';
import { type ProjectIds, readProjectId, recordProjectId } from '../connect/index.ts';
import { withConnection } from '../wire/index.ts';
import { makeFolder, writeDurably } from './durable-file.ts';
import type { Project } from './project/project.ts';

type Owner = Pick<Project, 'folder' | 'replicas'>;

const path = (folder: string): string => join(folder, '.millrace', 'project.json');

/** The id that this folder was given here, not copied with. */
export function keptId(folder: string): string | undefined {
  try {
    const value = JSON.parse(readFileSync(path(folder), 'utf8')) as { format?: number; id?: string; folder?: string };
    return value.format === 1 && value.folder === folderNumber(folder) ? value.id : undefined;
  } catch {
    return undefined; // absent or torn: the targets know it
  }
}

/** A copy of a folder has another number; one that was moved keeps it. */
const folderNumber = (folder: string): string => String(statSync(join(folder, '.millrace'), { bigint: true }).ino);

/**
 * The ids of a project, given those that are recorded at a source. A project without one gets it, which needs one of its targets: throws why
 * they cannot be asked, to be tried again.
 */
export async function identify(project: Owner, recorded: readonly string[]): Promise<ProjectIds> {
  const kept = keptId(project.folder);
  if (kept !== undefined && recorded.every((id) => id === kept)) return { id: kept, own: new Set([kept]), unasked: [] };
  const { told, unasked, trouble } = await askTargets(project);
  const own = new Set([...(kept === undefined ? [] : [kept]), ...told]);
  const id = kept ?? recorded.find((one) => own.has(one)) ?? told[0] ?? randomBytes(8).toString('hex');
  if (kept === undefined) {
    if (trouble && unasked.length === project.replicas.length) throw waiting(trouble);
    if (!own.has(id)) {
      const asked = project.replicas.filter(({ name }) => !unasked.includes(name));
      const outcomes = await Promise.allSettled(asked.map(({ name, url }) => withConnection(url, (connection) => recordProjectId(connection, name, id))));
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
      if (refusals.length === asked.length) throw waiting(asMillraceError(refusals[0]));
    }
    makeFolder(join(project.folder, '.millrace'));
    writeDurably(path(project.folder), { format: 1, id, folder: folderNumber(project.folder) });
  }
  return { id, own: own.add(id), unasked };
}

/** What the replica says of its target, from the source's point of view: that passes when the replica's trouble does. */
const waiting = ({ code, message, where, detail, hint, cause }: MillraceError): MillraceError =>
  new MillraceError(code, `whose the slot is stands in the targets, and none of them can be asked: ${message}`, {
    hint, retriable: true, cause, ...(where ? { where } : {}), ...(detail ? { detail } : {}),
  });

/** What the targets know, for who only looks. */
export async function knownIds(project: Owner): Promise<ProjectIds> {
  const kept = keptId(project.folder);
  const { told, unasked } = await askTargets(project);
  return { id: kept ?? told[0] ?? 'without an id', own: new Set([...(kept === undefined ? [] : [kept]), ...told]), unasked };
}

async function askTargets({ replicas }: Owner): Promise<{ told: string[]; unasked: string[]; trouble: MillraceError | undefined }> {
  const answers = await Promise.all(replicas.map(({ name, url }) =>
    withConnection(url, (connection) => readProjectId(connection, name)).then((id) => ({ name, id, error: undefined }), (error: unknown) => ({ name, id: undefined, error: asMillraceError(error) }))));
  return {
    told: [...new Set(answers.flatMap(({ id }) => id ?? []))],
    unasked: answers.filter(({ error }) => error).map(({ name }) => name),
    trouble: answers.find(({ error }) => error)?.error,
  };
}
