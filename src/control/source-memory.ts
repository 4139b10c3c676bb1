// .millrace/log/SOURCE/identity.json: the server whose history the log holds, and whether the log is the only one that has it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceMemory } from '../capture/index.ts';
import { writeDurably } from './durable-file.ts';
import { logFolder } from './names.ts';
import type { Project } from './project/project.ts';

const path = (project: Pick<Project, 'folder'>, source: string): string => join(logFolder(project, source), 'identity.json');

export function readMemory(project: Pick<Project, 'folder'>, source: string): SourceMemory | undefined {
  try {
    const value = JSON.parse(readFileSync(path(project, source), 'utf8')) as { format?: number; systemId?: string; timeline?: number; database?: string; onlyCopy?: boolean };
    return value.format === 1 && value.systemId ? { identity: { systemId: value.systemId, timeline: value.timeline ?? 0, ...(value.database === undefined ? {} : { database: value.database }) }, onlyCopy: value.onlyCopy ?? false } : undefined;
  } catch {
    return undefined; // absent or torn: then the stream begins anew
  }
}

export const writeMemory = (project: Pick<Project, 'folder'>, source: string, { identity, onlyCopy }: SourceMemory): void =>
  writeDurably(path(project, source), { format: 1, ...identity, ...(onlyCopy ? { onlyCopy } : {}) });

/** What `status` says of a source while its log is the only copy. */
export const onlyCopyNote = 'the source kept more WAL than limits.walKept, so the log in .millrace/ counts: it now holds changes that exist nowhere else';
