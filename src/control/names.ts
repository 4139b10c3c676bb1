// What a project calls the things that it makes outside and inside its folder.
import { join } from 'node:path';
import type { Project, SourceSpec } from './project/project.ts';

/** The replication slot and the publication of a source, unless the project names others. */
export const slotName = (source: SourceSpec): string => source.slot ?? `millrace_${source.name.toLowerCase().replace(/[^a-z0-9_]/g, '_')}`;
export const publicationName = (source: SourceSpec): string => source.publication ?? `millrace_${source.name}`;

/** Where the log of a source lies. */
export const logFolder = (project: Pick<Project, 'folder'>, source: string): string => join(project.folder, '.millrace', 'log', source);
