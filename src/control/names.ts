// Names: of the things that a project makes outside and inside its folder, and those that it does not have.
import { join } from 'node:path';
import { MillraceError } from '../base/index.ts';
import type { SourceNames } from '../connect/index.ts';
import { nearestName } from '../data/index.ts';
import type { Project, SourceSpec } from './project/project.ts';

/** The replication slot and the publication of a source, unless the project names others. A slot of its own brings a publication of its own. */
export const slotName = (source: SourceSpec): string => source.slot ?? `millrace_${source.name.toLowerCase().replace(/[^a-z0-9_]/g, '_')}`;
const publicationName = (source: SourceSpec): string => source.publication ?? source.slot ?? `millrace_${source.name}`;
export const namesAtSource = (source: SourceSpec): SourceNames => ({ slot: slotName(source), publication: publicationName(source), managesPublication: source.publication === undefined });

/** Where the log of a source lies. */
export const logFolder = (project: Pick<Project, 'folder'>, source: string): string => join(project.folder, '.millrace', 'log', source);

/** Where transactions of a source are kept that are in progress. */
export const spillFolder = (project: Pick<Project, 'folder'>, source: string): string => join(project.folder, '.millrace', 'spill', source);

/** NAME_UNKNOWN with the nearest of the names that there are, or all of them. `kind`: what was wanted, e.g. `replica`. */
export function unknownName(kind: string, name: string, names: readonly string[]): MillraceError {
  const near = nearestName(name, names);
  return new MillraceError('NAME_UNKNOWN', `no ${kind} is named "${name}"`, { hint: near === undefined ? `the project has ${names.join(', ')}` : `did you mean "${near}"?` });
}
